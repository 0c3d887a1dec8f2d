"""The command ``mindpoint parity``: compare every part with numbers of the official implementation."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from pathlib import Path
from typing import List, Sequence

from mindpoint.cli.parser import Parser
from mindpoint.contracts.comparison import Comparison, as_json, as_table
from mindpoint.errors import DataError

from mindpoint_parity.reference import NETWORKS, ZOO, Reference, load_tolerances

AREAS = {
    "network": NETWORKS,
    "targets": "targets.json",
    "train": "train.json",
    "decode": "decode.npz",
    "soft_nms": "decode.npz",
    "merge": "decode.npz",
    "preprocess": "preprocess*.json",
    "end_to_end": "end_to_end.npz",
    "evaluation": "evaluation.json",
    "zoo": ZOO,
}
"""Modules of this package, each with ``check(reference) -> comparisons``, and the files that they need."""


def main(argv: Sequence[str]) -> int:
    """compare every part with numbers of the official implementation

    Exit code 1 if a difference exceeds its tolerance.
    """
    parser = Parser(
        prog="mindpoint parity",
        description="Compare every part with numbers of the official implementation.",
        examples=["mindpoint parity --golden golden --coco data/coco"],
    )
    text = "folder with the expected values, of pose, detection or the model zoo; areas without values are skipped"
    parser.add_argument("--golden", metavar="DIR", required=True, type=Path, help=text)
    text = "COCO folder with the images of these values, for targets, end_to_end and evaluation"
    parser.add_argument("--coco", metavar="DIR", type=Path, help=text)
    parser.add_argument(
        "--only", metavar="AREA", action="append", choices=AREAS, help=f"compare only this area; may be repeated: {', '.join(AREAS)}"
    )
    parser.add_argument("--json", action="store_true", help="print every comparison as JSON")
    text = "tolerances as JSON by area and quantity (default: tolerances.json of --golden or, without it, the shipped ones of the task)"
    parser.add_argument("--tolerances", metavar="FILE", type=Path, help=text)
    args = parser.parse_args(argv)
    for folder in (args.golden, args.coco):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder}: no such folder")
    reference = Reference(args.golden, args.coco, load_tolerances(args.golden, args.tolerances))
    rows: List[Comparison] = []
    for name in args.only or [name for name, files in AREAS.items() if any(args.golden.glob(files))]:
        started = time.perf_counter()
        found = _check(name, reference)
        if args.only and not found:
            raise DataError(f"{name}: {args.golden} has no values for this area")
        rows += found
        print(f"{name}: {time.perf_counter() - started:.1f} s", file=sys.stderr)
    print(as_json(rows) if args.json else as_table(rows))
    return 0 if rows and all(row.passed for row in rows) else 1


def _check(name: str, reference: Reference) -> List[Comparison]:
    check = import_module(f"mindpoint_parity.{name}").check
    try:
        return check(reference)
    except FileNotFoundError as error:
        raise DataError(f"{name}: {error.filename or error} is missing from the folders given") from error
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except (KeyError, ValueError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise DataError(f"{name}: the expected values in {reference.golden} have an unknown format: {problem}") from error
