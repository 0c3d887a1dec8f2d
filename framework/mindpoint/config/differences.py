"""What differs between two configurations."""

from __future__ import annotations

from typing import Iterator, Optional, Tuple

from mindpoint.config.configuration import Config
from mindpoint.config.text import one_line

Value = Tuple[str, str]  # as text, and the place it comes from


def differences(first: Config, second: Config) -> Iterator[Tuple[str, Optional[Value], Optional[Value]]]:
    """Path, value in the first, value in the second, of each value that differs; None where there is none."""
    ours, theirs = _values(first), _values(second)
    for path in sorted({*ours, *theirs}):
        old, new = ours.get(path), theirs.get(path)
        if old is None or new is None or old[0] != new[0]:
            yield path, old, new


def _values(config: Config) -> dict:
    return {path: (one_line(value), where) for path, value, where in config.leaves()}
