"""The command ``mindpoint parity``: every part against the numbers of the official implementation."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import Callable, Dict, List, Sequence

from mindpoint.errors import DataError
from mindpoint_parity.comparison import Comparison

AREAS = ("network", "targets", "train", "decode", "soft_nms", "preprocess", "end_to_end", "evaluation")


def main(argv: Sequence[str]) -> int:
    """compare every part with numbers of the official implementation

    Status 1 if anything falls short of its tolerance.
    """
    parser = argparse.ArgumentParser(prog="mindpoint parity", description="Compare every part with numbers of the official implementation.")
    parser.add_argument("--golden", metavar="DIR", required=True, type=Path, help="folder with the expected values")
    parser.add_argument("--coco", metavar="DIR", required=True, type=Path, help="COCO folder with the images that they were computed from")
    parser.add_argument("--only", metavar="AREA", action="append", choices=AREAS, help=f"only this area, repeatable: {', '.join(AREAS)}")
    parser.add_argument("--json", action="store_true", help="print every comparison as JSON")
    args = parser.parse_args(argv)
    for folder in (args.golden, args.coco):
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    rows: List[Comparison] = []
    for name in args.only or AREAS:
        started = time.perf_counter()
        rows += _run(name, args.golden, args.coco)
        print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    print(as_json(rows) if args.json else as_table(rows))
    return 0 if rows and all(row.passed for row in rows) else 1


def _run(name: str, golden: Path, coco: Path) -> List[Comparison]:
    try:
        return _checks()[name](golden, coco)
    except FileNotFoundError as error:
        raise DataError(f"{name}: {error.filename or error} is missing from the folders given") from error
    except (KeyError, ValueError) as error:
        raise DataError(f"{name}: the expected values in {golden} are not of the known format: {type(error).__name__}: {error}") from error


def _checks() -> Dict[str, Callable[[Path, Path], List[Comparison]]]:
    from mindpoint_parity import decode, end_to_end, evaluation, network, preprocess, soft_nms, targets, train

    return {
        "network": lambda golden, coco: network.check(golden),
        "targets": targets.check,
        "train": lambda golden, coco: train.check(golden),
        "decode": lambda golden, coco: decode.check(golden),
        "soft_nms": lambda golden, coco: soft_nms.check(golden),
        "preprocess": lambda golden, coco: preprocess.check(golden),
        "end_to_end": end_to_end.check,
        "evaluation": evaluation.check,
    }


def as_table(rows: Sequence[Comparison]) -> str:
    """One line for the comparisons of one area and tolerance, then those that fell short."""
    lines = [f"{'area':28} {'cases':>5}  {'largest error':>13}  {'tolerance':>9}  verdict"]
    for area, tolerance in dict.fromkeys((row.area, row.tolerance) for row in rows):
        group = [row for row in rows if (row.area, row.tolerance) == (area, tolerance)]
        errors = [row.error for row in group]
        largest = math.nan if any(math.isnan(error) for error in errors) else max(errors)
        verdict = "pass" if all(row.passed for row in group) else "FAIL"
        lines.append(f"{area:28} {len(group):5}  {largest:13.3g}  {tolerance:9.3g}  {verdict}")
    short = [row for row in rows if not row.passed]
    lines += [f"  {row.area}: {row.case}: {row.error:.3g} > {row.tolerance:.3g}" for row in short]
    lines.append(f"{len(rows) - len(short)} of {len(rows)} comparisons pass")
    return "\n".join(lines)


def as_json(rows: Sequence[Comparison]) -> str:
    """All comparisons; an error that could not be computed is null."""
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
