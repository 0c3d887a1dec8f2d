"""Detection around a network that is only a function of arrays: MindSpore's, or any other runtime's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.decoder import Decoder, check_maps
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.image import InputSpec, View
from mindpoint.inference.oracle import Oracle
from mindpoint.data.preprocess import prepare

Forward = Callable[[np.ndarray], Dict[str, np.ndarray]]


class Detector:
    """Detection in images of any size as the ``test`` section says: resolution, mirrored copy, several scales.

    Args:
        forward: the network, for at most ``test.batch_size`` images at once.
        divisor: what height and width of its input must be multiples of.
        maps: names of the maps that it gives; none if what it gives is decoded already.

    Attributes:
        oracle: puts the truth in place of heads; None: the network's own output counts.
    """

    def __init__(self, config: Config, forward: Forward, decoder: Decoder, divisor: int, maps: Sequence[str] = ()):
        self.settings = config.section("test")
        self.input_spec: InputSpec = config.input_spec
        self.forward, self.decoder, self.divisor, self.maps = forward, decoder, divisor, tuple(maps)
        self.oracle: Optional[Oracle] = None

    def __call__(self, images: Sequence[np.ndarray], objects: Optional[Sequence[Objects]] = None) -> List[Detections]:
        """Detections of each BGR uint8 image ``(H, W, 3)``, in its pixels. ``objects``: what is annotated in each, for ``oracle``."""
        parts: List[List[Detections]] = [[] for _ in images]
        for scale in self.settings.scales:
            prepared = [prepare(image, self.input_spec, self.settings.resolution, scale, self.divisor) for image in images]
            for rows in self._batches([array.shape for array, _ in prepared]):
                truth = [objects[row] for row in rows] if self.oracle else []
                found = self._run(np.stack([prepared[row][0] for row in rows]), [prepared[row][1] for row in rows], truth)
                for row, detections in zip(rows, found):
                    parts[row].append(detections)
        if len(self.settings.scales) == 1 and not self.settings.nms:
            return [part for (part,) in parts]
        return [self.decoder.merge(part) for part in parts]

    def _batches(self, shapes: Sequence[tuple]) -> List[List[int]]:
        """Rows of equal shape, at most a batch together."""
        batches = []
        for shape in dict.fromkeys(shapes):
            rows = [row for row, other in enumerate(shapes) if other == shape]
            size = self.settings.batch_size
            batches += [rows[start : start + size] for start in range(0, len(rows), size)]
        return batches

    def heatmaps(self, image: np.ndarray) -> Tuple[Dict[str, np.ndarray], View]:
        """What the decoder shows of the raw maps of an unscaled image, ``(H, W)`` in 0..1 by name, and the window that they cover."""
        array, view = prepare(image, self.input_spec, self.settings.resolution, 1.0, self.divisor)
        return {name: value[0] for name, value in self.decoder.heatmaps(self.forward(array[None])).items()}, view

    def _run(self, batch: np.ndarray, views: list, objects: Sequence[Objects]) -> List[Detections]:
        maps = self.forward(batch)
        mirrored = self.forward(np.ascontiguousarray(batch[:, :, :, ::-1])) if self.settings.flip else None
        if self.oracle:
            maps = self.oracle.replace(maps, objects, views, batch.shape[2:], mirrored=False)
            mirrored = self.oracle.replace(mirrored, objects, views, batch.shape[2:], mirrored=True) if self.settings.flip else None
        return self.decoder(maps, views, mirrored)


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        place: the file that it comes from.
        config: its configuration, changes from the command line included.
        detector: images in, detections out.
    """

    place: Path
    config: Config
    detector: Detector


def in_batches_of(size: int, run: Forward) -> Forward:
    """A function of any number of images from one of exactly ``size``: the last one of a smaller batch is repeated."""

    def forward(batch: np.ndarray) -> Dict[str, np.ndarray]:
        parts = []
        for start in range(0, len(batch), size):
            images = batch[start : start + size]
            parts.append(run(np.concatenate([images, np.repeat(images[-1:], size - len(images), axis=0)])))
        return {name: np.concatenate([part[name] for part in parts])[: len(batch)] for name in parts[0]}

    return forward


def build_detector(config: Config, forward: Forward, maps: Mapping[str, int], divisor: int) -> Detector:
    """The configured decoder around ``forward``, which gives ``maps`` (channels by name).

    Raises:
        ConfigError: there is no decoder, or one that cannot read these maps.
    """
    config.require("model.decoder")
    decoder = config.build("model.decoder")
    check_maps(decoder, maps)
    return Detector(config, forward, decoder, divisor, list(maps))
