"""The metadata of a MINDIR file: its field ``user_info``, a mapping from MindSpore 2.10 on and a list of entries before. Both have the same
form in the file."""

from __future__ import annotations

from typing import Dict, Mapping


def read_texts(content) -> Dict[str, str]:
    """Return the texts by key of a ``ModelProto``."""
    entries = content.user_info
    return {entry.key: entry.value for entry in entries} if hasattr(entries, "add") else dict(entries)


def add_texts(content, texts: Mapping[str, str]) -> None:
    """Add texts to a ``ModelProto``; a key that is there is replaced."""
    entries = content.user_info
    if hasattr(entries, "add"):
        for key, text in texts.items():
            entries.add(key=key, value=text)  # of equal keys, the last counts
    else:
        entries.update(texts)
