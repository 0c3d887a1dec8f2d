"""Detection in images of any size, with any engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.data import InputEncoder
from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.engine import IMAGE, Forward
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.guard import part_call
from mindpoint.contracts.image import InputSpec, Sample, View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.data.preprocess import Resolution, raster
from mindpoint.errors import ConfigError
from mindpoint.inference.detect import FileDetection, NetworkDetection, refuse_oracle
from mindpoint.inference.oracle import Oracle

Prepared = Tuple[Dict[str, np.ndarray], Sample]
"""Inputs of one image by name, and its sample, with the raster as image and the view set."""


def prepare_sample(
    sample: Sample,
    spec: InputSpec,
    encoder: Optional[InputEncoder],
    resolution: Resolution = "fixed",
    scale: float = 1.0,
    divisor: int = 32,
) -> Prepared:
    """Return the network's inputs for a sample. The last three arguments are those of
    :func:`mindpoint.data.preprocess.inference_view`."""
    pixels, view = raster(sample.image, spec.size, resolution, scale, divisor)
    shown = replace(sample, image=pixels, view=replace(view, meta=sample.meta))
    return {IMAGE: spec.normalize(pixels), **(encoder(shown) if encoder is not None else {})}, shown


def sample_of(image: Union[np.ndarray, Sample]) -> Sample:
    """Wrap an image in a sample; return a sample unchanged."""
    return image if isinstance(image, Sample) else Sample(0, "", image, Objects.none())


class Detector:
    """Detection in images of any size, configured by the section ``test``: resolution, several scales, merging.

    Args:
        detect: function that returns the detections of at most ``test.batch_size`` images.
        decoder: merges the detections of several scales.
        divisor: height and width of the input must be multiples of it.
        encoder: computes the network's further inputs; None: the image is the only input.
    """

    def __init__(
        self,
        config: Config,
        detect: Union[NetworkDetection, FileDetection],
        decoder: Decoder,
        divisor: int,
        encoder: Optional[InputEncoder] = None,
    ):
        self.settings = config.section("test")
        self.input_spec: InputSpec = config.input_spec
        self.detect, self.decoder, self.encoder = detect, decoder, encoder
        self.divisor = divisor if self.settings.pad is None else self.settings.pad + 1
        if self.divisor % divisor:
            raise ConfigError(f"test.pad: {self.settings.pad} gives sides that are not multiples of {divisor}, as the network requires")

    def __call__(self, images: Sequence[Union[np.ndarray, Sample]]) -> List[Detections]:
        """Return the detections of each image, in its pixels.

        Args:
            images: BGR uint8 ``(H, W, 3)``; or samples, whose ``meta`` reaches the decoder and whose ``objects`` are the truth for an
                oracle.
        """
        return self.detections_of(self.prepare(images))

    def prepare(self, images: Sequence[Union[np.ndarray, Sample]]) -> List[List[Prepared]]:
        """Return, for each scale, the network's inputs for each image."""
        samples = list(map(sample_of, images))
        return [[self._prepare(sample, scale) for sample in samples] for scale in self.settings.scales]

    def detections_of(self, scales: Sequence[Sequence[Prepared]]) -> List[Detections]:
        """Return the detections of each image, from the result of :meth:`prepare`."""
        parts: List[List[Detections]] = [[] for _ in scales[0]]
        for prepared in scales:
            for rows in self._batches([sample.image.shape for _, sample in prepared]):
                inputs = {name: np.stack([prepared[row][0][name] for row in rows]) for name in prepared[rows[0]][0]}
                found = self.detect(inputs, [prepared[row][1] for row in rows])
                for row, detections in zip(rows, found):
                    parts[row].append(detections)
        if len(self.settings.scales) == 1 and not self.settings.nms:
            return [part for (part,) in parts]
        with part_call("model.decoder", self.decoder):
            return [self.decoder.merge(part) for part in parts]

    def _prepare(self, sample: Sample, scale: float) -> Prepared:
        return prepare_sample(sample, self.input_spec, self.encoder, self.settings.resolution, scale, self.divisor)

    def _batches(self, shapes: Sequence[tuple]) -> List[List[int]]:
        """Group the indices of equal shapes into lists of at most ``test.batch_size``."""
        batches = []
        for shape in dict.fromkeys(shapes):
            rows = [row for row, other in enumerate(shapes) if other == shape]
            size = self.settings.batch_size
            batches += [rows[start : start + size] for start in range(0, len(rows), size)]
        return batches

    def heatmaps(self, image: Union[np.ndarray, Sample]) -> Tuple[Dict[str, np.ndarray], View]:
        """Return the decoder's heatmaps of an unscaled image, ``(H, W)`` in 0..1 by name, and the window that they cover."""
        inputs, shown = self._prepare(sample_of(image), 1.0)
        maps = self.detect.heatmaps({name: array[None] for name, array in inputs.items()})
        return {name: values[0] for name, values in maps.items()}, shown.view


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes:
        place: the file that it comes from.
        config: its configuration, including changes from the command line.
        detector: finds objects in images.
        category_ids: the training data set's category id of each class, by label.
    """

    place: Path
    config: Config
    detector: Detector
    category_ids: Sequence[int]


def build_detector(
    config: Config,
    forward: Forward,
    maps: Mapping[str, FeatureSpec],
    divisor: int,
    inputs: Mapping[str, int] = {},
    decoded: bool = False,
    oracle: Optional[str] = None,
) -> Detector:
    """Build the configured detector around a network.

    Args:
        forward: function that returns ``maps``; with ``decoded``, it returns detections.
        maps: channels and stride of each map by name.
        divisor: height and width of the input must be multiples of it.
        inputs: channels of the further inputs by name.
        oracle: names of the heads to replace by the ground truth, separated by commas, or ``all``.

    Raises:
        ConfigError: the decoder is missing or cannot read these maps; the further inputs differ from those of ``model.inputs``; the ground
            truth of a head is not available.
    """
    config.require("model.decoder")
    decoder = config.build("model.decoder")
    encoder = _input_encoder(config, inputs)
    if decoded:
        refuse_oracle(oracle)
        return Detector(config, FileDetection(forward, decoder.fields), decoder, divisor, encoder)
    truth = None if oracle is None else Oracle(config, decoder, oracle, list(maps))
    detect = NetworkDetection(forward, decoder, maps, config.section("test").flip, truth)
    return Detector(config, detect, decoder, divisor, encoder)


def _input_encoder(config: Config, inputs: Mapping[str, int]) -> Optional[InputEncoder]:
    """Build ``model.inputs``, which must provide exactly the further inputs of the network."""
    if not inputs:
        return None
    encoder = config.build("model.inputs")
    if encoder is None:
        raise ConfigError(f"{config.name}: the network needs the further inputs {', '.join(inputs)}; add model.inputs, which computes them")
    if dict(encoder.channels) != dict(inputs):
        ours, theirs = ({f"{name} ({count} channels)" for name, count in of.items()} for of in (encoder.channels, inputs))
        raise ConfigError(f"model.inputs: provides {', '.join(sorted(ours))}, but the network needs {', '.join(sorted(theirs))}")
    return encoder
