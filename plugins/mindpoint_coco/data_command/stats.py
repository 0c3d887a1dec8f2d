"""mindpoint data stats"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Sequence

from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import add_data

if TYPE_CHECKING:
    import numpy as np
    from mindpoint.contracts.analysis import Chart

    from mindpoint_coco.datasets.statistics import Statistics

DESCRIPTION = """Show statistics of the data: sizes of images and objects, objects per image and per class, labelled joints. Writes
statistics.png, with the splits side by side, and statistics.json. Crowds are not counted as objects; image files are not opened."""
_MOST_CLASSES = 20  # limit of the printed table and the picture; statistics.json has all classes
_AREAS = "objects below 32 x 32, up to 96 x 96, above, pixels"
_SAID = {"side": "side of an object (root of the area)", "width_to_height": "width / height of an object's box"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the files, new or empty (default: data-stats-NAME)")


def run(args: argparse.Namespace) -> int:
    import json

    from mindpoint.errors import DataError
    from mindpoint.storage.files import atomic_folder
    from mindpoint.visual.charts import write_chart

    from mindpoint_coco.data_command.source import sources
    from mindpoint_coco.datasets.statistics import statistics

    found: Dict[str, Statistics] = {}
    for source in sources(args, images=False):
        try:
            found[source.name] = statistics(source.content, source.naming, source.fields)
        except DataError as error:
            raise DataError(f"{source.origin}: {error}") from error
    summaries = {name: numbers.summary() for name, numbers in found.items()}
    out = args.out or Path(f"data-stats-{Path(args.data).stem}")
    with atomic_folder(out) as folder:
        write_chart(folder / "statistics.png", charts(found), title=", ".join(map(_title, found.items())))
        (folder / "statistics.json").write_text(json.dumps(summaries, indent=1) + "\n", encoding="utf-8")
    print(_table(summaries))
    print(f"statistics.png and statistics.json are in {out}")
    return 0


def _title(entry: tuple[str, Statistics]) -> str:
    return f"{entry[0]}: {len(entry[1].widths)} images, {len(entry[1].sides)} objects"


def _table(summaries: Dict[str, dict]) -> str:
    """Return the most important numbers, a column per split; joints only if they exist."""
    from mindpoint.runtime.tables import table

    rows, first = [], next(iter(summaries.values()))
    for key in ("images", "images_without_objects", "objects", "objects_without_joints", "crowds", "left_out"):
        if key in first:
            rows.append([key.replace("_", " "), *(str(summary[key]) for summary in summaries.values())])
    rows.append([_AREAS, *(" / ".join(map(str, summary["areas"].values())) for summary in summaries.values())])
    for key in ("width", "height", "objects_an_image", "side", "width_to_height", "joints_labelled"):
        if key in first:
            five = [summary[key] for summary in summaries.values()]
            values = [" / ".join(f"{each[part]:.4g}" for part in ("p5", "median", "p95")) if each else "-" for each in five]
            rows.append([f"{_SAID.get(key, key.replace('_', ' '))}, 5 % / median / 95 %", *values])
    if len(first["classes"]) > 1:
        rows += _class_rows([summary["classes"] for summary in summaries.values()])
    return table(["", *summaries], rows)


def _class_rows(splits: Sequence[Dict[str, dict]]) -> List[List[str]]:
    """Return a row per class, the most frequent of the first split first, and one row for all other classes."""
    names = sorted(splits[0], key=lambda name: -splits[0][name]["objects"])
    shown, others = names[:_MOST_CLASSES], names[_MOST_CLASSES:]
    rows = [[f"{name}: objects / images", *(f"{split[name]['objects']} / {split[name]['images']}" for split in splits)] for name in shown]
    if others:
        rows.append([f"{len(others)} further classes: objects", *(str(sum(split[name]["objects"] for name in others)) for split in splits)])
    rows.append(["classes without objects", *(str(sum(not each["objects"] for each in split.values())) for split in splits)])
    return rows


def charts(found: Dict[str, Statistics]) -> List[Chart]:
    """Return histograms in percent, so that splits of different size can be compared; the histograms of joints and classes only if there
    are several."""
    import numpy as np

    first = next(iter(found.values()))
    crowded = min(20, max(int(numbers.per_image.max(initial=0)) for numbers in found.values()))
    longer = lambda numbers: np.maximum(numbers.widths, numbers.heights)  # noqa: E731
    drawn = [
        _histogram("Images by longer side", found, longer, _even(found, longer), "pixels"),
        _histogram("Images by width / height", found, lambda n: n.widths / n.heights, [0, 0.5, 0.7, 0.9, 1.1, 1.4, 2, np.inf], "ratio"),
        _histogram("Images by objects", found, lambda n: n.per_image, [*range(crowded + 1), np.inf], "objects", whole=True),
        _histogram("Objects by side (root of the area)", found, lambda n: n.sides, [0, *2.0 ** np.arange(3, 10.5), np.inf], "pixels"),
        _histogram("Objects by share of the image's longer side", found, lambda n: n.shares, [*np.linspace(0, 0.9, 10), np.inf], "share"),
        _histogram(
            "Objects by width / height of the box", found, lambda n: n.ratios, [0, 0.2, 0.33, 0.5, 0.8, 1.25, 2, 3, 5, np.inf], "ratio"
        ),
    ]
    if len(first.classes) > 1:
        drawn.append(_classes(found))
    if first.joints:
        most = max(int(numbers.labelled.max(initial=0)) for numbers in found.values())
        drawn += [
            _histogram("Objects by labelled joints", found, lambda n: n.labelled, _counts(most), "joints", whole=True),
            _joints("How often each joint is labelled", found, lambda visibility: visibility > 0),
            _joints("How often each joint is visible", found, lambda visibility: visibility == 2),
        ]
    return drawn


def _classes(found: Dict[str, Statistics]) -> Chart:
    """Return the share of each class, in the order of frequency in the first split, and the share of all others together."""
    import numpy as np
    from mindpoint.contracts.analysis import Chart, Line

    counts = {split: np.bincount(numbers.labels, minlength=len(numbers.classes)) for split, numbers in found.items()}
    classes = next(iter(found.values())).classes
    order = np.argsort(-next(iter(counts.values())), kind="stable")
    shown, others = order[:_MOST_CLASSES], order[_MOST_CLASSES:]
    names = [classes[label] for label in shown] + [f"{len(others)} others"] * bool(len(others))
    lines = []
    for split, each in counts.items():
        heights = [*each[shown], each[others].sum()][: len(names)]
        lines.append(Line(split if len(found) > 1 else "", names, 100 * np.array(heights) / max(1, each.sum())))
    return Chart("Objects by class, %", "", "", lines, form="bars")


def _even(found: Dict[str, Statistics], values: Callable[[Statistics], np.ndarray]) -> List[float]:
    """Return at most ten round bin edges around the values of all splits."""
    import numpy as np

    every = np.concatenate([values(numbers) for numbers in found.values()])
    least, most = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
    step = next(step for power in range(8) for step in (10**power, 2 * 10**power, 5 * 10**power) if (most - least) / step <= 10)
    return [step * number for number in range(int(least // step), int(most // step) + 2)]


def _counts(most: int) -> List[float]:
    """Return the edges of at most twenty bins for 0 to ``most``."""
    step = -(-(most + 1) // 20)
    return [*range(0, most + 1, step), most + 1]


def _histogram(
    title: str,
    found: Dict[str, Statistics],
    values: Callable[[Statistics], np.ndarray],
    edges: Sequence[float],
    unit: str,
    whole: bool = False,
) -> Chart:
    import numpy as np
    from mindpoint.contracts.analysis import Chart, Line

    names = [_bin_name(low, high, whole) for low, high in zip(edges, edges[1:])]
    lines = []
    for split, numbers in found.items():
        counts = np.histogram(values(numbers), np.array(edges, np.float64))[0]
        lines.append(Line(split if len(found) > 1 else "", names, 100 * counts / max(1, counts.sum())))
    return Chart(f"{title}, %", unit, "", lines, form="bars")


def _bin_name(low: float, high: float, whole: bool) -> str:
    if high == float("inf"):
        return f"{low:g}+"
    if whole and high - low == 1:
        return f"{low:g}"
    return f"{low:.4g}-{high - 1 if whole else high:.4g}"


def _joints(title: str, found: Dict[str, Statistics], chosen: Callable[[np.ndarray], np.ndarray]) -> Chart:
    import numpy as np
    from mindpoint.contracts.analysis import Chart, Line

    lines = []
    for split, numbers in found.items():
        those, owned = numbers.visibility[numbers.labelled > 0], numbers.owned[numbers.labelled > 0]
        shares = 100 * chosen(those).sum(axis=0) / np.maximum(1, owned.sum(axis=0))
        lines.append(Line(split if len(found) > 1 else "", list(numbers.joints), shares))
    return Chart(f"{title}, % of objects with joints", "", "", lines, form="bars")


class Stats(DataAction):
    """show statistics: sizes, objects per image and class, joints"""

    description = DESCRIPTION
    examples = ("mindpoint data stats mine.yaml",)
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
