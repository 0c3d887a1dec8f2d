"""Predictions as files: drawn images and videos, JSON, COCO's result format, CSV. Each file appears when it is complete."""

from __future__ import annotations

import contextlib
import csv
import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.fields import Field
from mindpoint.contracts.records import cells, columns, to_coco
from mindpoint.storage.files import atomic_write
from mindpoint.storage.images import write_image
from mindpoint.inference.sources import Source
from mindpoint.errors import OutputError

if TYPE_CHECKING:
    from mindpoint.inference.predictor import Prediction

FORMATS = {"pictures": None, "json": "predictions.json", "coco": "coco_results.json", "csv": "predictions.csv"}
"""What can be written, and the name of its file."""


class PredictionFiles:
    """Writes predictions, one after the other, into a folder.

    ``with PredictionFiles(...) as files: files.add(prediction)``; all files that were begun are finished at the end, also after an error.

    Args:
        formats: names of :data:`FORMATS`.
        sources: where the predictions come from, in their order; names of pictures and image ids follow from them.

    Raises:
        OutputError: a file cannot be written.
    """

    def __init__(self, folder: Path, formats: Sequence[str], sources: Sequence[Source], fields: Sequence[Field], classes: Sequence[str]):
        self.folder, self.formats, self.fields = folder, formats, fields
        self.pictures = picture_names(sources)
        self.images = self.objects = 0
        self._category_ids = list(range(1, len(classes) + 1))
        named = all(source.kind == "image" and source.stem.isdigit() for source in sources)
        self._ids = {source.name: int(source.stem) for source in sources} if named else {}

    def __enter__(self) -> "PredictionFiles":
        self._video: Optional[_Video] = None
        with contextlib.ExitStack() as stack:  # if one file cannot be begun, none is made

            def begin(name: str, make: Callable, *arguments: object) -> object:
                return stack.enter_context(make(self.folder / FORMATS[name], *arguments)) if name in self.formats else None

            self._json, self._coco = begin("json", _json_list), begin("coco", _json_list)
            self._csv = begin("csv", _csv_table, self.fields)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        with self._stack:  # closed in any case
            if self._video is not None:
                self._video.close()

    def add(self, prediction: "Prediction") -> None:
        """Write one prediction. Those of a video come one after the other."""
        self.images += 1
        self.objects += len(prediction)
        image_id = self._ids.get(prediction.source, self.images)
        with _full_disk(self.folder):
            self._write_records(prediction, image_id)
        if "pictures" in self.formats:
            self._draw(prediction)

    def _write_records(self, prediction: "Prediction", image_id: int) -> None:
        place = {"image": prediction.source, "id": image_id}
        if prediction.frame is not None:
            place.update(frame=prediction.frame, time=round(prediction.time, 6))
        height, width = prediction.image.shape[:2]
        if self._json:
            self._json.add({**place, "width": width, "height": height, "objects": prediction.to_records()})
        if self._coco:
            for record in to_coco(prediction.detections, image_id, self._category_ids):
                self._coco.add(record)
        if self._csv:
            self._csv.add(place, prediction)

    def _draw(self, prediction: "Prediction") -> None:
        path = self.folder / self.pictures[prediction.source]
        if prediction.frame is None:
            write_image(path, prediction.draw())
            return
        if self._video is None or self._video.path != path:
            if self._video is not None:
                self._video.close()
            self._video = _Video(path, prediction.rate)
        self._video.add(prediction.draw())


def refuse_existing(folder: Path, formats: Sequence[str], sources: Sequence[Source]) -> None:
    """Raise OutputError if a file that would be written is there."""
    pictures = picture_names(sources).values() if "pictures" in formats else ()
    there = [name for name in (*pictures, *(FORMATS[name] for name in formats if FORMATS[name])) if (folder / name).exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise OutputError(f"{folder / there[0]}{more}: exists; choose another folder with --out, or replace with --overwrite")


def picture_names(sources: Sequence[Source]) -> Dict[str, str]:
    """A file name for the picture or video of each source, by the source's name; all different: a name that is taken gets a number."""
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


@contextlib.contextmanager
def _full_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


class _JsonList:
    def __init__(self, file: IO[str]):
        self._file, self._before = file, "\n"

    def add(self, record: dict) -> None:
        self._file.write(self._before + json.dumps(record))
        self._before = ",\n"


@contextlib.contextmanager
def _json_list(path: Path) -> Iterator[_JsonList]:
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write("[")
        try:
            yield _JsonList(file)
        finally:
            file.write("\n]\n")


class _CsvTable:
    def __init__(self, file: IO[str], fields: Sequence[Field]):
        self._writer = csv.writer(file, lineterminator="\n")
        place = ("image", "id", "frame", "time", "object")
        self._writer.writerow([*place, "class", "score", "left", "top", "right", "bottom", *columns(fields)])

    def add(self, place: dict, prediction: "Prediction") -> None:
        """Write one row an object."""
        found = prediction.detections
        for row in range(len(found)):
            start = [place["image"], place["id"], place.get("frame", ""), place.get("time", ""), row]
            known = [prediction.classes[found.labels[row]], float(found.scores[row]), *found.boxes[row].tolist()]
            self._writer.writerow([*start, *known, *cells(found, row)])


@contextlib.contextmanager
def _csv_table(path: Path, fields: Sequence[Field]) -> Iterator[_CsvTable]:
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        yield _CsvTable(file, fields)


class _Video:
    """An MPEG-4 video of images of one size; others are fitted into the first one's. It has its name when it is closed."""

    def __init__(self, path: Path, rate: float):
        self.path, self.rate, self.frames = path, rate, 0
        self._stack = contextlib.ExitStack()
        self._temporary = self._stack.enter_context(atomic_write(path))
        self._writer: Optional[cv2.VideoWriter] = None
        self._size: Tuple[int, int] = (0, 0)

    def add(self, image: np.ndarray) -> None:
        if self._writer is None:
            self._size = (image.shape[1] + image.shape[1] % 2, image.shape[0] + image.shape[0] % 2)  # the format knows even sizes only
            self._writer = cv2.VideoWriter(str(self._temporary), cv2.VideoWriter_fourcc(*"mp4v"), self.rate, self._size)
            if not self._writer.isOpened():
                self.close()
        self._writer.write(_fitted(image, self._size))
        self.frames += 1

    def close(self) -> None:
        """Finish the file. Raises OutputError if it is not whole: OpenCV does not tell of a full disk."""
        with self._stack:
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
