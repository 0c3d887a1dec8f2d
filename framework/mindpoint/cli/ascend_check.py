"""mindpoint ascend-check"""

from __future__ import annotations

import argparse
import json

from mindpoint.cli.options import add_set

HELP = "check whether MindSpore registers every operator of a configuration for Ascend; works without an Ascend"
EXAMPLES = ("mindpoint ascend-check dla34_dcn_coco",)

_LIMITS = """This check compares names, and types where MindSpore registers them (AICPU). It cannot tell whether CANN's kernels accept these
types, shapes and attributes, how the graph engine changes the graph, whether the memory suffices, or how fast the operators are."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", metavar="CONFIG", nargs="*", help="a YAML file, or the name of a shipped configuration (default: all shipped ones)"
    )
    add_set(parser)
    parser.add_argument("--all", action="store_true", help="list every operator, not only those that are missing, slow or unclear")
    parser.add_argument("--markdown", action="store_true", help="print a table with a line for each configuration")
    parser.add_argument("--json", action="store_true", help="print every operator with types and shapes as JSON")


def run(args: argparse.Namespace) -> int:
    from mindpoint.ascend.check import check, markdown
    from mindpoint.ascend.registrations import ACLNN, MEANINGS, MISSING, NAMED
    from mindpoint.config import shipped
    from mindpoint.runtime.tables import table

    rows = {name: check(name, args.set) for name in args.config or shipped()}
    if args.json:
        print(json.dumps({name: [{**vars(row), "shapes": sorted(row.shapes)} for row in found] for name, found in rows.items()}, indent=1))
    elif args.markdown:
        print(markdown(rows))
    else:
        for name, found in rows.items():
            shown = [row for row in found if args.all or row.where not in (ACLNN, NAMED)]
            counts = ", ".join(
                f"{sum(row.where == where for row in found)} {where}" for where in MEANINGS if any(r.where == where for r in found)
            )
            print(f"{name}: {len(found)} operators with types: {counts}")
            if shown:
                cells = [[row.name, ", ".join(row.kinds), row.training or "", row.prediction or "", row.where] for row in shown]
                print(table(["operator", "types", "training", "prediction", "registered"], [list(map(str, line)) for line in cells]))
        there = {row.where for found in rows.values() for row in found}
        print("\n".join([*(f"{where}: {text}" for where, text in MEANINGS.items() if where in there), _LIMITS]))
    return 1 if any(row.where == MISSING for found in rows.values() for row in found) else 0
