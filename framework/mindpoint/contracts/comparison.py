"""A number compared with its reference, and tables of them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Sequence

from mindpoint.runtime.tables import table


@dataclass(frozen=True)
class Comparison:
    """One comparison with a reference.

    Attributes:
        area: the quantity that is compared, e.g. ``targets``.
        case: the case within the area, e.g. ``case03/hm``.
        error: largest deviation, in the unit of ``tolerance``; NaN where it could not be computed.
        tolerance: largest error of a passing comparison.
    """

    area: str
    case: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Tell whether the error is within the tolerance; False for NaN."""
        return self.error <= self.tolerance


def as_table(rows: Sequence[Comparison]) -> str:
    """Return a table with one line for each area and tolerance, then the failed comparisons."""
    groups = []
    for area, tolerance in dict.fromkeys((row.area, row.tolerance) for row in rows):
        group = [row for row in rows if (row.area, row.tolerance) == (area, tolerance)]
        errors = [row.error for row in group]
        largest = math.nan if any(math.isnan(error) for error in errors) else max(errors)
        verdict = "pass" if all(row.passed for row in group) else "FAIL"
        groups.append((area, str(len(group)), f"{largest:.3g}", f"{tolerance:.3g}", verdict))
    failed = [row for row in rows if not row.passed]
    return "\n".join(
        [
            table(("area", "cases", "largest error", "tolerance", "verdict"), groups),
            *(f"  {row.area}: {row.case}: {row.error:.3g} > {row.tolerance:.3g}" for row in failed),
            f"{len(rows) - len(failed)} of {len(rows)} comparisons pass",
        ]
    )


def as_json(rows: Sequence[Comparison]) -> str:
    """Return all comparisons as JSON; an error that could not be computed is null."""
    return json.dumps(
        [
            {
                "area": row.area,
                "case": row.case,
                "error": None if math.isnan(row.error) else row.error,
                "tolerance": row.tolerance,
                "passed": row.passed,
            }
            for row in rows
        ],
        indent=1,
    )
