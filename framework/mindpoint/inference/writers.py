"""The built-in formats of ``mindpoint predict``: drawn images and videos, JSON, COCO's result format, CSV."""

from __future__ import annotations

import contextlib
import csv
import json
from abc import abstractmethod
from pathlib import Path
from typing import IO, Collection, Dict, Iterator, List, Sequence

from mindpoint.contracts.prediction import Prediction, Source
from mindpoint.contracts.records import cells, columns
from mindpoint.contracts.writer import PredictionWriter, Vocabulary
from mindpoint.errors import OutputError
from mindpoint.inference.video import Video
from mindpoint.storage.files import atomic_write
from mindpoint.storage.images import write_image

_FORMULA = (*"=+-@\t\r\n", *"＝＋－＠")  # first characters of formulas in spreadsheets


class PicturesWriter(PredictionWriter):
    """Writes ``NAME.jpg`` for each image and ``NAME.mp4`` for each video, with the objects drawn."""

    def __init__(self, sources: Sequence[Source]) -> None:
        super().__init__(sources)
        self.names = picture_names(sources)
        self._live = {source.name for source in sources if source.kind == "camera"}  # their frames may be interleaved

    def file_names(self) -> List[str]:
        """See :class:`PredictionWriter`."""
        return list(self.names.values())

    def begin(self, folder: Path, vocabulary: Vocabulary) -> None:
        """See :class:`PredictionWriter`."""
        self.folder = folder
        self._videos: Dict[Path, Video] = {}
        self._failed: Dict[Path, OutputError] = {}

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        path = self.folder / self.names[prediction.source]
        if prediction.frame is None:
            write_image(path, prediction.draw())
            return
        if path not in self._videos and path not in self._failed:
            self._finish(self._live if prediction.source in self._live else ())
            self._videos[path] = Video(path, prediction.rate)
        if path in self._videos:
            with self._noted(path):
                self._videos[path].add(prediction.draw(), prediction.time)

    def close(self) -> None:
        """See :class:`PredictionWriter`. Videos that could not be drawn raise an error only here, after all else is written."""
        self._finish(())
        if self._failed:
            first, *others = map(str, self._failed.values())
            raise OutputError(f"{first}; {len(others)} more videos could not be drawn" if others else first)

    def _finish(self, kept: Collection[str]) -> None:
        """Finish the videos of all sources except the ``kept`` ones."""
        going_on = {self.folder / self.names[name] for name in kept}
        for path in [path for path in self._videos if path not in going_on]:
            with self._noted(path):
                self._videos.pop(path).close()

    @contextlib.contextmanager
    def _noted(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            self._failed[path] = error
            self._videos.pop(path, None)


def picture_names(sources: Sequence[Source]) -> Dict[str, str]:
    """Return a distinct file name for the picture or video of each source, by the source's name; a name that is taken gets a
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
    """A writer of one text file, which appears when it is complete.

    Attributes:
        file_name: the file's name.
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
            self.file: IO[str] = stack.enter_context(open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline=""))
            self.start()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """See :class:`PredictionWriter`."""
        with self._stack:
            self.end()

    @abstractmethod
    def start(self) -> None:
        """Write the text before the first prediction."""

    def end(self) -> None:
        """Write the text after the last prediction."""


class _ListWriter(TextWriter):
    """A JSON list with one record per line."""

    def start(self) -> None:
        self._before = "[\n"

    def write(self, record: dict) -> None:
        self.file.write(self._before + json.dumps(record))
        self._before = ",\n"

    def end(self) -> None:
        self.file.write("\n]\n" if self._before == ",\n" else "[\n]\n")


class JsonWriter(_ListWriter):
    """Writes ``predictions.json``: an entry per image or frame, with all fields of its objects."""

    file_name = "predictions.json"

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        height, width = prediction.image.shape[:2]
        self.write({**_place(prediction, image_id), "width": width, "height": height, "objects": prediction.to_records()})


class CocoWriter(_ListWriter):
    """Writes ``coco_results.json``: the result records of the configured metric, usually in COCO's format."""

    file_name = "coco_results.json"

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        for record in self.vocabulary.results({image_id: prediction.detections}):
            self.write(record)


class CsvWriter(TextWriter):
    """A writer of ``predictions.csv``, one row per object. Texts that a spreadsheet would read as formulas get a leading apostrophe."""

    file_name = "predictions.csv"

    def start(self) -> None:
        """Write the names of the columns."""
        self._csv = csv.writer(self)  # with its own line end, it quotes both \r and \n
        place = ("image", "id", "frame", "time", "object")
        self._row([*place, "class", "score", "left", "top", "right", "bottom", *columns(self.vocabulary.fields)])

    def add(self, prediction: Prediction, image_id: int) -> None:
        """See :class:`PredictionWriter`."""
        found, place = prediction.detections, _place(prediction, image_id)
        for row in range(len(found)):
            start = [place["image"], place["id"], place.get("frame", ""), place.get("time", ""), row]
            known = [prediction.classes[found.labels[row]], float(found.scores[row]), *found.boxes[row].tolist()]
            self._row([*start, *known, *cells(found, row)])

    def write(self, line: str) -> None:
        """Write a line, with ``\\n`` instead of ``\\r\\n`` at its end."""
        self.file.write(line[:-2] + "\n")

    def _row(self, row: Sequence[object]) -> None:
        self._csv.writerow(map(harmless_cell, row))


def harmless_cell(cell: object) -> object:
    """Return a table cell; a text that a spreadsheet would treat as a formula gets a leading apostrophe."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _place(prediction: Prediction, image_id: int) -> Dict[str, object]:
    """Return the source of a prediction under the keys of JSON and CSV."""
    place: Dict[str, object] = {"image": prediction.source, "id": image_id}
    if prediction.frame is not None:
        place.update(frame=prediction.frame, time=round(prediction.time, 6))
    return place
