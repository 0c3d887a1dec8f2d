"""Detections that the file itself decodes. Importing this module does not import MindSpore."""

from __future__ import annotations

from dataclasses import fields
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np

from mindpoint.contracts.data import Decoder
from mindpoint.contracts.detections import Detections
from mindpoint.contracts.image import View

FIELDS = tuple(field.name for field in fields(Detections))
SIZE = "input_size"


def with_size(outputs: Mapping[str, np.ndarray], batch: np.ndarray) -> Dict[str, np.ndarray]:
    """A file's outputs with the size of their input ``(B, 3, H, W)``, which coordinates are relative to."""
    return {**outputs, SIZE: np.tile(batch.shape[2:], (len(batch), 1))}


class DecodedOutputs(Decoder):
    """Takes detections in pixels of the input from a file's outputs, and back to the image.

    The outputs are those of ``Detections`` with a batch axis, and ``input_size`` ``(B, 2)``: height and width of the input.

    Args:
        decoder: the configured one; joins several scales.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def __call__(
        self, maps: Mapping[str, np.ndarray], views: Sequence[View], mirrored: Optional[Mapping[str, np.ndarray]] = None
    ) -> List[Detections]:
        found = []
        for row, view in enumerate(views):
            height, width = maps[SIZE][row]
            values = {name: maps[name][row] for name in FIELDS}
            values["boxes"] = view.to_image(values["boxes"].reshape(-1, 2, 2), width, height).reshape(-1, 4).astype(np.float32)
            values["keypoints"] = view.to_image(values["keypoints"], width, height).astype(np.float32)
            found.append(Detections(**values).select(values["scores"] > 0))
        return found

    def merge(self, parts: Sequence[Detections]) -> Detections:
        return self._decoder.merge(parts)
