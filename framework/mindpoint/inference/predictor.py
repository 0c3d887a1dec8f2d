"""Predict on images, videos and cameras from Python."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Callable, Iterable, Iterator, List, Optional, Sequence, Tuple, Union

import numpy as np
import PIL.Image

from mindpoint.config.walk import advice
from mindpoint.contracts.fields import Field
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.prediction import Prediction, Source
from mindpoint.errors import ConfigError, DataError
from mindpoint.inference.detector import Prepared
from mindpoint.inference.items import REFUSED, SINGLE, Known, known_item
from mindpoint.inference.live import Live, newest_frames
from mindpoint.inference.open import AUTO, open_model
from mindpoint.inference.sources import Frame, find_sources, frames_of, to_image
from mindpoint.runtime.ahead import ahead as ahead_of
from mindpoint.visual.build import build_visualizer

Item = Union[str, Path, int, np.ndarray, Source, PIL.Image.Image]
LARGEST = 1 << 24  # pixels of an image at its own resolution, to limit the network's memory
PARTS = ("test.visualizer",)
LONGEST = 32766  # pixels per side, the limit of OpenCV's warping
MOST_AT_ONCE = 1024
MOST_FRAMES = 2**31 - 1


class Predictor:
    """A trained model as a function of images.

    >>> predictor = Predictor("runs/people")                      # a run folder, a checkpoint, an exported file
    >>> prediction = predictor("image.jpg")                       # or an array: BGR, (H, W, 3)
    >>> predictions = predictor.predict_all(["a.jpg", "b.jpg"])   # a list of images gives a list
    >>> for prediction in predictor.stream("video.mp4"): ...      # frame by frame, for any length

    Args:
        model: a MODEL as for ``mindpoint predict``.
        threshold: smallest score of a reported object, 0..1.
        batch_size: images per batch, 1..1024; None: ``test.batch_size``.
        config: configuration to use instead of the model's own.
        overrides: changes to the configuration, as after ``--set``.
        trust: let the model's configuration name any class. It can then run code, so use this only if you trust its author.
        only: report only objects of these classes; None: report all objects.
        engine: engine for an exported file: ``onnxruntime``, ``openvino``, ``mindir``; ``auto``: the fastest installed one.

    Attributes:
        model: the opened model.
        classes: class names, by label.
        fields: fields of detections besides boxes, scores and labels.

    Raises:
        WeightsError, ConfigError: the model cannot be opened, or lacks a class in ``only``.
    """

    def __init__(
        self,
        model: Union[str, Path],
        threshold: float = 0.3,
        batch_size: Optional[int] = None,
        config: Optional[str] = None,
        overrides: Sequence[str] = (),
        trust: bool = False,
        only: Optional[Sequence[str]] = None,
        engine: str = AUTO,
    ):
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold: {threshold} is not allowed; it must be in 0..1")
        check_count(batch_size, MOST_AT_ONCE, "batch_size")
        sizes = [f"test.batch_size={batch_size}"] if batch_size is not None else []
        self.model = open_model(str(model), config, [*overrides, *sizes], PARTS, trust=trust, engine=engine)
        self.threshold = threshold
        self.classes = self.model.config.classes
        self._labels = _labels(self.classes, self.classes if only is None else only)
        self.fields: Tuple[Field, ...] = self.model.detector.decoder.fields
        self.visualizer = build_visualizer(self.model.config)
        self.settings = self.model.config.section("test")

    def __call__(self, image: Item) -> Prediction:
        """Return :meth:`predict` of an image."""
        return self.predict(image)

    def predict(self, image: Item) -> Prediction:
        """Return the prediction for one image: an array, a Pillow image or the path of a file.

        Raises:
            DataError: the image cannot be read or used, or is a video, a folder or a camera.
        """
        return next(self.stream(_one_image(image)))

    def predict_all(self, images: Iterable[Item]) -> List[Prediction]:
        """Return the predictions for several images. Raises DataError like :meth:`predict`."""
        return list(self.stream(map(_one_image, images)))

    def stream(
        self,
        inputs: Union[Item, Iterable[Item]],
        recursive: bool = False,
        frames: Optional[int] = None,
        skipped: Optional[Callable[[DataError], None]] = None,
        every: int = 1,
        ahead: bool = False,
        live: Optional[Live] = None,
    ) -> Iterator[Prediction]:
        """Yield predictions one by one, in order; at most one batch of images is held in memory at a time, or a few batches with ``ahead``.

        Args:
            inputs: arrays, Pillow images, and any INPUT of ``mindpoint predict``: files, folders, patterns, videos, camera
                numbers; one item, or any iterable, which may be endless.
            recursive: also search subfolders.
            frames: maximum number of frames per video or camera.
            skipped: function that is called with the error of an image or video that cannot be read, which is then skipped. If not given,
                the error is raised.
            every: take every n-th frame of a video or camera.
            ahead: read, prepare and detect in threads while the caller uses earlier predictions. A thread then iterates over ``inputs`` and
                calls ``skipped``.
            live: read cameras and streams simultaneously, as fast as they deliver, and predict for the newest frame of each. The object
                then holds the statistics of the frames.

        Raises:
            DataError: the input, or an item of a list, is of another type; raised at the call.
            ConfigError: ``frames`` or ``every`` is not in 1..2147483647, or a source of ``live`` is not a camera or stream; raised at the
                call.
        """
        check_count(frames, MOST_FRAMES, "frames")
        check_count(every, MOST_FRAMES, "every")
        if live is not None:
            found = self._newest(list(_sources(_items(inputs), recursive)), live, frames, every, skipped or _raised)
            return self._predict(found, ahead, 1, live)
        return self._predict(self._frames(_items(inputs), recursive, frames, every, skipped or _raised), ahead, self.settings.batch_size)

    def _frames(self, items: Iterable[Known], recursive: bool, most: Optional[int], every: int, skipped: Callable) -> Iterator[Frame]:
        for source in _sources(items, recursive):
            try:
                for frame in [Frame(to_image(source))] if isinstance(source, np.ndarray) else frames_of(source, most):
                    self._check_size(frame)
                    if not frame.index or frame.index % every == 0:
                        yield frame
            except DataError as error:
                skipped(error)

    def _newest(self, sources: Sequence[object], live: Live, most: Optional[int], every: int, skipped: Callable) -> Iterator[Frame]:
        others = [source for source in sources if not isinstance(source, Source) or source.kind != "camera"]
        if others:
            name = others[0].name if isinstance(others[0], Source) else "an array"
            raise ConfigError(f"{name}: is not live; only cameras and URLs are")
        return newest_frames(sources, live, most, every, skipped, self._check_size)

    def _check_size(self, frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        name = _name(frame)
        if max(height, width) > LONGEST:
            raise DataError(f"{name}: an image of {width}x{height} is too large; make it smaller, to at most {LONGEST} pixels per side")
        if self.settings.resolution == "keep" and height * width * max(self.settings.scales) ** 2 > LARGEST:
            raise DataError(
                f"{name}: an image of {width}x{height} is too large for the network at its own resolution; make it smaller, or give the "
                "network a smaller view with --set test.resolution=fixed"
            )

    def _predict(self, frames: Iterator[Frame], threads: bool, size: int, live: Optional[Live] = None) -> Iterator[Prediction]:
        """Run the stages: reading; preparing a batch; network and decoder. With ``threads``, each stage has its own thread and keeps the
        order of its items. Live frames are not queued, which keeps them recent."""
        stage = ahead_of if threads else (lambda items, most: items)
        batches = self._batches(frames if live is not None else stage(frames, 2 * size), size)
        return stage(self._found(batches if live is not None else stage(batches, 1), live), size)

    def _batches(self, frames: Iterator[Frame], size: int) -> Iterator[Tuple[List[Frame], List[List[Prepared]]]]:
        while True:
            batch = list(itertools.islice(frames, size))
            if not batch:
                return
            samples = [Sample(0, _name(frame), frame.image, Objects.none(), meta=_meta(frame)) for frame in batch]
            yield batch, self.model.detector.prepare(samples)

    def _found(self, batches: Iterable[Tuple[List[Frame], List[List[Prepared]]]], live: Optional[Live]) -> Iterator[Prediction]:
        for batch, prepared in batches:
            for frame, found in zip(batch, self.model.detector.detections_of(prepared)):
                if live is not None:
                    live.done(frame)
                found = found.select((found.scores >= self.threshold) & np.isin(found.labels, self._labels))
                name = frame.source.name if frame.source else None
                place = (name, frame.index, frame.time, frame.rate, frame.count)
                yield Prediction(frame.image, found, self.classes, self.visualizer, *place)


def _raised(error: DataError) -> None:
    raise error


def check_count(count: Optional[int], most: int, name: str) -> None:
    """Raise ConfigError for a number that is not in 1..``most``; None is accepted."""
    if count is not None and not 1 <= count <= most:
        shown = f"{count} is" if abs(count) < 10**40 else "the number is"
        raise ConfigError(f"{name}: {shown} not in 1..{most}")


def _labels(classes: Sequence[str], names: Sequence[str]) -> List[int]:
    """Return the labels of class names. Raises ConfigError for a name that is not among them."""
    for name in names:
        if name not in classes:
            raise ConfigError(f"classes: the model has no class '{name}'{advice(name, list(classes), 'it has')}")
    return [list(classes).index(name) for name in names]


def _name(frame: Frame) -> str:
    return frame.source.name if frame.source else "array"


def _meta(frame: Frame) -> dict:
    """Return the metadata of a video or camera frame for the decoder."""
    return {} if frame.index is None else {"frame": frame.index, "time": frame.time, "source": frame.source.name}


def _one_image(item: object) -> Union[np.ndarray, Source]:
    """Return an array or the file of an image. Raises DataError for anything that may be several images."""
    image = known_item(item, "; use predict_all for lists, and stream for other inputs")
    if isinstance(image, np.ndarray):
        return image
    found = [image] if isinstance(image, Source) else find_sources([image])
    if len(found) != 1 or found[0].kind != "image" or found[0].name != getattr(image, "name", image):
        raise DataError(f"{item}: is not a single image; use predictor.stream(...) for videos, folders, patterns and cameras")
    return found[0]


def _items(inputs: object) -> Iterable[Known]:
    """Return the items of the inputs of :meth:`Predictor.stream`. Lists are checked immediately, other iterables as they are consumed."""
    if isinstance(inputs, (list, tuple)):
        return [known_item(item) for item in inputs]
    if isinstance(inputs, Iterable) and not isinstance(inputs, (*SINGLE, *REFUSED)) and not hasattr(inputs, "shape"):
        return map(known_item, inputs)
    return [known_item(inputs, ", or a list of these")]


def _sources(items: Iterable[Known], recursive: bool) -> Iterator[Union[np.ndarray, Source]]:
    for item in items:
        if isinstance(item, (np.ndarray, Source)):
            yield item
        else:
            yield from find_sources([item], recursive)
