"""Three small data sets with findings, for tests of the report: boxes of two classes, boxes with a rotation, and points."""

from dataclasses import replace
from pathlib import Path
from typing import Sequence

import numpy as np
from mindpoint.contracts.analysis import Analysis, Chart, Finding, ImageFindings, Kind, Line, Table
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.fields import Angles, Field, Points
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.report.gallery import Layers, gallery, with_objects, worst_first
from mindpoint.report.page import Content, write_page

CURVE = Chart("Precision over recall", "recall", "precision", [Line("AP 0.123", [0, 0.5, 1], [1, 0.8, 0])])
KINDS = {"missed": Kind("an annotated object that nothing finds", "#123456"), "background": Kind("a detection on nothing")}
TIPS = Points("tips", 2, names=["bow", "stern"], lines=[(0, 1)], colors=[(255, 0, 0), (0, 0, 255)])
IDS = (9, 4, 7)


class Pictures(Dataset):
    """Three grey images with ids 9, 4, 7, the second one in floating point, and two objects in each."""

    def __init__(self, classes: Sequence[str], fields: Sequence[Field] = ()):
        self.classes, self.fields = classes, tuple(fields)

    def __len__(self):
        return len(IDS)

    def ids(self):
        return list(IDS)

    def category_ids(self):
        return [3, 8][: len(self.classes)]

    def __getitem__(self, index):
        image = np.full((120, 160, 3), 100, np.uint8)
        image = image.astype(np.float32) / 255 if index == 1 else image
        boxes = np.array([[10, 20, 70, 60], [90, 40, 140, 110]], np.float32)
        values = {field.name: _value(field) for field in self.fields}
        labels = np.arange(2) % len(self.classes)
        return Sample(IDS[index], f"images/{IDS[index]}.png", image, Objects(boxes, labels, fields=self.fields, values=values))


def _value(field):
    if isinstance(field, Points):
        return np.pad(np.array([[[15, 25], [65, 55]], [[95, 45], [135, 105]]], np.float32), ((0, 0), (0, 0), (0, field.shape[1] - 2)))
    return np.array([0.5, -2.0], np.float32)


def analysed(dataset: Dataset, parts: Sequence[str] = ()) -> Analysis:
    """The first object is found and the second one not; in image 7 something is found where nothing is."""
    images = {}
    for image_id in IDS:
        first, second = (a for a in dataset.ground_truth()["annotations"] if a["image_id"] == image_id)
        found = [Finding({**first, "score": 0.87}, "overlap 1.00", "", parts)]
        if image_id == 7:
            found.append(Finding({"bbox": [100, 5, 30, 20], "score": 0.4, "category_id": first["category_id"]}, "on nothing", "background"))
        truth = [Finding(first, "found"), Finding(second, "not found", "missed")]
        images[image_id] = ImageFindings({9: 0.2, 4: 0.3, 7: 0.6}[image_id], truth, found)
    table = Table("Cost of errors", ("error", "count", "AP"), [["missed", 3, 0.5], ["background", 1, float("nan")]])
    return Analysis([table], [CURVE], KINDS, images, 0.4)


_NO_LAYERS = Layers()


def write(folder: Path, dataset: Dataset, analysis: Analysis, layers: Layers = _NO_LAYERS, results: Sequence[dict] = ()) -> Path:
    whole = with_objects(analysis, dataset.ground_truth(), results)
    chosen = worst_first(whole, dataset, 10)
    images = gallery(whole, dataset, dataset.fields, chosen, lambda items, total: items, layers)
    statistics = {"bbox/AP": 0.5, "bbox/AP50": float("nan")}
    settings = {"resolution": "original"}
    content = Content("toy <model>", "three images", settings, statistics, [], whole, dataset.fields, images, 3, bool(analysis.images))
    return write_page(content, folder)


def plain(folder: Path) -> Path:
    """Boxes of two classes."""
    dataset = Pictures(["boat", "house"])
    return write(folder, dataset, analysed(dataset))


def long(folder: Path) -> Path:
    """A table of 20 rows: shares fall from 0.95, the last one is undefined; row 7 counts 7."""
    dataset = Pictures(["boat", "house"])
    rows = [[f"row {number}", number, 0.95 - number / 20 if number < 19 else float("nan")] for number in range(20)]
    analysis = replace(analysed(dataset), tables=[Table("Long", ("name", "count", "share"), rows)])
    return write(folder, dataset, analysis)


def turned(folder: Path) -> Path:
    """Boxes with a rotation and a depth, of a metric without analysis."""
    dataset = Pictures(["boat"], [Angles("rotation"), Field("depth")])
    record = {"image_id": 4, "category_id": 3, "bbox": [15, 25, 50, 40], "rotation": 1.0, "depth": 12.3456}
    return write(folder, dataset, Analysis(), results=[{**record, "score": score} for score in (0.2, 0.7)])


def pointed(folder: Path) -> Path:
    """Points with an error each."""
    dataset = Pictures(["boat", "house"], [TIPS])
    return write(folder, dataset, analysed(dataset, ["", "missed"]))
