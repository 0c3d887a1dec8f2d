"""The formats that ``mindpoint predict`` knows by itself: drawn images and videos, JSON, COCO's result format, CSV."""

from __future__ import annotations

import contextlib
import csv
import json
from abc import abstractmethod
from pathlib import Path
from typing import IO, Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.prediction import Prediction, Source
from mindpoint.contracts.records import cells, columns
from mindpoint.contracts.writer import PredictionWriter, Vocabulary
from mindpoint.errors import OutputError
from mindpoint.inference.sources import quiet_opencv
from mindpoint.storage.files import atomic_write
from mindpoint.storage.images import write_image


class PicturesWriter(PredictionWriter):
    """``NAME.jpg`` of each image, ``NAME.mp4`` of each video, with the objects drawn in."""

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__(sources)
        self.names = picture_names(sources)

    def file_names(self) -> List[str]:
        """See :class:`PredictionWriter`."""
        return list(self.names.values())

    def begin(self, folder: Path, vocabulary: Vocabulary) -> None:
        """See :class:`PredictionWriter`."""
        self.folder = folder
        self._video: Optional[Video] = None

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        path = self.folder / self.names[prediction.source]
        if prediction.frame is None:
            write_image(path, prediction.draw())
            return
        if self._video is None or self._video.path != path:
            self.close()
            self._video = Video(path, prediction.rate)
        self._video.add(prediction.draw())

    def close(self) -> None:
        """See :class:`PredictionWriter`."""
        video, self._video = self._video, None
        if video is not None:
            video.close()


def picture_names(sources: Sequence[Source]) -> Dict[str, str]:
    """Return a file name for the picture or video of each source, by the source's name; all different: a name that is taken gets a
    number."""
    names: Dict[str, str] = {}
    taken = set()
    for source in sources:
        ending = ".jpg" if source.kind == "image" else ".mp4"
        name, number = source.stem + ending, 1
        while name in taken:
            number += 1
            name = f"{source.stem}-{number}{ending}"
        taken.add(name)
        names[source.name] = name
    return names


class TextWriter(PredictionWriter):
    """One text file, which appears when it is complete.

    Attributes:
        file_name: what it is called.
    """

    file_name: str

    def file_names(self) -> List[str]:
        """See :class:`PredictionWriter`."""
        return [self.file_name]

    def begin(self, folder: Path, vocabulary: Vocabulary) -> None:
        """See :class:`PredictionWriter`."""
        self.vocabulary = vocabulary
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(atomic_write(folder / self.file_name))
            self.file: IO[str] = stack.enter_context(open(temporary, "w", encoding="utf-8", newline=""))
            self.start()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """See :class:`PredictionWriter`."""
        with self._stack:
            self.end()

    @abstractmethod
    def start(self) -> None:
        """Write what comes before the first prediction."""

    def end(self) -> None:
        """Write what comes after the last prediction."""


class _ListWriter(TextWriter):
    """A JSON list, a record a line."""

    def start(self) -> None:
        self._before = "[\n"

    def write(self, record: dict) -> None:
        self.file.write(self._before + json.dumps(record))
        self._before = ",\n"

    def end(self) -> None:
        self.file.write("\n]\n" if self._before == ",\n" else "[\n]\n")


class JsonWriter(_ListWriter):
    """``predictions.json``: an entry an image or frame, with all that is known of its objects."""

    file_name = "predictions.json"

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        height, width = prediction.image.shape[:2]
        self.write({**_place(prediction, image_id), "width": width, "height": height, "objects": prediction.to_records()})


class CocoWriter(_ListWriter):
    """``coco_results.json``: the result records of the configured metric, usually in COCO's format."""

    file_name = "coco_results.json"

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        for record in self.vocabulary.results({image_id: prediction.detections}):
            self.write(record)


class CsvWriter(TextWriter):
    """``predictions.csv``: a row an object."""

    file_name = "predictions.csv"

    def start(self) -> None:
        """Write the names of the columns."""
        self._rows = csv.writer(self.file, lineterminator="\n")
        place = ("image", "id", "frame", "time", "object")
        self._rows.writerow([*place, "class", "score", "left", "top", "right", "bottom", *columns(self.vocabulary.fields)])

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        found, place = prediction.detections, _place(prediction, image_id)
        for row in range(len(found)):
            start = [place["image"], place["id"], place.get("frame", ""), place.get("time", ""), row]
            known = [prediction.classes[found.labels[row]], float(found.scores[row]), *found.boxes[row].tolist()]
            self._rows.writerow([*start, *known, *cells(found, row)])


def _place(prediction: Prediction, image_id: int) -> Dict[str, object]:
    """Return where a prediction comes from, by the names that JSON and CSV have for it."""
    place: Dict[str, object] = {"image": prediction.source, "id": image_id}
    if prediction.frame is not None:
        place.update(frame=prediction.frame, time=round(prediction.time, 6))
    return place


class Video:
    """An MPEG-4 video of images of one size; others are fitted into the first one's. It gets its name when it is closed."""

    def __init__(self, path: Path, rate: float):
        self.path, self.rate, self.frames = path, rate, 0
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(atomic_write(path))
        self._writer: Optional[cv2.VideoWriter] = None
        self._size: Tuple[int, int] = (0, 0)

    def add(self, image: np.ndarray) -> None:
        """Append an image, BGR uint8. Raises OutputError if the video cannot be written."""
        with quiet_opencv():
            if self._writer is None:
                self._size = (image.shape[1] + image.shape[1] % 2, image.shape[0] + image.shape[0] % 2)  # the format takes even sizes only
                self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter_fourcc(*"mp4v"), self.rate, self._size)
                if not self._writer.isOpened():
                    self.close()
            self._writer.write(_fitted(image, self._size))
        self.frames += 1

    def close(self) -> None:
        """Finish the file. Raises OutputError if it is not whole: OpenCV does not tell of a full disk."""
        with self._stack, quiet_opencv():
            self._writer.release()
            check = cv2.VideoCapture(str(self._temporary))
            found = int(check.get(cv2.CAP_PROP_FRAME_COUNT))
            check.release()
            if found != self.frames or found == 0:
                raise OutputError(f"{self.path}: cannot be written as a video of {self._size[0]}x{self._size[1]}; is the disk full?")


def _fitted(image: np.ndarray, size: Tuple[int, int]) -> np.ndarray:
    right, bottom = size[0] - image.shape[1], size[1] - image.shape[0]
    if right not in (0, 1) or bottom not in (0, 1):
        return cv2.resize(image, size)
    return cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE) if right or bottom else image
