"""Assign points to objects, for formats that do not."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

from mindpoint_coco.importers.form import Labels, Picture, Point, Thing

Loose = Tuple[str, Point, str]
"""Name, position and location of a point that is not assigned yet."""


def add_points(labels: Labels, picture: Picture, loose: Sequence[Loose], holders: Sequence[Thing], lonely: str) -> None:
    """Assign loose points to the objects of a picture.

    A point belongs to the only holder, or else to the smallest holder whose box contains it and that lacks a joint of this name. In a
    picture without objects, points with different names form one object.

    Args:
        holders: objects that may have joints.
        lonely: the class of objects that consist of points only.
    """
    found: Dict[int, Dict[str, Point]] = {}
    if not picture.things and len({name for name, _, _ in loose}) == len(loose) > 0:
        thing = Thing(lonely, loose[0][2])
        picture.things.append(thing)
        holders = [thing]
    for name, point, where in loose:
        fitting = _fitting(name, point, holders, found)
        if not fitting:
            labels.note("points outside objects, or in objects that already have a joint of this name, are left out", where)
            continue
        if len(fitting) > 1:
            labels.note("points in several objects are assigned to the smallest", where)
        found.setdefault(id(fitting[0]), {})[name] = point
    for thing in holders:
        if id(thing) in found:
            thing.points = labels.kind(thing.kind).points(found[id(thing)])


def _fitting(name: str, point: Point, holders: Sequence[Thing], found: Dict[int, Dict[str, Point]]) -> List[Thing]:
    free = [thing for thing in holders if name not in found.get(id(thing), {})]
    if len(holders) == 1:
        return free
    around = [thing for thing in free if thing.box is not None and _inside(point, thing.box)]
    return sorted(around, key=lambda thing: thing.box[2] * thing.box[3])


def _inside(point: Point, box: Sequence[float]) -> bool:
    return 0 <= point[0] - box[0] <= box[2] and 0 <= point[1] - box[1] <= box[3]
