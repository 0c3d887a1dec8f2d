"""The base class of label importers, which convert a tool's labels to a COCO dictionary."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from mindpoint.contracts.importer import Importer
from mindpoint.errors import DataError

from mindpoint_coco.datasets.rules import SLACK
from mindpoint_coco.importers.form import Labels, Picture, Thing, extent
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import complete
from mindpoint_coco.sides import side_pairs

_MARGIN = 0.1  # margin of a box around joints, on each side, as a share of its longer side
_LEAST = 2.0  # minimum margin in pixels
_BESIDE_IMAGES = ("annotations", "labels", "ann")


class LabelImporter(Importer):
    """An importer that converts labels to a COCO dictionary.

    Images are looked up in the folder of images by name. Missing images are left out and reported
    (``info.notes``). The record of a video frame has the keys ``video`` and ``frame``. A missing box becomes the bounding box of the joints
    with a margin. Boxes are clipped to the image, joints outside it become unlabelled.
    """

    @abstractmethod
    def labels(self, source: Path, images: Images) -> Labels:
        """Return the labels in the source. Raises DataError, with file and record, if it is damaged or has another format."""

    def read(self, source: Path, images: Optional[Path] = None) -> dict:
        """See :class:`Importer`."""
        index = Images(images or self.image_folder(source))
        labels = self.labels(source, index)
        if not labels.pictures:
            raise DataError(f"{source}: has no images in this format")
        for kind in labels.kinds.values():
            complete(kind)
        return _Coco(labels, index).dictionary(source)

    def image_folder(self, source: Path) -> Path:
        """Return the source's folder, or its parent if the folder is named after its content."""
        folder = super().image_folder(source)
        return folder.parent if folder.name in _BESIDE_IMAGES else folder


class _Coco:
    def __init__(self, labels: Labels, images: Images):
        self.labels, self.index = labels, images
        self.images: List[dict] = []
        self.annotations: List[dict] = []
        self.numbers = {name: number for number, name in enumerate(labels.kinds, 1)}
        self._missing: List[Picture] = []
        self._ids: Dict[str, int] = {}
        self._seen: set = set()

    def dictionary(self, source: Path) -> dict:
        for picture in self.labels.pictures:
            self._add(picture)
        if not self.images:
            first, more = self._missing[0], len(self._missing) - 1
            also = f", nor {'is the other image' if more == 1 else f'are the other {more} images'}" if more else ""
            raise DataError(f"{first.where}: its image '{first.name}' is not in {self.index.folder}{also}; name the folder with --images")
        if self._missing:
            first = self._missing[0]
            text = f"images missing in {str(self.index.folder)!r} are left out"
            self.labels.note(text, f"'{first.name}' ({first.where})", len(self._missing))
        return {
            "info": {"description": f"imported from {source.name}", "notes": self.labels.told()},
            "images": self.images,
            "annotations": self.annotations,
            "categories": [self._category(name, number) for name, number in self.numbers.items()],
        }

    def _category(self, name: str, number: int) -> dict:
        kind = self.labels.kinds[name]
        record: dict = {"id": number, "name": name}
        if kind.joints:
            said = None if kind.pairs is None else [[kind.joints[first], kind.joints[second]] for first, second in kind.pairs]
            record["keypoints"] = kind.joints
            record["skeleton"] = [[first + 1, second + 1] for first, second in kind.skeleton]
            record["flip_pairs"] = list(map(list, side_pairs(kind.joints))) if said is None else said
            if kind.sigmas:
                record["sigmas"] = kind.sigmas
        return record

    def _add(self, picture: Picture) -> None:
        name, frame = self.index.find(picture.name, picture.where), {}
        if name is None and picture.video is not None:
            video = self.index.video(picture.video, picture.where)
            frame = {"video": video, "frame": picture.frame} if video else {}
            name = f"{video}_{picture.frame:06d}.png" if video else None
        if name is None:
            self._missing.append(picture)
            return
        if name not in self._ids:
            width, height = self.index.video_size(frame["video"]) if frame else self.index.size(name)
            if picture.size is not None and (width, height) != tuple(picture.size):
                said = "{} x {}, not {} x {}".format(width, height, *picture.size)
                self.labels.note("images do not have the size given with their labels, so labels may be misplaced", f"{name}: {said}")
            self._ids[name] = len(self.images) + 1
            self.images.append({**picture.extra, "id": self._ids[name], "file_name": name, "width": width, "height": height, **frame})
        image = self.images[self._ids[name] - 1]
        for thing in picture.things:
            self._add_thing(thing, image, picture.relative)

    def _add_thing(self, thing: Thing, image: dict, relative: bool) -> None:
        width, height = image["width"], image["height"]
        across, down = (width, height) if relative else (1, 1)
        points = self._points(thing, width, height, (across, down))
        box = None if thing.box is None else [side * by for side, by in zip(thing.box, (across, down, across, down))]
        if box is None or box[2] <= 0 or box[3] <= 0:
            box = _around(points, width, height)
        box = self._clipped(box, width, height, thing.where)
        if box is None:
            return
        most = box[2] * box[3]
        area = thing.area if thing.area is not None and 0 < thing.area <= most else most
        record = {
            **thing.extra,
            "id": len(self.annotations) + 1,
            "image_id": image["id"],
            "category_id": self.numbers[thing.kind],
            "bbox": [round(side, 4) for side in box],
            "area": round(area, 4),
            "iscrowd": int(thing.crowd),
        }
        if self.labels.kinds[thing.kind].joints:
            record.update(keypoints=points, num_keypoints=sum(seen > 0 for seen in points[2::3]))
        same = (image["id"], thing.kind, *box, *points)
        if same in self._seen:
            self.labels.note("repeated objects are used once", thing.where)
            return
        self._seen.add(same)
        self.annotations.append(record)

    def _points(self, thing: Thing, width: int, height: int, unit: Tuple[float, float]) -> List[float]:
        """Return the joints of the whole class in pixels; those outside the image are not labelled."""
        count = len(self.labels.kinds[thing.kind].joints)
        points: List[float] = []
        for x, y, seen in zip(thing.points[0::3], thing.points[1::3], thing.points[2::3]):
            x, y = x * unit[0], y * unit[1]
            if seen > 0 and not (-SLACK <= x <= width + SLACK and -SLACK <= y <= height + SLACK):
                self.labels.note("joints outside their image become unlabelled", thing.where)
                seen = 0
            points += [round(x, 4), round(y, 4), int(seen)] if seen > 0 else [0, 0, 0]
        return points + [0, 0, 0] * (count - len(points) // 3)

    def _clipped(self, box: Optional[List[float]], width: int, height: int, where: str) -> Optional[List[float]]:
        """Return the part of the box inside the image, or None."""
        if box is None:
            self.labels.note("objects without box and joints are left out", where)
            return None
        left, top, right, bottom = max(box[0], 0), max(box[1], 0), min(box[0] + box[2], width), min(box[1] + box[3], height)
        if left >= right or top >= bottom:
            self.labels.note("objects outside their image are left out", where)
            return None
        if min(box[:2]) >= -SLACK and box[0] + box[2] <= width + SLACK and box[1] + box[3] <= height + SLACK:
            return box
        self.labels.note("boxes that extend beyond the image are clipped", where)
        return [left, top, right - left, bottom - top]


def _around(points: List[float], width: int, height: int) -> Optional[List[float]]:
    """Return the bounding box of labelled joints with a margin, clipped to the image; None without joints."""
    seen = [number for number in range(len(points) // 3) if points[3 * number + 2] > 0]
    if not seen:
        return None
    left, top, across, down = extent([points[3 * number] for number in seen], [points[3 * number + 1] for number in seen])
    margin = max(_MARGIN * max(across, down), _LEAST)
    right, bottom = min(left + across + margin, width), min(top + down + margin, height)
    left, top = max(left - margin, 0), max(top - margin, 0)
    return [left, top, right - left, bottom - top]
