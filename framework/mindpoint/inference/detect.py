"""Detection in prepared inputs: by a network with its decoder, or by a file that includes the decoder."""

from __future__ import annotations

from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.decoder import Decoder, check_maps
from mindpoint.contracts.engine import IMAGE, Forward, Inputs
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.fields import Field
from mindpoint.contracts.guard import mistake, part_call
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError
from mindpoint.inference.oracle import Oracle

Detect = Callable[[Inputs, Sequence[Sample]], List[Detections]]
"""Function from the inputs of a batch and their samples, with ``view`` set, to the detections of each, in pixels of the original image."""


class NetworkDetection:
    """Detection by a network whose maps are decoded.

    Args:
        maps: channels and stride of each map that ``forward`` returns.
        flip: average with the outputs for the mirrored images; further inputs are mirrored too.
        oracle: replaces heads by the ground truth; None: use the network's own output.

    Raises:
        ConfigError: the decoder cannot read these maps.
    """

    def __init__(self, forward: Forward, decoder: Decoder, maps: Mapping[str, FeatureSpec], flip: bool, oracle: Optional[Oracle] = None):
        check_maps(decoder, {name: spec.channels for name, spec in maps.items()})
        self.forward, self.decoder, self.flip, self.oracle = forward, decoder, flip, oracle

    def __call__(self, inputs: Inputs, samples: Sequence[Sample]) -> List[Detections]:
        """See :data:`Detect`."""
        maps = self._maps(inputs, samples, mirrored=False)
        mirrored = self._maps(_mirrored(inputs), samples, mirrored=True) if self.flip else None
        return self.decode(maps, [sample.view for sample in samples], mirrored)

    def decode(
        self, maps: Mapping[str, np.ndarray], views: Sequence[View], mirrored: Optional[Mapping[str, np.ndarray]]
    ) -> List[Detections]:
        """Call the decoder and check its results against its declaration. Arguments are those of :class:`Decoder`."""
        with part_call("model.decoder", self.decoder):
            found = self.decoder(maps, views, mirrored)
        self._check(found, len(views))
        return found

    def _check(self, found: object, count: int) -> None:
        if not isinstance(found, list) or len(found) != count or not all(isinstance(one, Detections) for one in found):
            raise mistake("model.decoder", self.decoder, f"must return a list of Detections, one for each of {count} images")
        wrong = [one for one in found if one.fields != tuple(self.decoder.fields)]
        if wrong:
            names = [", ".join(field.name for field in fields) or "none" for fields in (self.decoder.fields, wrong[0].fields)]
            raise mistake("model.decoder", self.decoder, f"declares the fields {names[0]}, but its detections have {names[1]}")

    def _maps(self, inputs: Inputs, samples: Sequence[Sample], mirrored: bool) -> Dict[str, np.ndarray]:
        maps = self.forward(inputs)
        return maps if self.oracle is None else self.oracle.replace(maps, samples, inputs[IMAGE].shape[2:], mirrored)

    def heatmaps(self, inputs: Inputs) -> Dict[str, np.ndarray]:
        """Return the decoder's heatmaps of the raw maps: ``(B, H, W)`` in 0..1 by name."""
        maps = self.forward(inputs)
        with part_call("model.decoder", self.decoder):
            return self.decoder.heatmaps(maps)


class FileDetection:
    """Detection by a file whose outputs are detections with a leading batch axis, coordinates in pixels of the input.

    Args:
        fields: fields of detections besides boxes, scores and labels; each has an output of the same name.
    """

    def __init__(self, forward: Forward, fields: Tuple[Field, ...]):
        self.forward, self.fields = forward, tuple(fields)

    def __call__(self, inputs: Inputs, samples: Sequence[Sample]) -> List[Detections]:
        """See :data:`Detect`. Rows with score 0 are not detections."""
        outputs = self.forward(inputs)
        height, width = inputs[IMAGE].shape[2:]
        found = []
        for row, sample in enumerate(samples):
            values = {field.name: outputs[field.name][row] for field in self.fields}
            detections = Detections(*(outputs[own.name][row] for own in Detections.own), self.fields, values)
            found.append(detections.select(detections.scores > 0).transform(sample.view.motion_to_image(width, height)))
        return found

    def heatmaps(self, inputs: Inputs) -> Dict[str, np.ndarray]:
        """Return an empty dictionary, since such a file does not output maps."""
        return {}


def _mirrored(inputs: Inputs) -> Inputs:
    return {name: np.ascontiguousarray(array[..., ::-1]) for name, array in inputs.items()}


def in_batches_of(size: int, run: Forward) -> Forward:
    """Turn a function of exactly ``size`` images into one of any number, by repeating the last image of a smaller batch."""

    def forward(inputs: Inputs) -> Dict[str, np.ndarray]:
        count = len(inputs[IMAGE])
        parts = []
        for start in range(0, count, size):
            rows = np.minimum(np.arange(start, start + size), count - 1)
            parts.append(run({name: array[rows] for name, array in inputs.items()}))
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in parts[0]}

    return forward


def refuse_oracle(oracle: Optional[str]) -> None:
    """Raise ConfigError for an oracle with a file that includes the decoder."""
    if oracle is not None:
        raise ConfigError("--oracle: the file includes the decoder; use the checkpoint, or export without --decode")
