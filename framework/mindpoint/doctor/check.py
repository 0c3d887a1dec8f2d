"""What ``mindpoint doctor`` finds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Check:
    """One line of the report.

    A distribution adds lines of its own with entry points of the group ``mindpoint.checks``: functions without arguments that return a
    list of these. They run in the doctor's process, which has not imported MindSpore.

    Attributes:
        name: what was looked at, a few words.
        value: what was found, one line.
        problem: what does not work and how to mend it; None if nothing is wrong. The doctor then ends with exit code 1.
        note: what works and is still worth knowing.
    """

    name: str
    value: str
    problem: Optional[str] = None
    note: Optional[str] = None
