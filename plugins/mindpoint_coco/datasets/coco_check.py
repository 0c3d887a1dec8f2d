"""Everything that is wrong with the records of a COCO keypoint annotation file, record by record, and mending what can be mended.

Reading stops at the first mistake (:mod:`mindpoint_coco.datasets.coco_file`); this goes on, and also finds what reads well but
is wrong.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence

from mindpoint.errors import DataError
from mindpoint_coco.datasets.coco_file import few, finite, is_id, is_size, is_text

SLACK = 1.0  # pixels that a box may reach over the image's edge: annotation tools round


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: the same for alike problems.
        where: the record, with its id and file.
        text: what is wrong with it.
        mendable: :func:`mended` mends it.
    """

    kind: str
    where: str
    text: str
    mendable: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


def check_content(content: dict, classes: Sequence[str], names: Sequence[str]) -> List[Problem]:
    """The problems of all records; annotations of other categories than ``classes`` are passed over.

    Args:
        content: the file's JSON.
        names: of the joints.

    Raises:
        DataError: there are no lists of images, annotations and categories at all.
    """
    for key in ("images", "annotations", "categories"):
        if not isinstance(content.get(key), list):
            raise DataError(f"there is no list '{key}'; a COCO annotation file holds images, annotations and categories")
    images = _by_id(content["images"])
    found = [*_image_problems(content["images"]), *_category_problems(content["categories"], classes, names)]
    categories = _by_id(content["categories"])
    other = [key for key, record in categories.items() if record.get("name") not in classes]
    found += _repeated("annotation", content["annotations"])
    for position, record in enumerate(content["annotations"]):
        if not isinstance(record, dict):
            found.append(Problem("no object", f"annotation number {position} of the list", "is no object"))
        elif record.get("category_id") not in other:
            found += _annotation_problems(record, position, images, categories, len(names))
    return [*found, *_twins(content["annotations"], images)]


def mended(content: dict, classes: Sequence[str], joints: int, area_factor: float) -> dict:
    """A copy in which what can be told from the rest is put right.

    The crowd flag becomes 0 or 1, boxes are clipped to the image, labelled joints outside it become unlabelled, ``num_keypoints`` is
    counted, an absent or impossible ``area`` becomes ``area_factor`` times that of the box, and annotations that repeat another go.
    """
    content = copy.deepcopy(content)
    images = _by_id(content["images"])
    other = [key for key, record in _by_id(content["categories"]).items() if record.get("name") not in classes]
    twins = {id(twin) for _, twin in _pairs_of_twins(content["annotations"])}
    content["annotations"] = [record for record in content["annotations"] if id(record) not in twins]
    for record in content["annotations"]:
        if isinstance(record, dict) and record.get("category_id") not in other:
            _mend(record, _of(record, "image_id", images) or {}, joints, area_factor)
    return content


def _mend(record: dict, image: dict, joints: int, area_factor: float) -> None:
    record["iscrowd"] = int(str(record.get("iscrowd")).lower() not in ("0", "0.0", "false", "none", ""))
    width, height = image.get("width"), image.get("height")
    sized = not is_size(width) and not is_size(height)
    if sized and _is_list(record.get("bbox"), 4):
        record["bbox"] = _clipped(record["bbox"], width, height)
    if _is_list(record.get("keypoints"), 3 * joints):
        points = record["keypoints"]
        for joint in _outside(points, width, height) if sized else ():
            points[3 * joint : 3 * joint + 3] = [0, 0, 0]
        record["num_keypoints"] = _labelled(points)
    if _is_list(record.get("bbox"), 4) and _area_problem(record):
        record["area"] = area_factor * record["bbox"][2] * record["bbox"][3]


def _by_id(records: List[Any]) -> Dict[int, dict]:
    return {record["id"]: record for record in records if isinstance(record, dict) and not is_id(record.get("id"))}


def _of(record: dict, key: str, owners: Dict[int, dict]) -> Optional[dict]:
    """The image or category that an annotation names, if there is one."""
    return None if is_id(record.get(key)) else owners.get(record[key])


def _is_list(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and finite(value)


def _fields(record: dict, where: str, fields: Dict[str, Callable[[Any], str]]) -> Iterator[Problem]:
    for field, expected in fields.items():
        if field not in record:
            yield Problem(f"no {field}", where, f"lacks '{field}'")
        elif expected(record[field]):
            yield Problem(f"wrong {field}", where, f"'{field}' is {record[field]!r}, not {expected(record[field])}")


def _repeated(kind: str, records: List[Any]) -> Iterator[Problem]:
    ids = Counter(record["id"] for record in records if isinstance(record, dict) and not is_id(record.get("id")))
    for value, count in ids.items():
        if count > 1:
            yield Problem(f"repeated {kind} id", f"{kind} {value}", f"{count} records have this id; ids must differ")


def _image_problems(images: List[Any]) -> Iterator[Problem]:
    yield from _repeated("image", images)
    names = Counter(record["file_name"] for record in images if isinstance(record, dict) and not is_text(record.get("file_name")))
    for position, record in enumerate(images):
        if not isinstance(record, dict):
            yield Problem("no object", f"image number {position} of the list", "is no object")
            continue
        where = f"image {record.get('id', f'number {position} of the list')} ({record.get('file_name')})"
        yield from _fields(record, where, {"id": is_id, "file_name": is_text, "width": is_size, "height": is_size})
        if not is_text(record.get("file_name")) and names[record["file_name"]] > 1:
            yield Problem("repeated file", where, f"{names[record['file_name']]} image records have this file")


def _category_problems(categories: List[Any], classes: Sequence[str], names: Sequence[str]) -> Iterator[Problem]:
    yield from _repeated("category", categories)
    for position, record in enumerate(categories):
        if not isinstance(record, dict):
            yield Problem("no object", f"category number {position} of the list", "is no object")
            continue
        where = f"category {record.get('id', f'number {position} of the list')} ({record.get('name')})"
        yield from _fields(record, where, {"id": is_id, "name": is_text})
        said = record.get("keypoints")
        if record.get("name") in classes and isinstance(said, list) and _plain(said) != _plain(names):
            yield Problem("other joints", where, f"its joints are {few(said, 30)}, but the configuration has {few(names, 30)}")
    found = [record.get("name") for record in categories if isinstance(record, dict)]
    for name in classes:
        if found.count(name) != 1:
            there = few(found, 20) or "none"
            yield Problem("class", f"class '{name}'", f"{found.count(name) or 'no'} categories have this name; there are {there}")


def _plain(names: Sequence[Any]) -> List[str]:
    """The names without what two spellings of one name differ in."""
    return ["".join(filter(str.isalnum, str(name).lower())) for name in names]


def _annotation_problems(
    record: dict, position: int, images: Dict[int, dict], categories: Dict[int, dict], joints: int
) -> Iterator[Problem]:
    image_id, category = record.get("image_id"), record.get("category_id")
    image = _of(record, "image_id", images)
    owner = f"image {image_id}" + (f", {image.get('file_name')}" if image else "")
    where = f"annotation {record.get('id', f'number {position} of the list')} ({owner})"
    yield from _fields(record, where, {"id": is_id, "image_id": is_id, "category_id": is_id})
    if not is_id(image_id) and image is None:
        yield Problem("unknown image", where, f"no image record has the id {image_id}")
    if not is_id(category) and category not in categories:
        yield Problem("unknown category", where, f"no category record has the id {category}; there are {few(list(categories))}")
    if type(record.get("iscrowd")) is not int or record["iscrowd"] not in (0, 1):
        said = f"'iscrowd' is {record['iscrowd']!r}, neither 0 nor 1" if "iscrowd" in record else "lacks 'iscrowd'"
        yield Problem("crowd flag", where, said, mendable=True)
    yield from _box_problems(record, where, image or {})
    yield from _joint_problems(record, where, image or {}, joints)


def _numbers(record: dict, field: str, count: int, meaning: str) -> Optional[str]:
    values = record.get(field)
    if field not in record:
        return f"lacks '{field}'"
    if not isinstance(values, list) or len(values) != count:
        got = len(values) if isinstance(values, list) else repr(values)
        return f"'{field}' must hold {count} numbers ({meaning}), got {got}"
    return None if finite(values) else f"'{field}' holds a value that is no finite number: {few(values, 12)}"


def _box_problems(record: dict, where: str, image: dict) -> Iterator[Problem]:
    wrong = _numbers(record, "bbox", 4, "left, top, width, height")
    if wrong:
        yield Problem("wrong bbox", where, wrong)
        return
    left, top, width, height = box = record["bbox"]
    said = f"the box {few([f'{value:g}' for value in box])} (left, top, width, height)"
    if width <= 0 or height <= 0:
        yield Problem("empty box", where, f"{said} has no extent")
        return
    if not is_size(image.get("width")) and not is_size(image.get("height")):
        size = f"the image of {image['width']} x {image['height']}"
        if left >= image["width"] or top >= image["height"] or left + width <= 0 or top + height <= 0:
            yield Problem("box off the image", where, f"{said} lies outside {size}; are the numbers left, top, right, bottom, or relative?")
        elif min(left, top) < -SLACK or left + width > image["width"] + SLACK or top + height > image["height"] + SLACK:
            yield Problem("box over the edge", where, f"{said} reaches out of {size}", mendable=True)
    wrong = _area_problem(record)
    if wrong:
        yield Problem("area", where, wrong, mendable=True)


def _area_problem(record: dict) -> Optional[str]:
    width, height = record["bbox"][2:]
    area = record.get("area")
    if area is None:
        return "lacks 'area'"
    if not finite([area]) or area <= 0:
        return f"'area' is {area!r}, no positive number"
    if area > 1.05 * (width + SLACK) * (height + SLACK):
        return f"'area' is {area:g}, more than the box of {width:g} x {height:g} holds"
    return None


def _joint_problems(record: dict, where: str, image: dict, joints: int) -> Iterator[Problem]:
    wrong = _numbers(record, "keypoints", 3 * joints, f"x, y, visibility of {joints} joints")
    if wrong:
        yield Problem("wrong keypoints", where, wrong)
        return
    points = record["keypoints"]
    strange = sorted({value for value in points[2::3] if value not in (0, 1, 2)})
    if strange:
        yield Problem("visibility", where, f"visibilities must be 0 (not labelled), 1 (hidden) or 2 (visible), not {few(strange)}")
    if not is_size(image.get("width")) and not is_size(image.get("height")):
        outside = _outside(points, image["width"], image["height"])
        if outside:
            first = few([f"{value:g}" for value in points[3 * outside[0] : 3 * outside[0] + 2]])
            size = f"the image of {image['width']} x {image['height']}, such as ({first})"
            text = f"{len(outside)} labelled joint{'s lie' if outside[1:] else ' lies'} outside {size}"
            yield Problem("joint outside", where, text, mendable=True)
    count = record.get("num_keypoints")
    if count != _labelled(points) or type(count) is not int:
        said = f"'num_keypoints' is {count!r}" if "num_keypoints" in record else "lacks 'num_keypoints'"
        yield Problem("count", where, f"{said}, {_labelled(points)} joints are labelled", mendable=True)


def _labelled(points: List[float]) -> int:
    return sum(visibility > 0 for visibility in points[2::3])


def _outside(points: List[float], width: int, height: int) -> List[int]:
    """Labelled joints that no pixel of the image holds, with the slack of boxes."""
    rows = zip(points[0::3], points[1::3], points[2::3])
    good = lambda x, y: -SLACK <= x <= width + SLACK and -SLACK <= y <= height + SLACK  # noqa: E731
    return [joint for joint, (x, y, visibility) in enumerate(rows) if visibility > 0 and not good(x, y)]


def _clipped(box: List[float], width: int, height: int) -> List[float]:
    """The part of the box inside the image; the box itself if there is none, or if it is inside up to the slack."""
    left, top, right, bottom = box[0], box[1], box[0] + box[2], box[1] + box[3]
    if min(left, top) >= -SLACK and right <= width + SLACK and bottom <= height + SLACK:
        return box
    x, y = max(left, 0), max(top, 0)
    clipped = [x, y, min(right, width) - x, min(bottom, height) - y]
    return clipped if min(clipped[2:]) > 0 else box


def _twins(annotations: List[Any], images: Dict[int, dict]) -> Iterator[Problem]:
    for first, second in _pairs_of_twins(annotations):
        image = images.get(second["image_id"], {}).get("file_name")
        where = f"annotation {second.get('id')} (image {second['image_id']}, {image})"
        yield Problem("twin", where, f"has the box and joints of annotation {first.get('id')}", mendable=True)


def _pairs_of_twins(annotations: List[Any]) -> Iterator[tuple]:
    """Annotations with labelled joints, and later ones that are the same."""
    seen: Dict[tuple, dict] = {}
    for record in annotations:
        points = record.get("keypoints") if isinstance(record, dict) and not is_id(record.get("image_id")) else None
        if isinstance(points, list) and finite(points) and any(points):
            key = (record["image_id"], str(record.get("category_id")), str(record.get("bbox")), tuple(points))
            if key in seen:
                yield seen[key], record
            else:
                seen[key] = record
