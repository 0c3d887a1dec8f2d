"""Detections that the file itself decodes. Importing this module does not import MindSpore."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np

from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.image import View

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
        self._decoder, self.fields = decoder, decoder.fields

    def __call__(
        self, maps: Mapping[str, np.ndarray], views: Sequence[View], mirrored: Optional[Mapping[str, np.ndarray]] = None
    ) -> List[Detections]:
        found = []
        for row, view in enumerate(views):
            height, width = maps[SIZE][row]
            values = {field.name: maps[field.name][row] for field in self.fields}
            detections = Detections(*(maps[name][row] for name in ("boxes", "scores", "labels")), self.fields, values)
            found.append(detections.select(detections.scores > 0).transform(view.motion_to_image(width, height)))
        return found

    def merge(self, parts: Sequence[Detections]) -> Detections:
        return self._decoder.merge(parts)
