"""Entry points of one distribution, which may be damaged."""

from __future__ import annotations

from typing import List, Optional


def entry_points_of(distribution: object) -> Optional[List]:
    """Return the entry points of an ``importlib_metadata.Distribution``, without those whose group or name is empty; None if they are
    damaged."""
    try:
        return [point for point in distribution.entry_points if point.group and point.name]
    except Exception:  # the parser's errors have no common base
        return None
