"""Replays the reference's merging of all scales of an image, including leftover rows and equal scores at the limit."""

from __future__ import annotations

from typing import List, Mapping

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.contracts.instances import Detections
from mindpoint_centernet.decoders.detection import DetectionDecoder

from mindpoint_parity.decode import columns, row_error, with_class
from mindpoint_parity.reference import Reference


def check(reference: Reference) -> List[Comparison]:
    """Compare every group ``merge_*`` of ``decode.npz``: all rows with their classes, and the number of live rows of each class."""
    with np.load(reference.golden / "decode.npz") as file:
        arrays = {name: file[name] for name in file.files if name.startswith("merge_")}
    rows = []
    for case in dict.fromkeys(name.split("/")[0] for name in arrays):
        stored = {name.split("/", 1)[1]: values for name, values in arrays.items() if name.startswith(case + "/")}
        rows += _check_case(case, stored, len(reference.config.classes), reference.tolerance("merge", "rows"))
    return rows


def _check_case(case: str, stored: Mapping[str, np.ndarray], classes: int, tolerance: float) -> List[Comparison]:
    parts = []
    for scale in range(len(stored["scales"])):
        table, labels = stored[f"in{scale}_rows"], stored[f"in{scale}_class"] - 1
        parts.append(Detections(table[:, :4], table[:, 4], labels))
    decoder = DetectionDecoder([""] * classes, stale_tail=True)
    if len(parts) > 1 or stored["nms"]:
        found = decoder.merge(parts)
    else:
        (part,) = parts
        found = decoder.best(part.select(np.argsort(-part.scores, kind="stable")))
    error = row_error(columns(found, labels=True), with_class(stored["rows"], stored["class"]))
    rows = [Comparison("merge", f"{case}/rows", error, tolerance)]
    if "live_per_class" in stored:
        live = DetectionDecoder([""] * classes, limit=sum(map(len, parts))).merge(parts)
        counts = np.bincount(live.labels, minlength=classes)
        rows.append(Comparison("merge", f"{case}/live rows", float(np.abs(counts - stored["live_per_class"]).max()), tolerance))
    return rows
