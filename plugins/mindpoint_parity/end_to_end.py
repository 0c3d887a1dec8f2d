"""Replay of ``end_to_end.npz``: from the image file to detections in image pixels, put together by the shipped configuration."""

from __future__ import annotations

import json
from typing import List

import numpy as np
from mindpoint.config import load_config
from mindpoint.contracts.comparison import Comparison
from mindpoint.errors import WeightsError
from mindpoint.inference.mindspore_model import network_detector
from mindpoint.model.network import build_network
from mindpoint.model.translate import load_official
from mindpoint.storage.images import read_image
from mindpoint_centernet.weights.dla import DLARules

from mindpoint_parity.decode import columns
from mindpoint_parity.reference import Reference
from mindpoint_parity.seeded import golden_state


def check(reference: Reference) -> List[Comparison]:
    """Compare each case: the share of the reference's rows that none of ours matches."""
    golden, coco, tolerances = reference.golden, reference.coco, reference.tolerances["end_to_end"]
    rows = []
    network = None
    state = golden_state(golden)
    with np.load(golden / "end_to_end.npz") as file:
        for key in sorted({name.split("/")[0] for name in file.files}):
            meta = json.loads(str(file[f"{key}/meta"]))
            config = load_config("dla34_dcn_coco", overrides(meta))
            if network is None:
                network = build_network(config)
                report = load_official(network, state, DLARules())
                if not report.complete:
                    raise WeightsError(f"the seeded weights do not fit the shipped configuration: {report}")
            image = read_image(coco / "val2017" / meta["file_name"])
            found = columns(network_detector(config, network)([image])[0])
            case = f"{key}/{'fixed' if meta['fix_res'] else 'keep'}{'/flip' if meta['flip_test'] else ''}/{len(meta['scales'])} scales"
            share = missed(found, file[f"{key}/results"], tolerances["pixels of a row"], tolerances["score of a row"])
            rows.append(Comparison("end to end", case, share, tolerances["missed rows"]))
    return rows


def overrides(meta: dict) -> List[str]:
    """Return the changes of the shipped configuration that make it the setting of a stored case."""
    return [
        f"test.resolution={'fixed' if meta['fix_res'] else 'keep'}",
        f"input.size={meta['input_hw']}",
        f"test.flip={json.dumps(meta['flip_test'])}",
        f"test.scales={[float(scale) for scale in meta['scales']]}",
        f"test.nms={json.dumps(meta['soft_nms'])}",
        "model.decoder.stale_tail=true",
    ]


def missed(found: np.ndarray, expected: np.ndarray, pixels: float, score: float) -> float:
    """Return the share of the rows of ``expected`` (box, score, joints) without a partner of their own in ``found``.

    Args:
        pixels, score: largest differences of partners.
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
