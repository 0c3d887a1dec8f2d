"""Detection in images of any kind from Python."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Union

import numpy as np

from mindpoint.contracts.instances import Detections
from mindpoint.contracts.records import to_records
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.inference.open import open_model
from mindpoint.visual.build import build_visualizer
from mindpoint.inference.sources import Frame, Source, find_sources, frames_of, to_image
from mindpoint.errors import ConfigError, DataError
from mindpoint.storage.images import write_image

Item = Union[str, Path, np.ndarray]
LARGEST = 1 << 24  # pixels of an image that is shown to the network at its own resolution: the network's memory grows with them
LONGEST = 32766  # pixels a side; OpenCV's warping cannot take more


@dataclass(frozen=True)
class Prediction:
    """What was found in one image.

    Attributes:
        image: the image itself, BGR uint8 ``(H, W, 3)``.
        detections: boxes, scores, labels and fields in pixels of the image, best first.
        classes: class names, by label.
        visualizer: draws them.
        source: path, camera number or address; None for an array.
        frame: number of the frame in a video, from 0; else None.
        time: seconds of the frame from the video's start; else None.
        rate: frames a second of the video; else None.
    """

    image: np.ndarray = field(repr=False)
    detections: Detections = field(repr=False)
    classes: Sequence[str] = field(repr=False)
    visualizer: Visualizer = field(repr=False)
    source: Optional[str] = None
    frame: Optional[int] = None
    time: Optional[float] = None
    rate: Optional[float] = None

    def __len__(self) -> int:
        return len(self.detections)

    def draw(self) -> np.ndarray:
        """Return a copy of the image, BGR uint8, with all that was found in it."""
        return self.visualizer.draw(self.image, self.detections)

    def save(self, path: Union[str, Path]) -> None:
        """Draw into an image file, whose ending says its format. Raises OutputError if it cannot be written."""
        write_image(Path(path), self.draw())

    def to_records(self) -> List[dict]:
        """Return plain values, one dictionary an object: see :func:`mindpoint.contracts.records.to_records`."""
        return to_records(self.detections, self.classes)

    def to_numpy(self) -> Dict[str, np.ndarray]:
        """Return arrays of N objects: ``boxes (N, 4)`` left, top, right, bottom; ``scores (N,)``; ``labels (N,)``; then each field by name,
        ``(N, ...)``."""
        return dict(self.detections.values)


class Predictor:
    """A trained model as a function of images.

    >>> predictor = Predictor("runs/people")                      # a run folder, a checkpoint, an exported file
    >>> prediction = predictor("image.jpg")                       # or an array: BGR, (H, W, 3)
    >>> for prediction in predictor.stream("video.mp4"): ...      # a frame at a time, whatever the length

    Args:
        model: anything that ``mindpoint predict`` takes as MODEL.
        threshold: smallest score of an object that is reported, 0..1.
        batch_size: images at once; None: as ``test.batch_size`` says.
        config: use this configuration, not the one that the model carries.
        overrides: changes to the configuration, as after ``--set``.

    Raises:
        WeightsError, ConfigError: the model cannot be opened.
    """

    def __init__(
        self,
        model: Union[str, Path],
        threshold: float = 0.3,
        batch_size: Optional[int] = None,
        config: Optional[str] = None,
        overrides: Sequence[str] = (),
    ):
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold: {threshold} is not in 0..1")
        sizes = [f"test.batch_size={batch_size}"] if batch_size is not None else []
        self.model = open_model(str(model), config, [*overrides, *sizes])
        self.threshold = threshold
        self.classes = self.model.config.classes
        self.visualizer = build_visualizer(self.model.config)
        self.settings = self.model.config.section("test")

    def __call__(self, images: Union[Item, Iterable[Item]]) -> Union[Prediction, List[Prediction], Iterator[Prediction]]:
        """An image, as an array or the path of a file, gives a prediction; a list or tuple gives a list; anything else (videos, folders,
        patterns, cameras, other iterables) an iterator, as :meth:`stream` does.

        Raises:
            DataError: an image that cannot be read or used.
        """
        if isinstance(images, np.ndarray):
            return next(self.stream(images))
        if isinstance(images, (str, Path)):
            found = find_sources([str(images)])
            one_image = found == [Source(str(images), "image")]
            return next(self.stream(found)) if one_image else self.stream(found)
        return list(self.stream(images)) if isinstance(images, (list, tuple)) else self.stream(images)

    def stream(
        self,
        inputs: Union[Item, Iterable[Item]],
        recursive: bool = False,
        frames: Optional[int] = None,
        skipped: Optional[Callable[[DataError], None]] = None,
    ) -> Iterator[Prediction]:
        """Predictions one by one; no more than a batch of images is held at a time.

        Args:
            inputs: arrays, and whatever ``mindpoint predict`` takes as INPUT: files, folders, patterns, videos, cameras; one, or any
                iterable, which may be endless.
            recursive: folders with the folders in them.
            frames: end a video or camera after so many.
            skipped: is told of an image or video that cannot be read, and the rest goes on; without it the error is raised.
        """
        single = isinstance(inputs, (str, Path, np.ndarray, Source))
        return self._predict(self._frames([inputs] if single else inputs, recursive, frames, skipped))

    def _frames(self, items: Iterable[object], recursive: bool, most: Optional[int], skipped: Optional[Callable]) -> Iterator[Frame]:
        for source in _sources(items, recursive):
            try:
                for frame in [Frame(to_image(source))] if isinstance(source, np.ndarray) else frames_of(source, most):
                    self._check_size(frame)
                    yield frame
            except DataError as error:
                if skipped is None:
                    raise
                skipped(error)

    def _check_size(self, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        name = frame.source.name if frame.source else "array"
        if max(height, width) > LONGEST:
            raise DataError(
                f"{name}: an image of {width}x{height} is too large; no side may have more than {LONGEST} pixels: make it smaller"
            )
        if self.settings.resolution == "keep" and height * width * max(self.settings.scales) ** 2 > LARGEST:
            raise DataError(
                f"{name}: an image of {width}x{height} is too large for the network at its own resolution; make it smaller, or give the "
                "network a smaller view of it with --set test.resolution=fixed"
            )

    def _predict(self, frames: Iterable[Frame]) -> Iterator[Prediction]:
        frames = iter(frames)
        while True:
            batch = list(itertools.islice(frames, self.settings.batch_size))
            if not batch:
                return
            for frame, found in zip(batch, self.model.detector([frame.image for frame in batch])):
                found = found.select(found.scores >= self.threshold)
                name = frame.source.name if frame.source else None
                yield Prediction(frame.image, found, self.classes, self.visualizer, name, frame.index, frame.time, frame.rate)


def _sources(items: Iterable[object], recursive: bool) -> Iterator[Union[np.ndarray, Source]]:
    for item in items:
        if isinstance(item, (np.ndarray, Source)):
            yield item
        else:
            yield from find_sources([str(item)], recursive)
