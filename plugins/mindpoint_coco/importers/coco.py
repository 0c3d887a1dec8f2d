"""COCO JSON of many tools and data sets: each deviation is corrected or reported."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Sequence, Set, Tuple

from mindpoint.errors import DataError

from mindpoint_coco.datasets.rules import finite
from mindpoint_coco.importers.document import Item, begins, files, json_file
from mindpoint_coco.importers.form import Kind, Labels, Picture, Thing
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import describe, named_joints, set_of
from mindpoint_coco.importers.tool import LabelImporter

_PATTERNS = ("*.json", "annotations/*.json", "*/_annotations.coco.json", "*/*/_annotations.coco.json")
_WHOLE_BODY = (("foot_kpts", "foot_valid", 6), ("face_kpts", "face_valid", 68), ("lefthand_kpts", "lefthand_valid", 21))
_WHOLE_BODY += (("righthand_kpts", "righthand_valid", 21),)
_OWN = {"id", "image_id", "category_id", "bbox", "area", "iscrowd", "keypoints", "num_keypoints", "segmentation"}
_PARTS = {key for part in _WHOLE_BODY for key in part[:2]} | {"face_box", "lefthand_box", "righthand_box"}
_TRUTH, _IMAGE = {"images", "annotations", "categories"}, {"id", "file_name", "width", "height"}


class Coco(LabelImporter):
    """An importer of COCO JSON from Roboflow, CVAT, VIA and other tools, and of CrowdPose, COCO-WholeBody, Halpe, AI Challenger and AP-10K
    in this format.

    It corrects ids as text, duplicate categories, joints without names (136 of Halpe, 26, 133), the parts of COCO-WholeBody, invalid
    skeletons, missing counts and areas, and joints without a position. Outlines (``segmentation``) are ignored.

    Args:
        joints: names of the joints, or the name of a shipped set, for categories without names of joints.
    """

    def __init__(self, joints: Sequence[str] = ()):
        self.joints = named_joints(joints, "Coco")

    def recognizes(self, source: Path) -> bool:
        """See :class:`Importer`."""
        found = files(source, *_PATTERNS)
        return bool(found) and all(_looks_right(path) for path in found)

    def labels(self, source: Path, images: Images) -> Labels:
        """See :class:`LabelImporter`."""
        labels = Labels()
        for path in files(source, *_PATTERNS):
            if source.is_dir() and not _looks_right(path):
                labels.note("JSON files in another format are skipped", str(path))
                continue
            folder = path.parent.relative_to(source) if source.is_dir() and path.parent.name != "annotations" else Path()
            _File(json_file(path), folder, labels, self.joints).read()
        return labels


def _looks_right(path: Path) -> bool:
    """Return whether the file is an object with COCO's lists. Only the first keys of a large file are read."""
    start = begins(path, 1 << 20).lstrip()
    if not start.startswith("{"):
        return False
    return sum(f'"{key}"' in start for key in _TRUTH) == 3 and '"items"' not in start or '"image_id"' in start or _large(path, start)


def _large(path: Path, start: str) -> bool:
    return path.stat().st_size > 1 << 20 and '"images"' in start


def _further(record: Item, known: Set[str]) -> dict:
    """Return the plain values of further keys, such as CrowdPose's ``crowdIndex``."""
    return {key: value for key, value in record.dict().items() if key not in known and (isinstance(value, str) or finite([value]))}


class _File:
    def __init__(self, content: Item, folder: Path, labels: Labels, joints: Sequence[str]):
        self.content, self.folder, self.labels, self.joints = content, folder, labels, joints
        self.whole_body = False

    def read(self) -> None:
        pictures: Dict[str, Picture] = {}
        for record in self.content["images"]:
            picture = self._picture(record)
            key = record["id"].label()
            if key in pictures:
                raise DataError(f"{record.where}: the image id {key} is used twice; ids must differ")
            pictures[key] = picture
        records = list(self.content["annotations"])
        self.whole_body = any("face_kpts" in record.dict() for record in records)
        kinds = self._kinds(records)
        for record in records:
            owner, kind = record["image_id"].label(), record["category_id"].label()
            if owner not in pictures:
                self.labels.note("annotations of missing images are left out", record.where)
            elif kind not in kinds:
                raise DataError(f"{record.where}: no category has the id {kind}; the file has {', '.join(list(kinds)[:20])}")
            else:
                pictures[owner].things.append(self._thing(record, kinds[kind]))
        self.labels.pictures += pictures.values()

    def _picture(self, record: Item) -> Picture:
        width, height = record.get("width"), record.get("height")
        size = None if width is None or height is None else (width.whole(1), height.whole(1))
        name = (self.folder / record["file_name"].text()).as_posix()
        return Picture(name, record.where, size, extra=_further(record, _IMAGE))

    def _kinds(self, records: Sequence[Item]) -> Dict[str, Kind]:
        """Return the classes with annotations or joints, by category id; without annotations, return all."""
        used = {record["category_id"].label() for record in records}
        found: Dict[str, Kind] = {}
        for category in self.content["categories"]:
            key, name = category["id"].label(), category["name"].label()
            if key not in used and used and not category.get("keypoints"):
                self.labels.note("categories without annotations and joints are left out", name)
                continue
            if key in found and found[key].name != name:
                raise DataError(f"{category.where}: the category id {key} is also the id of '{found[key].name}'; ids must differ")
            found[key] = kind = self.labels.kind(name)
            names = self._joint_names(category, records, key)
            if kind.joints and names and kind.joints != names:
                raise DataError(f"{category.where}: the joints of category '{name}' differ between files; import them one by one")
            if names and not kind.joints:
                kind.joints = names
                kind.skeleton = self._skeleton(category, len(names))
                if self.whole_body:
                    describe(kind, "wholebody")
        return found

    def _joint_names(self, category: Item, records: Sequence[Item], key: str) -> List[str]:
        said = category.get("keypoints")
        names = [item.label() for item in said] if said is not None else []
        if names:
            fresh = [name if name not in names[:place] else f"{name}_{place}" for place, name in enumerate(names)]
            if fresh != names:
                self.labels.note(f"{category.where}: repeated names of joints get a number")
            return fresh
        lengths = {
            len(record["keypoints"].list()) for record in records if record["category_id"].label() == key and record.get("keypoints")
        } - {0}
        if not lengths:
            return []
        count = max(lengths) // 3
        if len(lengths) > 1 or max(lengths) % 3:
            raise DataError(f"{category.where}: names no joints, and annotations differ in their number of joints: {sorted(lengths)}")
        if self.joints and len(self.joints) != count:
            raise DataError(f"{category.where}: annotations have {count} joints, but 'joints' names {len(self.joints)}")
        if self.joints or not set_of(count):
            return list(self.joints) or [str(number) for number in range(count)]
        self.labels.note(f"{category.where}: names no joints; the {count} joints are assumed to be the set '{set_of(count)}'")
        kind = Kind("")
        describe(kind, set_of(count))
        return kind.joints

    def _skeleton(self, category: Item, count: int) -> List[Tuple[int, int]]:
        """Return the lines by index from 0. COCO counts from 1; a file that contains 0 counts from 0."""
        said = category.get("skeleton")
        try:
            lines = [tuple(int(end) for end in line.numbers(2)) for line in said] if said is not None else []
        except DataError:
            self.labels.note(f"{category.where}: the skeleton is ignored, since it is not a list of pairs of numbers")
            return []
        first = 0 if any(0 in line for line in lines) else 1
        fitting = [(a - first, b - first) for a, b in lines if first <= min(a, b) and max(a, b) < count + first and a != b]
        if len(fitting) < len(lines):
            self.labels.note(f"{category.where}: the skeleton is ignored, since it refers to missing joints")
            return []
        return fitting

    def _thing(self, record: Item, kind: Kind) -> Thing:
        box, area, crowd = record.get("bbox"), record.get("area"), record.get("iscrowd")
        thing = Thing(kind.name, record.where, crowd=crowd is not None and bool(crowd.number()))
        if box is not None and box.list():
            thing.box = box.numbers(4)
        if area is not None:
            thing.area = area.number(most=1e12)
        thing.points = self._points(record, len(kind.joints))
        labelled = sum(seen > 0 for seen in thing.points[2::3])
        said = record.get("num_keypoints")
        if said is not None and said.value != labelled and not self.whole_body:
            self.labels.note("annotations with a wrong 'num_keypoints', which is corrected", record.where)
        thing.extra = _further(record, _OWN | _PARTS)
        return thing

    def _points(self, record: Item, count: int) -> List[float]:
        said = record.get("keypoints")
        values = said.list() if said is not None else []
        if not values or not count:
            return []
        if not self.whole_body:
            return self._triples(said, count)
        points = self._triples(said, 17)
        for key, valid, number in _WHOLE_BODY:
            part, is_there = record.get(key), record.get(valid)
            if part is None or (is_there is not None and not is_there.value):
                points += [0, 0, 0] * number
            else:
                points += self._triples(part, number, scores=True)
        return points

    def _triples(self, said: Item, count: int, scores: bool = False) -> List[float]:
        """Return positions and visibilities. With ``scores``, each third number is a score, and scores above 0 are visible. Positions of
        unlabelled joints are not checked."""
        values = said.list()
        if len(values) != 3 * count:
            raise DataError(f"{said.where}: has {len(values)} numbers for {count} joints, not {3 * count}")
        points: List[float] = []
        for place in range(0, len(values), 3):
            seen = values[place + 2]
            if seen in (0, None, False):
                points += (0, 0, 0)
                continue
            x, y, seen = (Item(values[at], f"{said.where}: number {at}").number() for at in range(place, place + 3))
            if scores or seen not in (1, 2):
                if not scores:
                    self.labels.note("visibilities other than 0, 1 and 2 become 0 if below 0.5, otherwise 2", said.where)
                seen = 2 if seen > 0 and (scores or seen >= 0.5) else 0
            points += (x, y, int(seen)) if seen else (0, 0, 0)
        return points
