"""The file of suspects, and the correction of annotations by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Dict, List, Sequence, Set, Tuple, Union

from mindpoint.errors import ConfigError, DataError
from mindpoint.storage.files import write_text
from mindpoint.storage.json_file import read_json

from mindpoint_coco.audit.suspects import Suspect
from mindpoint_coco.data_command.source import Source
from mindpoint_coco.datasets.rules import box_problem, few, is_id

_SAID = ("category_id", "bbox", "keypoints")
_MOST_IDS = 1_000_000


def write_suspects(path: Path, found: Sequence[Tuple[Source, Suspect]]) -> None:
    """Write ``suspects``, a list of objects: ``id`` from 1, ``kind``, ``surprise``, ``split``, ``image_id``, ``file_name``,
    ``annotation_id`` (null for a new object), ``joints`` (names), ``score`` of the detection (null without one), ``was`` and ``becomes``,
    the values that the correction changes; ``becomes`` is null if the annotation is removed, ``was`` if it is new."""
    records = [record_of(number, source, suspect) for number, (source, suspect) in enumerate(found, 1)]
    write_text(path, json.dumps({"suspects": records}, indent=1) + "\n")


def record_of(number: int, source: Source, suspect: Suspect) -> dict:
    """Return one suspect as plain values."""
    annotation, becomes = suspect.annotation, suspect.becomes
    return {
        "id": number,
        "kind": suspect.kind,
        "surprise": round(float(suspect.surprise), 2),
        "split": source.name,
        "image_id": suspect.scene.image["id"],
        "file_name": suspect.scene.image["file_name"],
        "annotation_id": None if annotation is None else annotation["id"],
        "joints": [source.keypoints.names[joint] for joint in suspect.joints],
        "score": None if suspect.found is None else round(suspect.found["score"], 3),
        "was": None if annotation is None else {key: annotation[key] for key in becomes or _SAID if key in annotation},
        "becomes": becomes,
    }


def read_suspects(path: Path) -> Dict[int, dict]:
    """Return the suspects of a file by id. Raises DataError if it is not such a file."""
    content = read_json(path, "file of suspects")
    listed = content.get("suspects") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise DataError(f"{path}: the list 'suspects' is missing; name a suspects.json that 'mindpoint data audit' wrote")
    for place, record in enumerate(listed):
        sound = isinstance(record, dict) and type(record.get("id")) is int and isinstance(record.get("split"), str)
        both = [record.get(key) for key in ("was", "becomes")] if sound else []
        told = all(value is None or isinstance(value, dict) for value in both) and any(isinstance(value, dict) for value in both)
        told = told and (both[0] is None or not is_id(record.get("annotation_id")))
        if not sound or not told:
            raise DataError(
                f"{path}: suspect number {place} of the list: 'id', 'split', 'annotation_id', 'was' or 'becomes' is missing or invalid"
            )
    return {record["id"]: record for record in listed}


def accepted_ids(text: str, known: Set[int]) -> List[int]:
    """Return the ids in a text such as ``1,4,7-20``, sorted; commas, spaces and line ends separate them.

    Raises:
        ConfigError: the text contains something else, or an id that is not in ``known``.
    """
    ids: Set[int] = set()
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        numbers = [first, last] if dash else [first]
        if not all(number.isdecimal() and number.isascii() and len(number) < 10 for number in numbers):
            raise ConfigError(f"--accept: {word!r} is neither a number nor a range such as 7-20")
        if int(numbers[-1]) - int(first) > _MOST_IDS:
            raise ConfigError(f"--accept: the range {word} is too large")
        ids.update(range(int(first), int(numbers[-1]) + 1))
    strange = sorted(ids - known)
    if strange or not ids:
        raise ConfigError(f"--accept: {'unknown suspect ' + few(strange) if strange else 'no number given'}")
    return sorted(ids)


def corrected(content: dict, accepted: Sequence[dict], origin: str) -> dict:
    """Return a copy of COCO content with the corrections of suspects applied.

    When a box changes, the area changes with it if it was the area of the old box. New annotations get ids above all others.

    Raises:
        DataError: an annotation is missing or has changed since the audit.
    """
    by_id = {record["id"]: record for record in content["annotations"]}
    changed: Dict[int, Union[dict, None]] = {}
    added: List[dict] = []
    for suspect in accepted:
        if suspect["was"] is None:
            added.append({"id": max([0, *by_id]) + 1 + len(added), **suspect["becomes"]})
            continue
        record = by_id.get(suspect.get("annotation_id"))
        if record is None or any(record.get(key) != value for key, value in suspect["was"].items()):
            state = "is missing" if record is None else "has changed since the audit"
            raise DataError(f"{origin}: annotation {suspect.get('annotation_id')} of suspect {suspect['id']} {state}; run the audit again")
        changed[record["id"]] = suspect["becomes"] and _changed(record, suspect["becomes"])
    kept = (changed.get(record["id"], record) for record in content["annotations"])
    return {**content, "annotations": [*(record for record in kept if record is not None), *added]}


def _changed(record: dict, becomes: dict) -> dict:
    other = {**record, **becomes}
    area = record["bbox"][2] * record["bbox"][3]
    if "bbox" in becomes and not box_problem(becomes) and abs(record.get("area", -1) - area) <= 1e-3 * area:
        other["area"] = other["bbox"][2] * other["bbox"][3]
    return other
