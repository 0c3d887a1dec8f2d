"""AI Challenger's own JSON: a list of images, people by the keys human1, human2, ..."""

from __future__ import annotations

from pathlib import Path
from typing import List

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item, begins, files, json_file
from mindpoint_coco.importers.form import Labels, Picture, Thing, corners
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import describe
from mindpoint_coco.importers.tool import LabelImporter

_SEEN = {1: 2, 2: 1, 3: 0}  # COCO's visibility by AI Challenger's (visible, hidden, not labelled)


class AiChallenger(LabelImporter):
    """An importer of the original annotations, whose visibilities differ from COCO's and whose boxes are corners."""

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        return any('"keypoint_annotations"' in begins(path) or '"human_annotations"' in begins(path) for path in files(source, "*.json"))

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        describe(labels.kind("person"), "ai_challenger")
        for path in files(source, "*.json"):
            if source.is_file() or "human_annotations" in begins(path) or "keypoint_annotations" in begins(path):
                for record in json_file(path):
                    picture = Picture(record["image_id"].text() + ".jpg", record.where)
                    for key, said in record["keypoint_annotations"].items():
                        box = record["human_annotations"][key].numbers(4)
                        picture.things.append(Thing("person", said.where, corners(*box), _points(said)))
                    labels.pictures.append(picture)
        return labels


def _points(said: Item) -> List[float]:
    values, points = said.numbers(3 * 14), []
    for place in range(0, len(values), 3):
        if values[place + 2] not in _SEEN:
            raise DataError(f"{said.where}: visibility {values[place + 2]:g} is neither 1 (visible), 2 (hidden) nor 3 (not labelled)")
        seen = _SEEN[values[place + 2]]
        points += [*values[place : place + 2], seen] if seen else [0, 0, 0]
    return points
