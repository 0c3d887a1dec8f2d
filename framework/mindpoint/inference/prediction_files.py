"""Writing predictions to files, in all requested formats."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Dict, Iterator, Sequence

from mindpoint.contracts.prediction import Prediction, Source
from mindpoint.contracts.writer import PredictionWriter, Vocabulary
from mindpoint.errors import OutputError
from mindpoint.registry import registry
from mindpoint.storage.files import clear_abandoned

_NUMBER = re.compile(r"[0-9]{1,18}")  # fits into 64 bits


class PredictionFiles:
    """A set of output files that predictions are written to one by one.

    ``with files.opened(folder, vocabulary): files.add(prediction)``; all open files are finished at the end, even after an error.

    Args:
        formats: names of the registry ``writers``.
        sources: the sources of the predictions, in order; they determine the names of pictures and the image ids.

    Attributes:
        images, objects: numbers of written images and objects.

    Raises:
        UnknownPlugin: the format does not exist.
    """

    def __init__(self, formats: Sequence[str], sources: Sequence[Source]):
        self.writers = [registry("writers").get(name, "--format")(sources) for name in formats]
        self.images = self.objects = 0
        self._ids = image_ids(sources)

    def refuse_existing(self, folder: Path) -> None:
        """Raise OutputError if an output file exists."""
        there = [name for writer in self.writers for name in writer.file_names() if (folder / name).exists()]
        if there:
            more = f" and {len(there) - 1} more" if len(there) > 1 else ""
            raise OutputError(f"{folder / there[0]}{more}: exists; choose another folder with --out, or replace it with --overwrite")

    @contextlib.contextmanager
    def opened(self, folder: Path, vocabulary: Vocabulary) -> Iterator[None]:
        """Accept predictions within the block. Raises OutputError if a file cannot be begun or finished."""
        self.folder = folder
        clear_abandoned(folder)
        with contextlib.ExitStack() as stack:
            for writer in self.writers:
                with self._full_disk():
                    writer.begin(folder, vocabulary)
                stack.callback(self._close, writer)
            yield

    def _close(self, writer: PredictionWriter) -> None:
        with self._full_disk():
            writer.close()

    def add(self, prediction: Prediction) -> None:
        """Write one prediction; the frames of a video come one after the other. Raises OutputError if it cannot be written."""
        self.images += 1
        self.objects += len(prediction)
        image_id = self._ids.get(prediction.source, self.images)
        with self._full_disk():
            for writer in self.writers:
                writer.add(prediction, image_id)

    @contextlib.contextmanager
    def _full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"{self.folder}: cannot be written: {error.strerror or error}") from error


def image_ids(sources: Sequence[Source]) -> Dict[str, int]:
    """Return the image id of each source by its name if all sources are images whose file names are different numbers: those numbers.
    Otherwise return an empty mapping."""
    if not all(source.kind == "image" and _NUMBER.fullmatch(source.stem) for source in sources):
        return {}
    ids = {source.name: int(source.stem) for source in sources}
    return ids if len(set(ids.values())) == len(sources) else {}
