"""Leeds Sports Pose and its extension: joints.mat and numbered images."""

from __future__ import annotations

from pathlib import Path
from typing import List

import numpy as np
from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files
from mindpoint_coco.importers.form import Labels, Picture, Thing
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import describe
from mindpoint_coco.importers.matlab import first_variable, matlab_array
from mindpoint_coco.importers.mpii_matlab import VARIABLE as MPII
from mindpoint_coco.importers.tool import LabelImporter


class Lsp(LabelImporter):
    """An importer of LSP: ``joints*.mat`` of LSP, an array (3, 14, images), and of LSP-extended, (14, 3, images), with the images
    im0001.jpg or im00001.jpg, ...

    The third number is 1 for a hidden joint in LSP, and 1 for a labelled joint in the extension. Boxes are missing in the format; they
    become the bounding boxes of the joints with a margin.
    """

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any(begins(path, 6) == "MATLAB" and first_variable(path) != MPII for path in _files(source))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        describe(labels.kind("person"), "lsp")
        for path in _files(source):
            array = matlab_array(path, "joints")
            if array.ndim == 2:  # Matlab drops the last axis of a single image
                array = array[:, :, None]
            if array.ndim != 3 or array.shape[:2] not in ((3, 14), (14, 3)):
                raise DataError(f"{path}: 'joints' has the shape {array.shape}, neither (3, 14, images) nor (14, 3, images)")
            extended = array.shape[0] == 14
            rows = array.transpose(2, 0, 1) if extended else array.transpose(2, 1, 0)
            for number, row in enumerate(rows, 1):
                name = f"im{number:05d}.jpg" if extended else f"im{number:04d}.jpg"
                picture = Picture(name, f"{path}: image {number}")
                picture.things.append(Thing("person", picture.where, points=_points(row, extended, picture.where)))
                labels.pictures.append(picture)
        return labels


def _files(source: Path) -> List[Path]:
    return files(source, "*.mat")


def _points(row: np.ndarray, extended: bool, where: str) -> List[float]:
    points: List[float] = []
    for x, y, flag in row.tolist():
        if flag not in (0, 1):
            raise DataError(f"{where}: the third number of a joint is {flag:g}, neither 0 nor 1")
        x, y = Item(x, where).number(), Item(y, where).number()
        seen = (2 if flag else 0) if extended else (1 if flag else 2)
        points += [x, y, seen] if seen else [0, 0, 0]
    return points
