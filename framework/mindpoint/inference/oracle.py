"""Ground truth instead of head outputs: the quality of the network if these heads were perfect."""

from __future__ import annotations

from dataclasses import replace
from typing import Dict, Mapping, Sequence, Tuple

import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.image import Sample
from mindpoint.contracts.motion import Motion
from mindpoint.errors import ConfigError


class Oracle:
    """Raw maps made from the annotated objects by the target encoder of ``data.train``, for any window of an image.

    Where the annotations do not define a head's output, the network's own output is kept.

    Args:
        heads: names of the maps to replace, separated by commas, or ``all``.
        maps: names of the network's maps.

    Raises:
        ConfigError: the encoder is missing, or the network or the encoder lacks a map of that name.
    """

    def __init__(self, config: Config, decoder: Decoder, heads: str, maps: Sequence[str]):
        config.require("data.train.targets")
        self._config, self._decoder = config, decoder
        self._encoders: Dict[Tuple[int, int], TargetEncoder] = {}
        encoder = config.build("data.train.targets")
        offers = type(encoder).perfect_outputs is not TargetEncoder.perfect_outputs
        known = [name for name in maps if offers and name in encoder.strides]
        self._heads = known if heads == "all" else [name.strip() for name in heads.split(",")]
        strange = [name for name in self._heads if name not in known]
        if not known:
            raise ConfigError("--oracle: the truth is not available for any head of this model; leave --oracle out")
        if strange:
            raise ConfigError(f"--oracle: the truth is not available for {', '.join(map(repr, strange))}; choose among {', '.join(known)}")

    def replace(
        self, maps: Mapping[str, np.ndarray], samples: Sequence[Sample], size: Tuple[int, int], mirrored: bool
    ) -> Dict[str, np.ndarray]:
        """Return the raw maps ``(B, C, H, W)``, with those of the chosen heads replaced.

        Args:
            samples: one per batch row, with ``view`` set and ``objects`` in pixels of the original image.
            size: ``(height, width)`` of the network's input.
            mirrored: the maps are those of the mirrored images.
        """
        rows = [self._perfect(sample, size) for sample in samples]
        truth = self._decoder.to_logits({name: np.stack([row[name] for row in rows]) for name in self._heads})
        truth = self._decoder.mirror(truth) if mirrored else truth
        return {name: np.where(np.isnan(truth[name]), values, truth[name]) if name in truth else values for name, values in maps.items()}

    def _perfect(self, sample: Sample, size: Tuple[int, int]) -> Dict[str, np.ndarray]:
        if size not in self._encoders:
            spec = replace(self._config.input_spec, size=size)
            self._encoders[size] = self._config.build("data.train.targets", input_spec=spec)
        scaled = sample.objects.transform(Motion.scaling(sample.view.scale))
        return self._encoders[size].perfect_outputs(replace(sample, objects=scaled))
