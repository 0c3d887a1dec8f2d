"""Replay of ``end_to_end.npz``: from the image file to detections in image pixels, put together by the shipped configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

import numpy as np

from mindpoint.config import load_config
from mindpoint.storage.images import read_image
from mindpoint.inference.mindspore_model import network_detector
from mindpoint.model.network import build_network
from mindpoint.errors import WeightsError
from mindpoint_parity.decode import columns
from mindpoint_parity.comparison import Comparison
from mindpoint_parity.seeded import golden_state
from mindpoint_centernet.weights.official import load_official

UNMATCHED = 0.02  # of the rows
PIXELS, SCORE = 0.05, 1e-3


def check(golden: Path, coco: Path) -> List[Comparison]:
    """One row a case: the share of the reference's rows that none of ours matches within 0.05 pixels and 0.001 in score."""
    rows = []
    network = None
    state = golden_state(golden)
    with np.load(golden / "end_to_end.npz") as file:
        for key in sorted({name.split("/")[0] for name in file.files}):
            meta = json.loads(str(file[f"{key}/meta"]))
            config = load_config("dla34_dcn_coco", overrides(meta))
            if network is None:
                network = build_network(config)
                report = load_official(network, state)
                if not report.complete:
                    raise WeightsError(f"the seeded weights do not fit the shipped configuration: {report}")
            image = read_image(coco / "val2017" / meta["file_name"])
            found = columns(network_detector(config, network)([image])[0])
            case = f"{key}/{'fixed' if meta['fix_res'] else 'keep'}{'/flip' if meta['flip_test'] else ''}/{len(meta['scales'])} scales"
            rows.append(Comparison("end to end", case, unmatched(found, file[f"{key}/results"]), UNMATCHED))
    return rows


def overrides(meta: dict) -> List[str]:
    """Changes of the shipped configuration that make it the setting of a stored case."""
    return [
        f"test.resolution={'fixed' if meta['fix_res'] else 'keep'}",
        f"input.size={meta['input_hw']}",
        f"test.flip={json.dumps(meta['flip_test'])}",
        f"test.scales={[float(scale) for scale in meta['scales']]}",
        f"test.nms={json.dumps(meta['soft_nms'])}",
        "model.decoder.stale_tail=true",
    ]


def unmatched(found: np.ndarray, expected: np.ndarray) -> float:
    """Share of the rows of ``expected`` (box, score, joints) without a partner of their own in ``found``."""
    free = np.ones(len(found), bool)
    tolerance = np.full(expected.shape[1], PIXELS)
    tolerance[4] = SCORE
    missing = 0
    for row in expected:
        partners = np.flatnonzero(free & (np.abs(found - row) <= tolerance).all(axis=1))
        if len(partners):
            free[partners[0]] = False
        else:
            missing += 1
    return missing / max(len(expected), 1)
