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
    """A network to be exported, with the settings of the export.

    Attributes:
        network: the MindSpore cell, ``construct(image, *inputs) -> tuple of raw maps``; an exporter may leave it in evaluation mode.
        maps: channels and stride of each map by name, in the order of the tuple.
        channels: number of channels of each input by name, in the order of ``construct``; the first is ``image``.
        divisor: height and width of the input must be multiples of it.
        size: ``(height, width)`` of the input; an example if ``dynamic_size``.
        batch: images in one run; None: any number.
        dynamic_size: the file accepts any height and width.
        portable: the file uses standard operators only.
        decoder: the decoder to include in the file, which then returns detections; None: the file returns the raw maps.
        precision: arithmetic of the file: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
        calibration: for ``int8``, inputs of several runs that show the range of the values; otherwise empty.
        metadata: texts to store in the file, by key.
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
        """Return inputs of zeros by name, in the order of ``channels``."""
        return {name: np.zeros((batch, count, height, width), np.float32) for name, count in self.channels.items()}


def input_channels(further: Mapping[str, int]) -> Dict[str, int]:
    """Return the number of channels of each input by name. The image comes first, with 3 channels."""
    return {IMAGE: 3, **further}


class Exporter(ABC):
    """Writes files of one format; the constructor takes no arguments, and importing its module does not import MindSpore.

    Attributes:
        suffix: suffix of the files, with the dot.
        companions: suffixes of further files that :meth:`write` creates under the same name.
        options: capabilities beyond a fixed batch and size in float32, among ``decode``, ``portable``, ``batch`` (any number of images),
            ``size`` (any height and width), and the precisions ``float16``, ``bfloat16`` and ``int8``.
    """

    suffix: str
    companions: Tuple[str, ...] = ()
    options: FrozenSet[str] = frozenset()

    def check(self) -> None:
        """Raise MindpointError if such files cannot be written here."""

    @abstractmethod
    def write(self, path: Path, model: Exportable) -> None:
        """Write a file to ``path``, which ends in :attr:`suffix`, and its companions next to it.

        Raises:
            MindpointError: the network or the decoder cannot be expressed in this format.
        """

    def run(self, path: Path, inputs: Sequence[Inputs]) -> Optional[List[Dict[str, np.ndarray]]]:
        """Run a written file, for comparison with the network.

        Returns:
            Outputs by name for each of the inputs; None if such files cannot be run here.

        Raises:
            MindpointError: running it failed.
        """
        return None
