"""mindpoint runs"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

HELP = "list the runs in a folder, or compare some of them: settings, results, curves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="list | compare", required=True)
    listing = actions.add_parser("list", help="list runs with their progress and best results", examples=["mindpoint runs list"])
    listing.add_argument("folder", nargs="?", default="runs", metavar="DIR", help="folder that contains the run folders (default: runs)")
    listing.set_defaults(run=_list)
    compare = actions.add_parser(
        "compare",
        help="print the differences between runs, and draw their curves into one picture",
        examples=["mindpoint runs compare runs/first runs/second"],
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help="two or more run folders")
    compare.add_argument("--out", metavar="FILE", default="comparison.png", help="the picture (default: comparison.png)")
    compare.set_defaults(run=_compare)


def run(args: argparse.Namespace) -> int:
    return args.run(args)


def _list(args: argparse.Namespace) -> int:
    from mindpoint.config.files import RESOLVED
    from mindpoint.errors import DataError
    from mindpoint.runtime.environment import starts
    from mindpoint.runtime.tables import table

    folder = Path(args.folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    rows = []
    for path in sorted(folder.iterdir()):
        if (path / RESOLVED).is_file():
            begun = starts(path)
            rows.append((path.name, begun[-1]["started"][:16].replace("T", " ") if begun else "", *_progress(path)))
    if not rows:
        raise DataError(f"{folder}: contains no runs; a run folder has a {RESOLVED}")
    print(table(("RUN", "STARTED", "EPOCHS", "STEPS", "LOSS", "BEST"), rows))
    return 0


def _progress(path: Path) -> List[str]:
    """Return epochs, steps, last loss and the best value of the main statistic, if the log has them."""
    from mindpoint.errors import DataError
    from mindpoint.visual.history import History

    try:
        history = History.read(path)
    except DataError:
        return ["", "", "", "no log"]
    loss = history.losses.get("loss")
    _, values = history.statistics.get(history.main, ([], []))
    best = f"{history.main} {_number(_best(history.main, values))}" if history.main else ""
    return [str(history.epoch), str(history.step), f"{loss[1][-1]:.4g}" if loss else "", best]


def _best(name: str, values: Sequence[float]) -> float:
    from mindpoint.contracts.metric import gain

    return max((value for value in values if not math.isnan(value)), key=lambda value: gain(name, value), default=math.nan)


def _compare(args: argparse.Namespace) -> int:
    from mindpoint.errors import MindpointError
    from mindpoint.visual.charts import write_chart
    from mindpoint.visual.history import History, charts

    if len(args.runs) < 2:
        raise MindpointError("mindpoint runs compare needs two or more run folders")
    paths = [Path(name) for name in args.runs]
    labels = [path.resolve().name for path in paths]
    if len(set(labels)) < len(labels):
        labels = list(args.runs)
    histories = {label: History.read(path) for label, path in zip(labels, paths)}
    settings = {label: _settings(path) for label, path in zip(labels, paths)}
    surroundings = {label: _surroundings(path) for label, path in zip(labels, paths)}
    results = {label: _results(history) for label, history in histories.items()}
    for title, columns, only_differing in (
        ("configuration", settings, True),
        ("environment", surroundings, True),
        ("results", results, False),
    ):
        print(_side_by_side(title, columns, only_differing) + "\n")
    write_chart(args.out, charts(histories), title=" · ".join(labels))
    print(f"curves in {args.out}")
    return 0


def _side_by_side(title: str, columns: Mapping[str, Mapping[str, str]], only_differing: bool) -> str:
    """Return a table with a column per run; ``-`` marks a missing value."""
    from mindpoint.runtime.tables import table

    keys = dict.fromkeys(key for values in columns.values() for key in values)
    rows = [(key, *(values.get(key, "-") for values in columns.values())) for key in keys]
    if only_differing:
        rows = [row for row in rows if len(set(row[1:])) > 1]
    return table((title, *columns), rows) if rows else f"{title}: no difference"


def _settings(path: Path) -> Dict[str, str]:
    """Return the values of a run's configuration by path. The configuration is not validated: its plugins need not be installed."""
    from mindpoint.config.files import find, read
    from mindpoint.config.node import Problems, leaves
    from mindpoint.config.text import one_line

    problems = Problems()
    root = read(find(str(path)), problems)
    problems.raise_any()
    return {key: one_line(node.plain()) for key, node in leaves(root)}


def _surroundings(path: Path) -> Dict[str, str]:
    """Return the recorded environment of a run's last start: facts that may explain different results."""
    from mindpoint.runtime.environment import starts

    begun = starts(path)
    if not begun:
        return {}
    last = begun[-1]
    code = last["code"]["mindpoint"] or {}
    commit = {"code": code["commit"][:12] + " and changes" * bool(code["changed"])} if code else {}
    plain = {key: str(last[key]) for key in ("host", "device", "threads")}
    return {**plain, "cpu": last["cpu"]["model"], "cores": str(last["cpu"]["cores"]), **last["variables"], **last["versions"], **commit}


def _results(history) -> Dict[str, str]:
    found = {"steps": str(history.step), "epochs": str(history.epoch)}
    found.update({f"last {name}": f"{values[-1]:.4g}" for name, (_, values) in history.losses.items()})
    found.update({f"best {name}": _number(_best(name, values)) for name, (_, values) in history.statistics.items()})
    return found


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.4f}"
