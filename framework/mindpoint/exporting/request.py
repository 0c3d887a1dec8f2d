"""The request for an export, and its validation. Importing this module does not import MindSpore."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

import numpy as np

from mindpoint.contracts.exporter import Exporter
from mindpoint.errors import MindpointError, OutputError, WeightsError
from mindpoint.inference.metadata import FLOAT32, MOST_IMAGES
from mindpoint.inference.sources import find_sources, frames_of
from mindpoint.registry import registry

_COMPARED = 8  # images, at most
MOST_LOST = 0.01
CHECKPOINT = ".ckpt"


def exporter_of(name: str) -> Exporter:
    """Return the exporter of a format. Raises UnknownPlugin if the format does not exist."""
    return registry("exporters").get(name, "--format")()


@dataclass(frozen=True)
class Request:
    """One export.

    Attributes:
        place: path of the checkpoint.
        format: format of the file, a name in the registry ``exporters``.
        out: the file; None: next to the checkpoint.
        decode: the outputs are detections instead of maps.
        batch: images per run; None: any number.
        dynamic_size: any height and width.
        portable: basic operators only.
        precision: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
        most_lost: largest tolerated loss of the metric's main statistic at reduced precision.
        verify: compare the file with the network.
        images: images for the comparison, like INPUT of ``mindpoint predict``; synthetic pictures if empty.

    Raises:
        MindpointError: the format does not exist or does not support the options; a number is out of range.
        WeightsError: the model is already an exported file.
        OutputError: the file exists.
    """

    place: Path
    format: str
    out: Optional[str] = None
    decode: bool = False
    batch: Optional[int] = 1
    dynamic_size: bool = False
    portable: bool = False
    precision: str = FLOAT32
    most_lost: float = MOST_LOST
    verify: bool = True
    images: Sequence[str] = ()

    def __post_init__(self) -> None:
        names = registry("exporters").names()
        suffixes = [exporter_of(name).suffix for name in names]
        if self.place.suffix != CHECKPOINT and self.place.suffix in suffixes:
            raise WeightsError(f"{self.place}: is already an exported model; export its checkpoint instead")
        if self.batch is not None and not 1 <= self.batch <= MOST_IMAGES:
            raise MindpointError(f"--batch is {self.batch}; it must be in 1..{MOST_IMAGES}")
        if not 0 <= self.most_lost <= 1:
            raise MindpointError(f"--most-lost is {self.most_lost:g}; it must be in 0..1")
        for asked, name, option in (
            (self.decode, "decode", "--decode"),
            (self.portable, "portable", "--portable"),
            (self.batch is None, "batch", "--dynamic batch"),
            (self.dynamic_size, "size", "--dynamic size"),
            (self.precision != FLOAT32, self.precision, f"--precision {self.precision}"),
        ):
            if asked and name not in self.exporter.options:
                able = [other for other in names if name in exporter_of(other).options]
                raise MindpointError(f"{option} needs --format {' or '.join(able)}; {self.format} does not support it")
        if self.path.suffix != self.exporter.suffix:
            raise OutputError(f"{self.path}: the file name must end in {self.exporter.suffix}")
        for path in (self.path, *map(self.path.with_suffix, self.exporter.companions)):
            if os.path.lexists(path):
                raise OutputError(f"{path}: exists; remove it or choose another name with --out")

    @property
    def exporter(self) -> Exporter:
        """Return the exporter of the format."""
        return exporter_of(self.format)

    @property
    def path(self) -> Path:
        """Return the file to be written."""
        return Path(self.out) if self.out is not None else self.place.with_suffix(self.exporter.suffix)

    def read_images(self) -> List[np.ndarray]:
        """Return the first eight images, or fewer, that ``images`` names; an empty list if ``images`` is empty.

        Raises:
            DataError: an image does not exist or cannot be read, or a folder has no images.
        """
        frames = (frame for source in find_sources(map(str, self.images)) for frame in frames_of(source, _COMPARED))
        return [frame.image for frame in itertools.islice(frames, _COMPARED)]
