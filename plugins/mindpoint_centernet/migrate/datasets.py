"""Convert data set descriptions of other projects: an ultralytics ``data.yaml`` or an mmpose dataset-info file."""

from __future__ import annotations

import ast
from typing import Dict, List, Mapping, Tuple

from mindpoint.errors import ConfigError

from mindpoint_centernet.migrate.draft import Draft, read_text, read_yaml

_POSE_BASE, _BOX_BASE = "dla34_dcn_coco.yaml", "ctdet_dla34_dcn_coco.yaml"


def ultralytics(path: str, out: str) -> Draft:
    """Return a configuration with the classes and joints of a ``data.yaml``. Joints without names become ``joint0``, ``joint1``, ...

    Raises:
        DataError: the file cannot be read. ConfigError: it is not a ``data.yaml``.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get("names"), (list, dict)):
        raise ConfigError(f"{path}: is not an ultralytics data.yaml: it has no class names under 'names'")
    names = content["names"]
    classes = [str(name) for _, name in sorted(names.items(), key=_order)] if isinstance(names, dict) else [str(name) for name in names]
    draft = Draft(path, out)
    joints = _joints(path, content)
    draft.set("classes", classes)
    if joints:
        draft.base = _POSE_BASE
        draft.set("keypoints", joints)
    else:
        _boxes(draft)
    splits = {"train": "train", "val": "val", "valid": "val", "test": "test"}
    root = str(content.get("path") or "")
    for name, split in splits.items():
        if content.get(name):
            place = f"{root + '/' if root else ''}{content[name]}"
            draft.remark(name, f"convert the labels of {place} with mindpoint data import, and name the COCO file in data.{split}.dataset")
    for name in sorted(set(map(str, content)) - {"names", "path", "kpt_shape", "flip_idx", "nc", "kpt_names", "skeleton", *splits}):
        draft.remark(name, "has no effect")
    return draft


def _order(item: Tuple[object, object]) -> Tuple[bool, object]:
    """Return a key that orders numbers before texts."""
    return isinstance(item[0], str), item[0] if isinstance(item[0], (int, float, str)) else 0


def _joints(path: str, content: Mapping[str, object]) -> Dict[str, object]:
    shape = content.get("kpt_shape")
    if shape is None:
        return {}
    if not isinstance(shape, list) or not shape or type(shape[0]) is not int or shape[0] < 1:
        raise ConfigError(f"{path}: kpt_shape: {shape} does not begin with the number of joints")
    names = content.get("kpt_names")
    if isinstance(names, dict):
        names = next(iter(names.values()), None)
    if names is None:
        names = [f"joint{number}" for number in range(shape[0])]
    flip = content.get("flip_idx") or list(range(shape[0]))
    if not isinstance(names, list):
        raise ConfigError(f"{path}: kpt_names: {names!r} is not a list of names")
    if not isinstance(flip, list) or sorted(map(repr, flip)) != sorted(map(repr, range(shape[0]))):
        raise ConfigError(f"{path}: flip_idx: it must contain each joint from 0 to {shape[0] - 1} once")
    skeleton = content.get("skeleton") or []
    found = {"names": [str(name) for name in names], "skeleton": skeleton, "flip_pairs": [[i, j] for i, j in enumerate(flip) if i < j]}
    return {**found, "sigmas": None}


def mmpose(path: str, out: str) -> Draft:
    """Return a configuration with the joints of a dataset-info file: Python source that assigns ``dataset_info``. It is parsed and never
    run.

    Raises:
        DataError: the file cannot be read. ConfigError: ``dataset_info`` is missing or does not have mmpose's form.
    """
    info = _literal(path)
    try:
        joints = [info["keypoint_info"][number] for number in sorted(info["keypoint_info"])]
        names = [str(joint["name"]) for joint in joints]
        pairs = [sorted((names.index(joint["name"]), names.index(joint["swap"]))) for joint in joints if joint.get("swap")]
        bones = [list(info["skeleton_info"][number]["link"]) for number in sorted(info.get("skeleton_info", {}))]
        colors = (
            [[int(value) for value in reversed(joint["color"])] for joint in joints] if all("color" in joint for joint in joints) else None
        )
        sigmas = [float(sigma) for sigma in info["sigmas"]] if info.get("sigmas") is not None else None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"{path}: keypoint_info, skeleton_info or sigmas does not have mmpose's form: {type(error).__name__}: {error}"
        ) from error
    draft = Draft(path, out)
    draft.base = _POSE_BASE
    block = {"names": names, "skeleton": bones, "flip_pairs": _distinct(pairs), "sigmas": sigmas}
    draft.set("keypoints", {**block, **({} if colors is None else {"colors": colors})})
    if info.get("joint_weights") is not None:
        draft.remark("joint_weights", "has no effect: all joints have the same weight")
    draft.remark("dataset_info", "set classes, data.train.dataset and data.val.dataset to your data; until then they describe COCO")
    return draft


def _literal(path: str) -> Dict[str, object]:
    try:
        tree = ast.parse(read_text(path), path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path}: is not Python: {error}") from error
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(name, ast.Name) and name.id == "dataset_info" for name in node.targets):
            try:
                found = _value(node.value)
            except (TypeError, ValueError, RecursionError) as error:
                raise ConfigError(f"{path}:{node.lineno}: dataset_info may contain literals only: {error}") from error
            if isinstance(found, dict) and isinstance(found.get("keypoint_info"), dict):
                return found
    raise ConfigError(f"{path}: it must assign dataset_info, a dictionary that contains keypoint_info")


def _value(node: ast.AST) -> object:
    """Return the value of a literal. ``dict(a=1)`` counts as one."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg}
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values) if key is not None}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    return ast.literal_eval(node)


def _boxes(draft: Draft) -> None:
    draft.base = _BOX_BASE
    draft.remark("dataset", "set data.train.dataset and data.val.dataset to your data; until then they describe COCO")


def _distinct(pairs: List[List[int]]) -> List[List[int]]:
    return [pair for number, pair in enumerate(pairs) if pair not in pairs[:number]]
