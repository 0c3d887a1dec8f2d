"""MPII Human Pose in its original form, ``mpii_human_pose_v1_u12_1.mat``.

The layout is described on the data set's page, http://human-pose.mpi-inf.mpg.de, section "Annotation description".
"""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Iterator, List

from mindpoint.errors import DataError

from mindpoint_coco.importers.document import Item
from mindpoint_coco.importers.form import Labels, Picture, Thing
from mindpoint_coco.importers.matlab import Array, damaged, matlab_struct

VARIABLE = "RELEASE"
_JOINTS = 16


def pictures(path: Path, shift: float, labels: Labels) -> Iterator[Picture]:
    """Yield the images with a person whose joints are labelled.

    A joint without ``is_visible``, as neck and top of the head often are, is visible. The images of the test set have no joints.

    Args:
        shift: number to subtract from the coordinates.

    Raises:
        DataError: the file is unreadable, damaged, or of another form.
    """
    with damaged(path):
        for release in matlab_struct(path, VARIABLE):
            for number, record in enumerate(release["annolist"].records(), 1):
                where = f"{path}: annolist({number})"
                (image,) = record["image"].records()
                picture = Picture(Item(image["name"].text(), f"{where}.image.name").text(), where)
                for place, person in enumerate(record["annorect"].records(), 1):
                    points = _points(person, f"{where}.annorect({place})", shift)
                    if points:
                        picture.things.append(Thing("person", f"{where}.annorect({place})", points=points))
                    else:
                        labels.note("people without joints are left out", f"{where}.annorect({place})")
                if picture.things:
                    yield picture
                else:
                    labels.note("images without joints, such as those of the test set, are left out", where)


def _points(person: Dict[str, Array], where: str, shift: float) -> List[float]:
    """Return the joints of a person; empty without any."""
    points = [0.0] * (3 * _JOINTS)
    found = set()
    for holder in person["annopoints"].records() if "annopoints" in person else ():
        for point in holder["point"].records():
            joint = Item(_number(point["id"]), f"{where}: id").whole()
            if joint >= _JOINTS or joint in found:
                raise DataError(f"{where}: has the joint {joint}{' twice' if joint in found else f', but ids are 0 to {_JOINTS - 1}'}")
            found.add(joint)
            x, y = (Item(_number(point[axis]), f"{where}: {axis} of joint {joint}").number() for axis in "xy")
            seen = point["is_visible"].numbers() if "is_visible" in point else ()
            points[3 * joint : 3 * joint + 3] = x - shift, y - shift, 1 if len(seen) and not seen.flat[0] else 2
    return points if found else []


def _number(array: Array) -> float:
    """Return the only number of an array. Raises ValueError for an empty array and for several numbers."""
    return array.numbers().item()
