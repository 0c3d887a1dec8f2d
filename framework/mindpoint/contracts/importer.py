"""Importers convert the files of an annotation tool into a data set in COCO's format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Optional


class Importer(ABC):
    """Reads one format. ``mindpoint data import FORMAT SOURCE OUT`` finds it by the part's name; ``auto`` asks :meth:`recognizes`."""

    @abstractmethod
    def recognizes(self, source: Path) -> bool:
        """Tell whether a file or folder has this format, judging by names and first lines; never raise."""

    @abstractmethod
    def read(self, source: Path, images: Optional[Path] = None) -> dict:
        """Return all annotations as a COCO dictionary: ``images`` with paths relative to the folder of images, ``annotations``,
        ``categories``.

        Args:
            images: the folder of the images; None: the one that the format names.

        Raises:
            DataError: the source has another format or is damaged; the message names file and record.
        """

    def image_folder(self, source: Path) -> Path:
        """Return the folder of the images if the user does not name one; by default the source, or the folder of a source file."""
        return source if source.is_dir() else source.parent
