"""Reading a COCO annotation file: checked, and with its defaults filled in."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Sequence

import numpy as np
from mindpoint.contracts.fields import Field
from mindpoint.errors import DataError
from mindpoint.storage.json_file import read_json

from mindpoint_coco.datasets import rules
from mindpoint_coco.datasets.rules import few, finite

Values = Dict[str, List[np.ndarray]]
"""For each field name, the values of all annotations, in order."""


def read_annotations(path: str, classes: Sequence[str], fields: Sequence[Field] = (), unlabelled: bool = False) -> dict:
    """Return the file as a COCO dictionary, restricted to the categories of ``classes``.

    A missing ``area`` becomes the area of the box, a missing ``iscrowd`` 0, and missing fields get their empty values.

    Args:
        fields: fields of annotations besides COCO's own keys, such as ``keypoints.annotated()``.
        unlabelled: annotations are optional and ignored.

    Raises:
        DataError: the file does not exist or is not JSON; a list or record lacks keys; a category does not exist; ids repeat or refer to
            missing images; a box or field has invalid values. The message names file, record and key.
    """
    content = annotation_file(path, unlabelled)
    check(content, path, classes, fields)
    return completed(content, classes, fields)


def annotation_file(path: str, unlabelled: bool = False) -> dict:
    """Return the JSON object in an annotation file, unchecked. Raises DataError if the file cannot be read or holds something else."""
    content = read_json(path, "annotation file")
    if not isinstance(content, dict):
        hint = " (a list of records is a result file)" if isinstance(content, list) else ""
        raise DataError(f"{path}: the top level is not an object with images, annotations and categories{hint}")
    return {**content, "annotations": []} if unlabelled else content


def check(content: dict, path: str, classes: Sequence[str], fields: Sequence[Field]) -> Values:
    """Check the records of ``classes`` and return the values of the fields in their annotations. Raises DataError at the first mistake; see
    :func:`read_annotations`."""
    missing = rules.missing_list(content)
    if missing:
        raise DataError(f"{path}: {missing}")
    _check_records(path, "image", content["images"], rules.IMAGE)
    _check_records(path, "category", content["categories"], rules.CATEGORY)
    wanted = _category_ids(path, content["categories"], classes)
    _check_records(path, "annotation", content["annotations"], rules.ANNOTATION)
    _check_references(path, content)
    values: Values = {field.name: [] for field in fields}
    for record in content["annotations"]:
        if record["category_id"] in wanted:
            _check_annotation(f"{path}: annotation {record['id']}", record, fields, values)
    return values


def completed(content: dict, classes: Sequence[str], fields: Sequence[Field]) -> dict:
    """Return valid content with only the annotations and categories of ``classes``. Fill in absent keys of these annotations, in place."""
    categories = [record for record in content["categories"] if record["name"] in classes]
    wanted = {record["id"] for record in categories}
    annotations = [record for record in content["annotations"] if record["category_id"] in wanted]
    keys = {field: list(field.to_coco(field.empty(1)[0])) for field in fields}
    for record in annotations:
        if record.get("area") is None:
            record["area"] = record["bbox"][2] * record["bbox"][3]
        record["iscrowd"] = int(record.get("iscrowd") or 0)
        for field, names in keys.items():
            if any(record.get(name) in (None, []) for name in names):
                said = field.to_coco(field.from_coco(record))
                record.update({name: said[name] for name in names if record.get(name) in (None, [])})
    return {**content, "annotations": annotations, "categories": categories}


def short_name(path: str) -> str:
    """Return the annotation file's name without ending and COCO's prefix."""
    return re.sub("^(person_keypoints|instances|image_info)_", "", os.path.splitext(os.path.basename(path))[0])


def _check_records(path: str, kind: str, records: List[Any], wanted: rules.Rules) -> None:
    """Check each record against the rules; ids must differ."""
    seen = set()
    for position, record in enumerate(records):
        if not isinstance(record, dict):
            raise DataError(f"{path}: {kind} number {position} of the list is not an object")
        for _, problem in rules.key_problems(record, wanted):
            raise DataError(f"{path}: {kind} {record.get('id', f'number {position} of the list')}: {problem}")
        if record["id"] in seen:
            raise DataError(f"{path}: {kind} id {record['id']} is used more than once; ids must differ")
        seen.add(record["id"])


def _category_ids(path: str, categories: List[dict], classes: Sequence[str]) -> set:
    names = [record["name"] for record in categories]
    absent = [name for name in classes if name not in names]
    if absent:
        there = few(names, 20) or "no categories"
        raise DataError(
            f"{path}: no category is named {few(absent)}; the file has {there}; correct 'classes', or 'categories' of the data set"
        )
    for name in classes:
        if names.count(name) > 1:
            raise DataError(f"{path}: {names.count(name)} categories are named '{name}'; names must differ")
    return {record["id"] for record in categories if record["name"] in classes}


def _check_references(path: str, content: dict) -> None:
    for kind, key in (("image", "image_id"), ("category", "category_id")):
        known = {record["id"] for record in content["images" if kind == "image" else "categories"]}
        lost = [record for record in content["annotations"] if record[key] not in known]
        if lost:
            values = list(dict.fromkeys(record[key] for record in lost))
            raise DataError(
                f"{path}: {len(lost)} of {len(content['annotations'])} annotations have a {key} that no {kind} record has: {few(values)} "
                f"(annotation {few([record['id'] for record in lost])}); were two files mixed up, or ids renumbered?"
            )


def _check_annotation(where: str, record: dict, fields: Sequence[Field], values: Values) -> None:
    """Check one annotation and append its fields' values."""
    problem = rules.box_problem(record)
    if problem:
        raise DataError(f"{where}: {problem}")
    if record.get("area") is not None and not finite([record["area"]]):
        raise DataError(f"{where}: 'area' is {record['area']!r}, not a finite number")
    if record.get("iscrowd") not in (None, 0, 1):
        raise DataError(f"{where}: 'iscrowd' is {record['iscrowd']!r}, neither 0 nor 1")
    for field in fields:
        try:
            values[field.name].append(field.from_coco(record))
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
