"""Comparison of a data set's image files with their records, and remarks on the set as a whole."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator, List, Sequence, Tuple, Union

from mindpoint.errors import DataError
from mindpoint.runtime.progress import track

from mindpoint_coco.data_command.source import Source
from mindpoint_coco.datasets.annotation_check import Problem
from mindpoint_coco.datasets.coco_check import joints_of
from mindpoint_coco.datasets.coco_suspicions import (
    joint_array,
    lone_sides,
    never_labelled,
    sigma_table,
    strange_sigmas,
    swapped_sides,
)
from mindpoint_coco.datasets.restored import Measured, whole
from mindpoint_coco.datasets.rules import finite, is_file_name, is_size
from mindpoint_coco.keypoints import Keypoints


def measure(source: Source) -> Measured:
    """Open every image file, several at once, and return their sizes."""
    records = [record for record in source.content["images"] if isinstance(record, dict) and not is_file_name(record.get("file_name"))]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = pool.map(lambda record: _size(source, record), records)
        sizes = list(track(found, len(records), f"opening the images of {source.name}"))
    return {record["file_name"]: size for record, size in zip(records, sizes)}


def _size(source: Source, record: dict) -> Union[Tuple[int, int], str]:
    try:
        return tuple(source.image(record).shape[:2])
    except DataError as error:
        return str(error)


def file_problems(images: List[Any], measured: Measured) -> Iterator[Problem]:
    """Yield the problems of the files of image records."""
    for record in images:
        if not isinstance(record, dict) or is_file_name(record.get("file_name")) or record["file_name"] not in measured:
            continue
        where, size = f"image {record.get('id')} ({record['file_name']})", measured[record["file_name"]]
        if isinstance(size, str):
            yield Problem("file", where, size)
            continue
        said, (height, width) = (record.get("width"), record.get("height")), size
        if any(is_size(whole(value)) for value in said) or (whole(said[0]), whole(said[1])) == (width, height):
            continue
        turned = "; its EXIF orientation may have rotated it" if said == (height, width) else ""
        text = f"the file has {width} x {height} pixels, the record says {said[0]} x {said[1]}{turned}"
        yield Problem("file", where, text, mendable=bool(turned))


def remarks(source: Source) -> Iterator[str]:
    """Yield remarks on suspicious joints, and the sigmas in pixels; yield nothing without joints."""
    if source.keypoints is None:
        return
    everything = [record for record in source.content["annotations"] if isinstance(record, dict)]
    if source.keypoints.classes is None:
        yield from _of_joints(source, everything, source.keypoints, range(len(source.keypoints)), "")
        return
    labels = source.naming.labels(source.content["categories"])
    for label, own in enumerate(joints_of(source.fields).sets):
        records = [record for record in everything if labels.get(whole(record.get("category_id"))) == label]
        if own.names and records:
            name = source.classes[label]
            yield from _of_joints(source, records, source.keypoints.of(name), own.places, f"{name}: ")


def _of_joints(source: Source, records: List[dict], keypoints: Keypoints, places: Sequence[int], start: str) -> Iterator[str]:
    """Yield the remarks on objects with these joints, and the sigmas in pixels; ``places``: indices of the joints among all joints."""
    points = joint_array(records, joints_of(source.fields))[:, list(places)]
    labelled = points[(points[:, :, 2] > 0).any(axis=1)]
    areas = [record["area"] for record in records if record.get("num_keypoints") and _positive(record)]
    suspicions = [
        *swapped_sides(labelled, keypoints),
        *lone_sides(keypoints),
        *never_labelled(labelled, keypoints),
        *(strange_sigmas(areas, keypoints) if areas else ()),
    ]
    yield from (f"remark: {start}{text}" for text in suspicions)
    if areas:
        yield start + sigma_table(areas, keypoints)


def _positive(record: dict) -> bool:
    return finite([record.get("area")]) and record["area"] > 0
