"""The differences between two configurations."""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from mindpoint.config.configuration import Config
from mindpoint.config.text import one_line

Value = Tuple[str, str]  # the text and its position


def differences(first: Config, second: Config) -> Iterator[Tuple[str, Optional[Value], Optional[Value]]]:
    """Yield, for each difference, the path, the value in the first configuration and the value in the second; None if a value is
    missing."""
    ours, theirs = _values(first), _values(second)
    for path in sorted({*ours, *theirs}):
        old, new = ours.get(path), theirs.get(path)
        if old is None or new is None or old[0] != new[0]:
            yield path, old, new


def _values(config: Config) -> dict:
    return {path: (one_line(value), where) for path, value, where in config.leaves()}
