"""The unit of the parity table: one number compared with the reference's."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """One comparison with the reference.

    Attributes:
        area: what is compared, e.g. ``targets``.
        case: which one of the area, e.g. ``case03/hm``.
        error: largest deviation, in the unit of ``tolerance``; NaN where it could not be computed.
        tolerance: largest error that passes.
    """

    area: str
    case: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; a NaN never is."""
        return self.error <= self.tolerance
