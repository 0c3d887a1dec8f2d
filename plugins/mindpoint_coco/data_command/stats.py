"""mindpoint data stats"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Sequence

from mindpoint_coco.data_command.command import add_data

if TYPE_CHECKING:
    import numpy as np

    from mindpoint_coco.keypoints import Keypoints
    from mindpoint.visual.charts import Panel
    from mindpoint_coco.datasets.statistics import Statistics

HELP = "sizes, people an image and joints, as pictures and numbers"
DESCRIPTION = """Count what the data holds: sizes of images and people, people an image, which joints are labelled. Writes
statistics.png, the splits side by side, and statistics.json. Crowds are not counted as people; image files are not opened."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the files, new or empty (default: data-stats-NAME)")


def run(args: argparse.Namespace) -> int:
    import json

    from mindpoint.storage.files import atomic_folder
    from mindpoint.errors import DataError
    from mindpoint.visual.charts import write_chart
    from mindpoint_coco.data_command.source import sources
    from mindpoint_coco.datasets.statistics import statistics

    looked_at = sources(args, images=False)
    found: Dict[str, Statistics] = {}
    for source in looked_at:
        try:
            found[source.name] = statistics(source.content, source.classes, source.keypoints)
        except DataError as error:
            raise DataError(f"{source.origin}: {error}") from error
    keypoints = looked_at[0].keypoints
    summaries = {name: numbers.summary(keypoints) for name, numbers in found.items()}
    out = args.out or Path(f"data-stats-{Path(args.data).stem}")
    with atomic_folder(out) as folder:
        write_chart(folder / "statistics.png", panels(found, keypoints), title=", ".join(map(_title, found.items())))
        (folder / "statistics.json").write_text(json.dumps(summaries, indent=1) + "\n", encoding="utf-8")
    print(_table(summaries))
    print(f"statistics.png and statistics.json are in {out}")
    return 0


def _title(entry: tuple[str, Statistics]) -> str:
    return f"{entry[0]}: {len(entry[1].widths)} images, {len(entry[1].sides)} people"


def _table(summaries: Dict[str, dict]) -> str:
    """The most important numbers, a column a split."""
    rows = [["", *summaries]]
    for key in ("images", "images_without_people", "people", "people_without_joints", "crowds", "left_out"):
        rows.append([key.replace("_", " "), *(str(summary[key]) for summary in summaries.values())])
    for key in ("width", "height", "people_an_image", "side", "joints_labelled"):
        five = [summary[key] for summary in summaries.values()]
        values = [" / ".join(f"{each[part]:g}" for part in ("p5", "median", "p95")) if each else "-" for each in five]
        rows.append([{"side": "side of a person (root of the area)"}.get(key, key.replace("_", " ")) + ", 5 % / median / 95 %", *values])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows)


def panels(found: Dict[str, Statistics], keypoints: Keypoints) -> List[Panel]:
    """Histograms in percent, so that splits of different size can be compared."""
    import numpy as np

    joints = [int(numbers.labelled.max(initial=0)) for numbers in found.values()]
    crowded = min(20, max(int(numbers.people.max(initial=0)) for numbers in found.values()))
    longer = lambda numbers: np.maximum(numbers.widths, numbers.heights)  # noqa: E731
    return [
        _histogram("Images by longer side", found, longer, _even(found, longer), "pixels"),
        _histogram("Images by width / height", found, lambda n: n.widths / n.heights, [0, 0.5, 0.7, 0.9, 1.1, 1.4, 2, np.inf], "ratio"),
        _histogram("Images by people", found, lambda n: n.people, [*range(crowded + 1), np.inf], "people", whole=True),
        _histogram("People by side (root of the area)", found, lambda n: n.sides, [0, *2.0 ** np.arange(3, 10.5), np.inf], "pixels"),
        _histogram("People by share of the image's longer side", found, lambda n: n.shares, [*np.linspace(0, 0.9, 10), np.inf], "share"),
        _histogram("People by labelled joints", found, lambda n: n.labelled, _counts(max(joints)), "joints", whole=True),
        _joints("How often each joint is labelled", found, keypoints, lambda visibility: visibility > 0),
        _joints("How often each joint is visible", found, keypoints, lambda visibility: visibility == 2),
    ]


def _even(found: Dict[str, Statistics], values: Callable[[Statistics], np.ndarray]) -> List[float]:
    """Round edges, no more than ten, around the values of all splits."""
    import numpy as np

    every = np.concatenate([values(numbers) for numbers in found.values()])
    least, most = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
    step = next(step for power in range(8) for step in (10**power, 2 * 10**power, 5 * 10**power) if (most - least) / step <= 10)
    return [step * number for number in range(int(least // step), int(most // step) + 2)]


def _counts(most: int) -> List[float]:
    """Edges of bins for 0 to ``most``, no more than twenty."""
    step = -(-(most + 1) // 20)
    return [*range(0, most + 1, step), most + 1]


def _histogram(
    title: str,
    found: Dict[str, Statistics],
    values: Callable[[Statistics], np.ndarray],
    edges: Sequence[float],
    unit: str,
    whole: bool = False,
) -> Panel:
    import numpy as np

    from mindpoint.visual.charts import Panel

    names = [_bin_name(low, high, whole) for low, high in zip(edges, edges[1:])]
    series = {}
    for split, numbers in found.items():
        counts = np.histogram(values(numbers), np.array(edges, np.float64))[0]
        series[split if len(found) > 1 else ""] = names, 100 * counts / max(1, counts.sum())
    return Panel(f"{title}, %", series, unit, bars=True)


def _bin_name(low: float, high: float, whole: bool) -> str:
    if high == float("inf"):
        return f"{low:g}+"
    if whole and high - low == 1:
        return f"{low:g}"
    return f"{low:.4g}-{high - 1 if whole else high:.4g}"


def _joints(title: str, found: Dict[str, Statistics], keypoints: Keypoints, chosen: Callable[[np.ndarray], np.ndarray]) -> Panel:
    from mindpoint.visual.charts import Panel

    series = {}
    for split, numbers in found.items():
        people = numbers.visibility[numbers.labelled > 0]
        series[split if len(found) > 1 else ""] = list(keypoints.names), 100 * chosen(people).sum(axis=0) / max(1, len(people))
    return Panel(f"{title}, % of people with joints", series, bars=True)
