"""The contract of exporters, which write trained networks as files for other runtimes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.engine import IMAGE, Inputs
from mindpoint.contracts.features import FeatureSpec


@dataclass(frozen=True)
class Exportable:
    """A network to be exported, and how.

    Attributes:
        network: the MindSpore cell, ``construct(image, *inputs) -> tuple of raw maps``; it may be left in testing mode.
        maps: channels and stride of each map by name, in the order of the tuple.
        channels: of each input by name, in the order of ``construct``; the first is ``image``.
        divisor: what height and width of the input must be multiples of.
        size: ``(height, width)`` of the input; of one of many, if ``dynamic_size``.
        batch: images that a run takes; None: any number.
        dynamic_size: the file takes any height and width.
        portable: it is made of ordinary operators only.
        decoder: goes into the file, which then gives detections; None: the file gives the raw maps.
        precision: of the numbers that the file computes with: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
        calibration: inputs of one run each that show the range of the numbers, for ``int8``; otherwise empty.
        metadata: texts by key, to be stored in the file.
    """

    network: object
    maps: Mapping[str, FeatureSpec]
    channels: Mapping[str, int]
    divisor: int
    size: Tuple[int, int]
    batch: Optional[int]
    dynamic_size: bool
    portable: bool
    decoder: Optional[Decoder]
    precision: str
    calibration: Sequence[Inputs]
    metadata: Mapping[str, str]

    def zeros(self, batch: int, height: int, width: int) -> Inputs:
        """Return inputs of zeros by name, in their order."""
        return {name: np.zeros((batch, count, height, width), np.float32) for name, count in self.channels.items()}


def input_channels(further: Mapping[str, int]) -> Dict[str, int]:
    """Return the channels of all inputs, the image's three first."""
    return {IMAGE: 3, **further}


class Exporter(ABC):
    """Writes files of one format; the constructor takes no arguments, and importing its module does not import MindSpore.

    Attributes:
        suffix: ending of the files, with the dot.
        companions: endings of further files that :meth:`write` makes, called like the first.
        options: what it can do beyond a fixed batch and size in float32, of ``decode``, ``portable``, ``batch`` (any number of images),
            ``size`` (any height and width), and the precisions ``float16``, ``bfloat16`` and ``int8``.
    """

    suffix: str
    companions: Tuple[str, ...] = ()
    options: FrozenSet[str] = frozenset()

    def check(self) -> None:
        """Raise MindpointError if such files cannot be written here."""

    @abstractmethod
    def write(self, path: Path, model: Exportable) -> None:
        """Write a file to ``path``, which ends in :attr:`suffix`, and its companions beside it.

        Raises:
            MindpointError: the network or the decoder has no such form.
        """

    def run(self, path: Path, inputs: Sequence[Inputs]) -> Optional[List[Dict[str, np.ndarray]]]:
        """Run a file that was written, for comparison with the network.

        Returns:
            Outputs by name for each of the inputs; None if such files cannot be run here.

        Raises:
            MindpointError: running it failed.
        """
        return None
