"""Detection around a network that is only a function of arrays: MindSpore's, or any other runtime's."""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Sequence

import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.data import Decoder
from mindpoint.contracts.detections import Detections
from mindpoint.contracts.image import InputSpec, View
from mindpoint.engine.preprocess import prepare

Forward = Callable[[np.ndarray], Dict[str, np.ndarray]]


class Detector:
    """Detection in images of any size as the ``test`` section says: resolution, mirrored copy, several scales.

    Args:
        forward: the network; every call of one input size has ``test.batch_size`` images, so that it is compiled once a size.
        divisor: what height and width of its input must be multiples of.
    """

    def __init__(self, config: Config, forward: Forward, decoder: Decoder, divisor: int):
        self.settings = config.section("test")
        self.input_spec: InputSpec = config.input_spec
        self.forward, self.decoder, self.divisor = forward, decoder, divisor

    def __call__(self, images: Sequence[np.ndarray]) -> List[Detections]:
        """Detections of each BGR uint8 image ``(H, W, 3)``, in its pixels."""
        parts: List[List[Detections]] = [[] for _ in images]
        for scale in self.settings.scales:
            prepared = [prepare(image, self.input_spec, self.settings.resolution, scale, self.divisor) for image in images]
            for rows in self._batches([array.shape for array, _ in prepared]):
                found = self._run(np.stack([prepared[row][0] for row in rows]), [prepared[row][1] for row in rows])
                for row, detections in zip(rows, found):
                    parts[row].append(detections)
        if len(self.settings.scales) == 1 and not self.settings.nms:
            return [part for part, in parts]
        return [self.decoder.merge(part) for part in parts]

    def _batches(self, shapes: Sequence[tuple]) -> List[List[int]]:
        """Rows of equal shape, at most a batch together."""
        batches = []
        for shape in dict.fromkeys(shapes):
            rows = [row for row, other in enumerate(shapes) if other == shape]
            size = self.settings.batch_size
            batches += [rows[start : start + size] for start in range(0, len(rows), size)]
        return batches

    def _run(self, batch: np.ndarray, views: list) -> List[Detections]:
        missing = self.settings.batch_size - len(batch)
        if missing:  # a last, smaller batch would be compiled anew
            batch = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        maps = self._forward(batch, len(views))
        mirrored = self._forward(np.ascontiguousarray(batch[:, :, :, ::-1]), len(views)) if self.settings.flip else None
        return self.decoder(maps, views, mirrored)

    def _forward(self, batch: np.ndarray, rows: int) -> Dict[str, np.ndarray]:
        return {name: value[:rows] for name, value in self.forward(batch).items()}


def build_detector(config: Config, forward: Forward, maps: Mapping[str, int], divisor: int) -> Detector:
    """The configured decoder around ``forward``, which gives ``maps`` (channels by name).

    Raises:
        ConfigError: there is no decoder, or one that cannot read these maps.
    """
    config.require("model.decoder")
    decoder = config.build("model.decoder")
    blank = {name: np.zeros((1, count, 2, 2), np.float32) for name, count in maps.items()}
    decoder(blank, [View((1.0, 1.0), 2.0)])  # a decoder that cannot read these maps says so before anything runs
    return Detector(config, forward, decoder, divisor)
