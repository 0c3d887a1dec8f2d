"""Comparison of a converted network with the official one in PyTorch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Dict, List, Optional

import cv2
import numpy as np
from mindpoint.contracts.comparison import Comparison
from mindpoint.contracts.image import InputSpec
from mindpoint.errors import MindpointError
from mindpoint.exporting.verify import synthetic_images
from mindpoint.inference.detector import Model
from mindpoint.model.translate import Found
from mindpoint.runtime import device
from mindpoint.storage.images import read_image

SIZE = 128  # pixels per side; a multiple of all strides
TOLERANCE = 1e-4


def require_torch() -> None:
    """Raise MindpointError if PyTorch is not installed."""
    if find_spec("torch") is None:
        raise MindpointError("--verify needs PyTorch, which is not installed; run pip install 'mindpoint[torch]'")


def verify(model: Model, official: Found, image: Optional[str]) -> List[Comparison]:
    """Compare each map of both networks for two inputs, random numbers and an image.

    The compared number is the largest difference, divided by the map's largest absolute value or by 1, whichever is larger.

    Args:
        model: our model.
        official: the official weights.
        image: an image file; None: a drawn one.
    """
    rows = []
    for name, array in _inputs(model.config.input_spec, image).items():
        expected = official.rules.reference_outputs(official.state, array)
        with device.operator_by_operator():
            found = model.detector.detect.forward({"image": array})
        for head, values in found.items():
            scale = max(1.0, float(np.abs(expected[head]).max()))
            rows.append(Comparison(f"{name} input", head, float(np.abs(values - expected[head]).max()) / scale, TOLERANCE))
    return rows


def _inputs(spec: InputSpec, image: Optional[str]) -> Dict[str, np.ndarray]:
    pixels = read_image(image) if image else synthetic_images()[0]
    random = np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE)).astype(np.float32)
    return {"random": random, "real": spec.normalize(cv2.resize(pixels, (SIZE, SIZE)))[None]}
