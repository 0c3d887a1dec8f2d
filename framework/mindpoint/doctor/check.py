"""The results of ``mindpoint doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class Check:
    """One line of the report.

    A distribution adds its own lines with entry points of the group ``mindpoint.checks``: functions without arguments that return a list of
    checks. They run in the doctor's process, which has not imported MindSpore.

    Attributes:
        name: subject of the check, a few words.
        value: the finding, one line.
        problem: what does not work and how to fix it; None if all is well. The doctor then ends with exit code 1.
        note: a remark on something that works.
    """

    name: str
    value: str
    problem: Optional[str] = None
    note: Optional[str] = None
