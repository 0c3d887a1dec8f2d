"""The shipped sets of joints, for formats that do not name theirs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Union

from mindpoint.config.files import shipped_folder
from mindpoint.errors import ConfigError

from mindpoint_coco.importers.form import Kind
from mindpoint_coco.keypoints import Keypoints


@lru_cache(maxsize=None)
def joint_sets() -> Dict[str, Path]:
    """Return the files of the shipped sets by name."""
    folder = shipped_folder()
    return {path.stem: path for path in sorted(folder.glob("_base_/joints/*.yaml"))} if folder else {}


@lru_cache(maxsize=None)
def joint_set(name: str) -> Keypoints:
    """Return the set in ``_base_/joints/NAME.yaml`` of the shipped configurations.

    Raises:
        ConfigError: the set does not exist.
    """
    import yaml

    known = joint_sets()
    if name not in known:
        raise ConfigError(f"no shipped set of joints is named '{name}'; choose one of {', '.join(known)}")
    block = yaml.safe_load(known[name].read_text(encoding="utf-8"))["keypoints"]
    return Keypoints(**{key: value for key, value in block.items() if key != "_replace_"})


def describe(kind: Kind, name: str) -> None:
    """Give a class the joints of a shipped set."""
    joints = joint_set(name)
    kind.joints, kind.skeleton, kind.pairs = list(joints.names), list(joints.skeleton), list(joints.flip_pairs)
    kind.sigmas = joints.sigmas.tolist()


def set_with(names: Sequence[str]) -> Optional[Keypoints]:
    """Return the shipped set whose joints have these names in this order."""
    return next((joint_set(name) for name in joint_sets() if list(joint_set(name).names) == list(names)), None)


def complete(kind: Kind) -> None:
    """Add skeleton, mirrored pairs and sigmas to a class whose joints have the names of a shipped set."""
    found = set_with(kind.joints)
    if found is not None:
        kind.skeleton = kind.skeleton or list(found.skeleton)
        kind.pairs = list(found.flip_pairs) if kind.pairs is None else kind.pairs
        kind.sigmas = kind.sigmas or found.sigmas.tolist()


def named_joints(joints: Union[str, Sequence[str]], who: str) -> List[str]:
    """Return names of joints, given as a list or as the name of a shipped set.

    Raises:
        ConfigError: the set does not exist, or names repeat.
    """
    if isinstance(joints, str):
        return list(joint_set(joints).names)
    names = [str(name) for name in joints]
    if len(set(names)) < len(names):
        raise ConfigError(f"{who}: joints is {joints}; it must be a list of distinct names, or the name of a shipped set")
    return names


def set_of(count: int) -> Optional[str]:
    """Return the usual set of human joints of this size, or None."""
    return {133: "wholebody", 136: "halpe", 26: "halpe26"}.get(count)
