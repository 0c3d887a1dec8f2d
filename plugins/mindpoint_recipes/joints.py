"""The joints of the classes in annotation files."""

from __future__ import annotations

from collections import Counter
from typing import Dict, Iterator, List, Sequence, Tuple

from mindpoint.errors import DataError
from mindpoint_coco.datasets.category_joints import distinct, lines_of
from mindpoint_coco.datasets.naming import plain_name
from mindpoint_coco.datasets.restored import new_ids, tidied
from mindpoint_coco.datasets.rules import CATEGORY, key_problems
from mindpoint_coco.importers.form import MOST_JOINTS, Kind
from mindpoint_coco.importers.joint_sets import complete


def plain_ids(content: dict) -> dict:
    """Return a copy of a COCO dictionary whose categories have whole numbers as ids, where possible."""
    categories = [tidied(record, "id") for record in content["categories"]]
    annotations = [tidied(record, "category_id") for record in content["annotations"]]
    moved = new_ids(categories)
    for records, key in ((categories, "id"), (annotations, "category_id")):
        for record in records:
            if isinstance(record, dict) and type(record.get(key)) in (int, str):
                record[key] = moved.get(record[key], record[key])
    return {**content, "categories": categories, "annotations": annotations}


def class_joints(contents: Sequence[dict]) -> List[Kind]:
    """Return the classes that have annotations, in the order of the files. Joints with the same name in several files are one joint.

    Category records get the names of the joints in their annotations, in place. Joints without names are numbered. If no annotation of a
    class has a labelled joint, the class has only boxes, and its records lose their joints.

    Args:
        contents: results of :func:`plain_ids`.

    Raises:
        DataError: a category with too many joints.
    """
    kinds: Dict[str, Kind] = {}
    counts = [_labelled(content) for content in contents]
    used = [(record, found[record["id"]]) for content, found in zip(contents, counts) for record in _used(content, found)]
    jointed = {record["name"] for record, found in used if found}
    sigmas: Dict[Tuple[str, str], float] = {}
    for record, found in used:
        kind = kinds.setdefault(record["name"], Kind(record["name"]))
        names = record.get("keypoints")
        most = max([*found, len(names) if isinstance(names, list) else 0])
        if most > MOST_JOINTS:
            raise DataError(f"category '{kind.name}' has {most:,} joints; the limit is {MOST_JOINTS:,}")
        if kind.name in jointed and isinstance(names, list) and names:
            record["keypoints"] = distinct(names)
            _add(kind, record, sigmas)
    for record, found in used:
        kind = kinds[record["name"]]
        if kind.name in jointed and not record.get("keypoints") and found:
            ((count, _),) = found.most_common(1)
            numbered = [f"joint{number}" for number in range(1, count + 1)]
            record["keypoints"] = list(kind.joints) if len(kind.joints) == count else numbered
            _add(kind, record, sigmas)
    for kind in kinds.values():
        own = [sigmas.get((kind.name, joint)) for joint in kind.joints]
        kind.sigmas = None if None in own or not own else own
        complete(kind)
    for content in contents:
        _strip(content, [kind.name for kind in kinds.values() if not kind.joints])
    return list(kinds.values())


def _labelled(content: dict) -> Dict[int, Counter]:
    """Count, by category id and number of joints, the annotations with a labelled joint."""
    found: Dict[int, Counter] = {}
    for record in content["annotations"]:
        if isinstance(record, dict) and type(record.get("category_id")) is int:
            count = found.setdefault(record["category_id"], Counter())
            points = record.get("keypoints")
            if isinstance(points, list) and any(points[2::3]):
                count[len(points) // 3] += 1
    return found


def _used(content: dict, found: Dict[int, Counter]) -> Iterator[dict]:
    """Yield the valid category records that annotations refer to."""
    for record in content["categories"]:
        if isinstance(record, dict) and not any(key_problems(record, CATEGORY)) and record["id"] in found:
            yield record


def _add(kind: Kind, record: dict, sigmas: Dict[Tuple[str, str], float]) -> None:
    """Add the joints of a category record to its class, with their lines, mirrored pairs and sigmas."""
    known = {plain_name(name): name for name in kind.joints}
    own = [name if name in kind.joints else known.get(plain_name(name), name) for name in record["keypoints"]]
    own = own if len(set(own)) == len(own) else list(record["keypoints"])
    kind.joints += [name for name in own if name not in kind.joints]
    places = [kind.joints.index(name) for name in own]
    lines = [(places[first], places[second]) for first, second in lines_of(record)]
    kind.skeleton += [line for line in lines if line not in kind.skeleton and line[::-1] not in kind.skeleton]
    said, values, listed = record.get("flip_pairs"), record.get("sigmas"), record["keypoints"]
    if said and _are_pairs(said, listed):
        pairs = [(places[listed.index(first)], places[listed.index(second)]) for first, second in said]
        kind.pairs = (kind.pairs or []) + [pair for pair in pairs if not {*pair} & {place for one in kind.pairs or () for place in one}]
    if isinstance(values, list) and len(values) == len(own) and all(type(v) in (int, float) and 0 < v < 10 for v in values):
        sigmas.update({(kind.name, name): value for name, value in zip(own, values)})


def _are_pairs(value: object, joints: Sequence[str]) -> bool:
    """Return whether this is a list of pairs, with each joint in at most one."""
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return False
    paired = [joint for pair in value for joint in pair]
    return all(joint in joints for joint in paired) and len(set(paired)) == len(paired)


def _strip(content: dict, names: Sequence[str]) -> None:
    """Remove the joints of categories, in place."""
    records = [record for record in content["categories"] if isinstance(record, dict) and record.get("name") in names]
    ids = [record.get("id") for record in records]
    records += [record for record in content["annotations"] if isinstance(record, dict) and record.get("category_id") in ids]
    for record in records:
        for key in ("keypoints", "num_keypoints", "skeleton"):
            record.pop(key, None)
