"""The mapping of a file's classes and joints to the configuration's, by name."""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple, Union

from mindpoint.contracts.fields import Field, PointSet
from mindpoint.errors import ConfigError

from mindpoint_coco.datasets.coco_file import check, completed
from mindpoint_coco.datasets.rules import few, is_id
from mindpoint_coco.keypoints import AnnotatedJoints

log = logging.getLogger("mindpoint")
Categories = Union[Sequence[str], Mapping[str, str], None]


class Naming:
    """The mapping from a file's categories to classes.

    Args:
        classes: the configuration's classes.
        categories: names of categories, or a mapping from them to classes; several may share one. Classes without a category have no
            object in this file. ``None``: each class has the category of its name.

    Attributes:
        of_categories: class by category name.

    Raises:
        ConfigError: a class does not exist, or no category is named.
    """

    def __init__(self, classes: Sequence[str], categories: Categories = None) -> None:
        names = classes if categories is None else categories
        self.classes = list(classes)
        self.of_categories: Dict[str, str] = dict(names) if isinstance(names, Mapping) else {name: name for name in names}
        lost = [name for name in self.of_categories.values() if name not in self.classes]
        if lost:
            raise ConfigError(f"categories: no class is named '{lost[0]}'; 'classes' has {few(self.classes, 20)}")
        if categories is not None and not self.of_categories:
            raise ConfigError("categories: is empty; name at least one category")

    @property
    def names(self) -> List[str]:
        """Return the names of the categories."""
        return list(self.of_categories)

    def labels(self, categories: Sequence[Any]) -> Dict[int, int]:
        """Return labels by category id, in the order of the labels. Categories without a label and unusable records are left out."""
        found = {record["id"]: self.classes.index(self.of_categories[record["name"]]) for record in self._usable(categories)}
        return dict(sorted(found.items(), key=lambda entry: entry[1]))

    def class_records(self, categories: Sequence[dict]) -> List[dict]:
        """Return a record for each class, by label: the record of its (first) category, renamed to the class. A class without a
        category gets a free id."""
        ids = self.labels(categories)
        by_id = {record["id"]: record for record in categories}
        free, records = max(by_id, default=0), []
        for label, name in enumerate(self.classes):
            own = next((by_id[category_id] for category_id, other in ids.items() if other == label), None)
            if own is None:
                free += 1
                own = {"id": free}
            records.append({**own, "name": name})
        return records

    def read(self, fields: Sequence[Field], categories: Sequence[Any], path: str) -> Tuple[Field, ...]:
        """Return the fields of these classes' objects. They map the joints of the file's records by the names in each category's
        ``keypoints``.

        A category without names of joints, or with only unknown ones, is read in the configuration's order.

        Args:
            categories: the file's records, unchecked.
            path: the file's name in messages.

        Raises:
            ConfigError: an alias does not name a joint of the file, or two joints get the same name.
        """
        return tuple(self._by_name(field, categories, path) if isinstance(field, AnnotatedJoints) else field for field in fields)

    def _by_name(self, joints: AnnotatedJoints, categories: Sequence[Any], path: str) -> AnnotatedJoints:
        joints, usable = joints.of_classes(self.classes), list(self._usable(categories))
        orders: Dict[int, Tuple[int, ...]] = {}
        theirs: List[str] = []
        lacking: Dict[int, List[int]] = {}
        for record in usable:
            own, names = joints.set_of(self.classes.index(self.of_categories[record["name"]])), _names(record)
            theirs += names
            order = _order(names, own, joints)
            known = [place for place in order if place >= 0]
            if len(set(known)) < len(known):
                raise ConfigError(f"joints: two joints of category '{record['name']}' in {path} get the same name: {few(names, 30)}")
            if known:
                lacking[record["id"]] = [place for place in own.places if place not in order]
                _tell(path, record, order, own)
            elif own.names:
                order = tuple(own.places)
            if order != tuple(range(len(joints.names))):
                orders[record["id"]] = order
        lost = [name for name in joints.aliases if name not in theirs]
        if lost and usable:
            raise ConfigError(f"joints: no joint in {path} is named '{lost[0]}'; it has {few(theirs, 30) or 'no joint names'}")
        return joints.ordered(orders, lacking)

    def _usable(self, categories: Sequence[Any]) -> Iterator[dict]:
        for record in categories if isinstance(categories, list) else ():
            name = record.get("name") if isinstance(record, dict) else None
            if isinstance(name, str) and name in self.of_categories and not is_id(record.get("id")):
                yield record


def plain_name(name: Any) -> str:
    """Return a name without case, blanks and punctuation."""
    return "".join(filter(str.isalnum, str(name).lower()))


def _names(record: dict) -> List[str]:
    """Return the names of a category's joints, or an empty list if they are not distinct names."""
    names = record.get("keypoints")
    texts = list(map(str, names)) if isinstance(names, list) else []
    return texts if len(set(texts)) == len(texts) else []


def _order(theirs: Sequence[str], own: PointSet, joints: AnnotatedJoints) -> Tuple[int, ...]:
    """Return the index among all joints of each of a category's joints; -1 for joints that its class lacks."""
    places = {plain_name(name): place for name, place in zip(own.names, own.places)}
    places.update({joints.names[place]: place for place in own.places})
    places.update(zip(own.names, own.places))
    known = [joints.aliases.get(name, name) for name in theirs]
    return tuple(places.get(name, places.get(plain_name(name), -1)) for name in known)


def _tell(path: str, record: dict, order: Tuple[int, ...], own: PointSet) -> None:
    absent = [name for name, place in zip(own.names, own.places) if place not in order]
    extra = [name for place, name in zip(order, record["keypoints"]) if place < 0]
    said = [f"{few(absent, 30)} missing and unlabelled"] * bool(absent) + [f"{few(extra, 30)} ignored"] * bool(extra)
    if said:
        log.warning("%s: category '%s': joints matched by name; %s", path, record["name"], "; ".join(said))


def sound(content: dict, path: str, naming: Naming, fields: Sequence[Field]) -> dict:
    """Return the content of a file under the configuration's names, checked, with defaults filled in.

    Args:
        fields: the result of :meth:`Naming.read`.

    Raises:
        DataError: the content is invalid; the message names file and record of the first mistake.
    """
    check(content, path, naming.names, fields)
    return renamed(completed(content, naming.names, fields), naming, fields)


def renamed(content: dict, naming: Naming, fields: Sequence[Field]) -> dict:
    """Return complete content of the chosen categories under the configuration's names: a category for each class, and joints in the order
    of the configuration. The content is changed in place.

    Args:
        content: the result of :func:`~mindpoint_coco.datasets.coco_file.completed`.
        fields: the result of :meth:`Naming.read`.
    """
    joints = next((field for field in fields if isinstance(field, AnnotatedJoints)), None)
    labels, records = naming.labels(content["categories"]), naming.class_records(content["categories"])
    for record in content["annotations"]:
        label = labels[record["category_id"]]
        if joints is not None and record["category_id"] in joints.orders:
            record.update(_reordered(record, joints, joints.set_of(label).places))
        record["category_id"] = records[label]["id"]
    for label, record in enumerate(records):
        if joints is not None and (record["id"] in joints.orders or record["id"] not in labels):
            own = joints.set_of(label)
            record["keypoints"] = list(own.names)
            record["skeleton"] = [[first + 1, second + 1] for first, second in own.lines]
    return {**content, "categories": records}


def _reordered(record: dict, joints: AnnotatedJoints, own: Sequence[int]) -> Dict[str, object]:
    """Return the joints of a record in the order of its class, and their count, which stays 0 if the file gives 0."""
    given, points, at = record[joints.name], [0] * (3 * len(own)), {place: number for number, place in enumerate(own)}
    for number, place in enumerate(joints.orders[record["category_id"]]):
        if place >= 0 and given and any(given):
            points[3 * at[place] : 3 * at[place] + 3] = given[3 * number : 3 * number + 3]
    count = sum(seen > 0 for seen in points[2::3])
    return {joints.name: points, "num_keypoints": min(count, record.get("num_keypoints", count))}
