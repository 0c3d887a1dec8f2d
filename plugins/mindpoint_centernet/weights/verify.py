"""A converted network against the official one in PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Dict, List, Mapping, Optional

import cv2
import numpy as np

from mindpoint.contracts.image import InputSpec
from mindpoint_coco.keypoints import Keypoints
from mindpoint.storage.images import read_image
from mindpoint.inference.detector import Model
from mindpoint.errors import MindpointError
from mindpoint_synthetic.people import SyntheticPeople
from mindpoint_synthetic.figure import JOINTS
from mindpoint_parity.comparison import Comparison

SIZE = 128  # pixels a side; every stride of the networks divides it
TOLERANCE = 1e-4


def require_torch() -> None:
    """Raise MindpointError if PyTorch is not installed."""
    if find_spec("torch") is None:
        raise MindpointError("--verify compares with PyTorch, which is not installed; pip install 'mindpoint[torch]'")


def verify(model: Model, state: Mapping[str, np.ndarray], image: Optional[str]) -> List[Comparison]:
    """One row a map and input, random numbers and an image: the largest difference, in units of the map's largest value or 1.

    Args:
        model: ours.
        state: the official weights.
        image: an image file; None: a drawn one.
    """
    from mindpoint_centernet.weights.reference import run_reference  # imports PyTorch

    rows = []
    for name, array in _inputs(model.config.input_spec, image).items():
        expected = run_reference(state, array)
        for head, values in model.detector.detect.forward({"image": array}).items():
            scale = max(1.0, float(np.abs(expected[head]).max()))
            rows.append(Comparison(f"{name} input", head, float(np.abs(values - expected[head]).max()) / scale, TOLERANCE))
    return rows


def _inputs(spec: InputSpec, image: Optional[str]) -> Dict[str, np.ndarray]:
    pixels = read_image(image) if image else SyntheticPeople(1, 0, Keypoints(JOINTS), ["person"], (SIZE, SIZE))[0].image
    random = np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    return {"random": random, "real": spec.normalize(cv2.resize(pixels, (SIZE, SIZE)))[None]}
