"""Replay of ``end_to_end.npz``: from the image file to detections in image pixels, put together by the shipped configuration."""

from __future__ import annotations

import json
from typing import List

import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.inference.mindspore_model import network_detector
from mindpoint.runtime import device
from mindpoint.storage.images import read_image

from mindpoint_parity.decode import COUNT, columns, with_class
from mindpoint_parity.network import official_network
from mindpoint_parity.reference import Reference
from mindpoint_parity.seeded import golden_state


def check(reference: Reference) -> List[Comparison]:
    """Compare each case by the share of the reference's rows that have no match among ours."""
    pixels, score, missing = (reference.tolerance("end_to_end", name) for name in ("pixels of a row", "score of a row", "missed rows"))
    rows = []
    device.setup("auto", seed=0)
    state = golden_state(reference.golden)
    if reference.task == "ctdet":  # gives the boxes a size
        state["wh.2.bias"] = np.full_like(state["wh.2.bias"], 6)
    network = official_network(state)
    with np.load(reference.golden / "end_to_end.npz") as file:
        for key in sorted({name.split("/")[0] for name in file.files}):
            meta = json.loads(str(file[f"{key}/meta"]))
            image = read_image(reference.images / "val2017" / meta["file_name"])
            with device.operator_by_operator():
                found = network_detector(reference.config.changed(overrides(meta)), network)([image])[0]
            classes = file[f"{key}/class"] if f"{key}/class" in file.files else None
            case = f"{key}/{'fixed' if meta['fix_res'] else 'keep'}{'/flip' if meta['flip_test'] else ''}/{len(meta['scales'])} scales"
            expected = with_class(file[f"{key}/results"], classes)
            share = missed(columns(found, labels=classes is not None), expected, pixels, score)
            rows.append(Comparison("end to end", case, share, missing))
    return rows


def overrides(meta: dict) -> List[str]:
    """Return the changes of the shipped configuration for a stored case."""
    return [
        f"test.resolution={'fixed' if meta['fix_res'] else 'keep'}",
        f"input.size={meta['input_hw']}",
        f"test.flip={json.dumps(meta['flip_test'])}",
        f"test.scales={[float(scale) for scale in meta['scales']]}",
        f"test.nms={json.dumps(meta['soft_nms'])}",
        "model.decoder.stale_tail=true",
        f"model.decoder.top_k={meta.get('K', COUNT)}",
        *([f"model.decoder.limit={meta['max_per_image']}"] if "max_per_image" in meta else []),
    ]


def missed(found: np.ndarray, expected: np.ndarray, pixels: float, score: float) -> float:
    """Return the share of the rows of ``expected`` (box, score, joints or class) without a separate partner in ``found``.

    Args:
        pixels, score: largest differences of partners in position and score.
    """
    free = np.ones(len(found), bool)
    tolerance = np.full(expected.shape[1], pixels)
    tolerance[4] = score
    count = 0
    for row in expected:
        partners = np.flatnonzero(free & (np.abs(found - row) <= tolerance).all(axis=1))
        if len(partners):
            free[partners[0]] = False
        else:
            count += 1
    return count / max(len(expected), 1)
