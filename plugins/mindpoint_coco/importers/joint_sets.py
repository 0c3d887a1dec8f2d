"""The shipped sets of joints, for formats that do not name theirs."""

from __future__ import annotations

from functools import lru_cache
from typing import List, Optional, Sequence, Union

from mindpoint.config.files import shipped_folder
from mindpoint.errors import ConfigError

from mindpoint_coco.importers.form import Kind
from mindpoint_coco.keypoints import Keypoints


@lru_cache(maxsize=None)
def joint_set(name: str) -> Keypoints:
    """Return the set in ``_base_/joints/NAME.yaml`` of the shipped configurations.

    Raises:
        ConfigError: there is no such set.
    """
    import yaml

    folder = shipped_folder()
    known = sorted(path.stem for path in folder.glob("_base_/joints/*.yaml")) if folder else []
    if name not in known:
        raise ConfigError(f"no shipped set of joints is called '{name}'; there are {', '.join(known) or 'none'}")
    block = yaml.safe_load((folder / "_base_" / "joints" / f"{name}.yaml").read_text(encoding="utf-8"))["keypoints"]
    return Keypoints(**{key: value for key, value in block.items() if key != "_replace_"})


def describe(kind: Kind, name: str) -> None:
    """Give a class the joints of a shipped set."""
    joints = joint_set(name)
    kind.joints, kind.skeleton, kind.pairs = list(joints.names), list(joints.skeleton), list(joints.flip_pairs)
    kind.sigmas = joints.sigmas.tolist()


def named_joints(joints: Union[str, Sequence[str]], who: str) -> List[str]:
    """Return the names of joints that somebody gives as a list or as the name of a shipped set.

    Raises:
        ConfigError: there is no such set, or names repeat.
    """
    if isinstance(joints, str):
        return list(joint_set(joints).names)
    names = [str(name) for name in joints]
    if len(set(names)) < len(names):
        raise ConfigError(f"{who}: joints is {joints}; it must be a list of different names, or the name of a shipped set")
    return names


def set_of(count: int) -> Optional[str]:
    """Return the shipped set of people's joints of this number, where only one is usual without names."""
    return {133: "wholebody", 136: "halpe", 26: "halpe26"}.get(count)
