"""COCO's result format: reading, checking, and the version for the evaluation server."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Collection, List, Mapping, Optional, Sequence

from mindpoint.errors import DataError
from mindpoint.storage.json_file import read_json

from mindpoint_coco.datasets.rules import finite, is_id

_MOST = 5  # maximum number of listed problems


def read_results(path: str) -> List[dict]:
    """Return the unchecked records of a result file. Raises DataError if it does not exist, is not JSON, or is not a list."""
    content = read_json(path, "result file")
    if isinstance(content, dict):
        raise DataError(f"{path}: is an object with {', '.join(list(content)[:5])}, not a list of results; is it an annotation file?")
    if not isinstance(content, list):
        raise DataError(f"{path}: is not a list of results")
    return content


def check_results(
    records: Sequence[Any],
    name: str,
    joints: Mapping[int, int],
    image_ids: Optional[Collection[int]] = None,
    category_ids: Collection[int] = (),
) -> None:
    """Check result records against COCO's format: ``image_id``, ``category_id``, ``score`` and ``bbox`` (left, top, width, height); with
    joints ``keypoints`` (x, y, v per joint), and then the box may be missing.

    Args:
        name: start of the message.
        joints: number of joints by category id; joints of a category without a number, or with 0, are not checked.
        image_ids, category_ids: the known ids; ``None``: any.

    Raises:
        DataError: the first few problems, each with the record's position in the list, counted from 0, and the total number.
    """
    known = None if image_ids is None else set(image_ids), None if image_ids is None else set(category_ids)
    problems, count = [], 0
    boxes = bool(records) and isinstance(records[0], dict) and "bbox" in records[0]
    for position, record in enumerate(records):
        problem = _problem(record, joints, *known)
        if not problem and ("bbox" in record) != boxes:
            problem = f"has {'no ' * boxes}bbox, unlike the first; give all results a bbox, or none"
        if problem:
            count += 1
            if len(problems) < _MOST:
                problems.append(f"{name}: result {position}: {problem}")
    if count > _MOST:
        problems.append(f"{name}: and {count - _MOST} more of {len(records)} results")
    if problems:
        raise DataError("\n".join(problems))


def _problem(record: Any, joints_of: Mapping[int, int], image_ids: Optional[set], category_ids: Optional[set]) -> str:
    if not isinstance(record, dict):
        return f"is {record!r:.40}, not an object"
    joints = 0 if is_id(record.get("category_id")) else joints_of.get(record["category_id"], 0)
    missing = [key for key in ("image_id", "category_id", "keypoints" if joints else "bbox", "score") if key not in record]
    if missing:
        return f"lacks {', '.join(missing)}"
    for key, known in (("image_id", image_ids), ("category_id", category_ids)):
        if is_id(record[key]):
            return f"{key} is {record[key]!r:.40}, not {is_id(record[key])}"
        if known is not None and record[key] not in known:
            return f"{key} {record[key]} is not in the annotation file"
    lists = [("bbox", 4, "left, top, width, height")] + [("keypoints", 3 * joints, f"x, y, v of {joints} joints")] * bool(joints)
    for key, length, meaning in lists:
        values = record.get(key, [0] * length)
        if not isinstance(values, list) or len(values) != length:
            return f"{key} must hold {length} numbers ({meaning}), got {len(values) if isinstance(values, list) else repr(values)[:40]}"
        if not _finite(values):
            return f"{key} holds a value that is not a finite number"
    if not _finite([record["score"]]):
        return f"score is {record['score']!r:.40}, not a finite number"
    return ""


def _finite(values: Sequence[Any]) -> bool:
    return all(type(value) in (int, float) for value in values) and finite(values)


def submission_name(data: str, keypoints: bool) -> str:
    """Return the file name that COCO's server requires for results on ``val2017``, ``test-dev2017`` or ``test2017``."""
    return f"{'person_keypoints' if keypoints else 'detections'}_{data}_mindpoint_results.json"


def for_server(results: Sequence[dict], most: int) -> List[dict]:
    """Return the best ``most`` results of each image and class, coordinates rounded to a hundredth of a pixel, scores to a millionth. The
    server's statistics stay the same, at a fifth of the size."""
    places = defaultdict(list)
    for record in results:
        places[record["image_id"], record["category_id"]].append(record)
    return [
        {
            **record,
            **{key: [round(value, 2) for value in record[key]] for key in ("bbox", "keypoints") if key in record},
            "score": round(record["score"], 6),
        }
        for group in places.values()
        for record in sorted(group, key=lambda record: -record["score"])[:most]
    ]
