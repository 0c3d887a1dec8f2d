"""What is to be exported, and what cannot be. Importing this module does not import MindSpore."""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence

import numpy as np

from mindpoint.inference.sources import find_sources, frames_of
from mindpoint.errors import MindpointError, OutputError, WeightsError
from mindpoint.native.exporting import Format

MOST_IMAGES = 8


@dataclass(frozen=True)
class Request:
    """One export.

    Attributes:
        place: the checkpoint.
        format: of the file.
        out: the file; None: beside the checkpoint.
        decode: detections come out and not maps.
        batch: images at once; None: any number.
        dynamic_size: any height and width.
        portable: ordinary operators only.
        verify: compare the file with the network.
        images: what to compare on, as INPUT of ``mindpoint predict``; synthetic pictures if empty.

    Raises:
        MindpointError: the format cannot do that.
        WeightsError: the model is in an exported file already.
        OutputError: the file exists.
    """

    place: Path
    format: Format
    out: Optional[str] = None
    decode: bool = False
    batch: Optional[int] = 1
    dynamic_size: bool = False
    portable: bool = False
    verify: bool = True
    images: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.place.suffix in (".onnx", ".mindir", ".air"):
            raise WeightsError(f"{self.place}: is an exported model already; export the checkpoint that it came from")
        if self.batch is not None and self.batch < 1:
            raise MindpointError(f"--batch {self.batch}: a file takes at least one image at once")
        if self.format != "onnx":
            for asked, option, reason in (
                (self.decode, "--decode", "the decoder has a form in ONNX only"),
                (self.portable, "--portable", "the other formats have MindSpore's own operators"),
                (self.dynamic_size, "--dynamic size", "the other formats are written for one height and width"),
            ):
                if asked:
                    raise MindpointError(f"{option} is for --format onnx: {reason}")
        if self.path.suffix != f".{self.format}":
            raise OutputError(f"{self.path}: the name of this file must end in .{self.format}, or it will not be found by its format")
        if os.path.lexists(self.path):
            raise OutputError(f"{self.path}: exists; remove it or choose another name with --out")

    @property
    def path(self) -> Path:
        """The file to be written."""
        return Path(self.out) if self.out is not None else self.place.with_suffix(f".{self.format}")

    def read_images(self) -> List[np.ndarray]:
        """The images to compare on, the first eight if there are more; empty if none are named.

        Raises:
            DataError: one does not exist or cannot be read, a folder has none.
        """
        frames = (frame for source in find_sources(map(str, self.images)) for frame in frames_of(source, MOST_IMAGES))
        return [frame.image for frame in itertools.islice(frames, MOST_IMAGES)]
