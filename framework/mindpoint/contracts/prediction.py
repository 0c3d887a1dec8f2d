"""The objects found in one image, and the source of the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

import numpy as np

from mindpoint.contracts.guard import part_call
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.records import to_records
from mindpoint.contracts.visualizer import Visualizer


def is_number(text: str) -> bool:
    """Tell whether a text is a number in the digits 0 to 9."""
    return text.isascii() and text.isdecimal()


@dataclass(frozen=True)
class Source:
    """A file, camera or stream.

    Attributes:
        name: path, camera number or address, as given.
        kind: ``image``, ``video`` (finite) or ``camera`` (may be endless).
    """

    name: str
    kind: str

    @property
    def stem(self) -> str:
        """Return the base name of files made from it."""
        if self.kind != "camera":
            return Path(self.name).stem
        return f"camera-{self.name}" if is_number(self.name) else Path(self.name.split("?")[0]).stem or "stream"


@dataclass(frozen=True)
class Prediction:
    """The objects found in one image.

    Attributes:
        image: the image itself, BGR uint8 ``(H, W, 3)``.
        detections: boxes, scores, labels and fields in pixels of the image, best first.
        classes: class names, by label.
        visualizer: draws the detections.
        source: path, camera number or address; None for an array.
        frame: index of the frame in a video, from 0; None outside of videos.
        time: time of the frame in seconds from the video's start; None outside of videos.
        rate: frames per second of the video; None outside of videos.
        frames: number of frames of the video according to its file; None if unknown or outside of videos.
    """

    image: np.ndarray = field(repr=False)
    detections: Detections = field(repr=False)
    classes: Sequence[str] = field(repr=False)
    visualizer: Visualizer = field(repr=False)
    source: Optional[str] = None
    frame: Optional[int] = None
    time: Optional[float] = None
    rate: Optional[float] = None
    frames: Optional[int] = None

    def __len__(self) -> int:
        return len(self.detections)

    def draw(self) -> np.ndarray:
        """Return a copy of the image, BGR uint8, with the detections drawn."""
        with part_call("test.visualizer", self.visualizer):
            return self.visualizer.draw(self.image, self.detections)

    def save(self, path: Union[str, Path]) -> None:
        """Draw into an image file, whose suffix determines the format. Raises OutputError if it cannot be written."""
        from mindpoint.storage.images import write_image  # imports OpenCV

        write_image(Path(path), self.draw())

    def to_records(self) -> List[dict]:
        """Return plain values, one dictionary for each object: see :func:`mindpoint.contracts.records.to_records`."""
        return to_records(self.detections, self.classes)

    def to_numpy(self) -> Dict[str, np.ndarray]:
        """Return arrays of N objects: ``boxes (N, 4)`` left, top, right, bottom; ``scores (N,)``; ``labels (N,)``; then each field by name,
        ``(N, ...)``."""
        return dict(self.detections.values)
