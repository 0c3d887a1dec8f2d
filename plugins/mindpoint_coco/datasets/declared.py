"""The declared fields of a data set in COCO's form."""

from __future__ import annotations

from typing import Mapping, Optional, Sequence, Tuple

from mindpoint.contracts import fields as kinds
from mindpoint.contracts.fields import Field
from mindpoint.errors import ConfigError
from mindpoint.registry import any_class

from mindpoint_coco.keypoints import Keypoints

_TAKEN = ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "num_keypoints", "boxes", "labels", "scores", "areas", "crowd")


def declared_fields(
    keypoints: Optional[Keypoints],
    fields: Optional[Mapping[str, object]],
    joints: Optional[Mapping[str, str]] = None,
    classes: Sequence[str] = (),
) -> Tuple[Field, ...]:
    """Return the field of joints, if any, followed by the further fields of annotated objects.

    Args:
        keypoints: the configuration's section.
        joints: mapping from a file's joint names to the configuration's, where they differ.
        classes: names by label, if classes have joints of their own.
        fields: further fields by name, each a :class:`~mindpoint.contracts.fields.Field`; the name of its class (``Angles``, ``Lengths``,
            ``Field``); or a block, with or without ``name``.

    Raises:
        ConfigError: a name is taken by COCO or a core field, a value does not describe a field, or a joint does not exist.
    """
    if joints and keypoints is None:
        raise ConfigError("joints: the configuration has no joints; add the section 'keypoints'")
    found = (keypoints.annotated(classes, joints),) if keypoints is not None else ()
    return (*found, *(_field(name, said, [field.name for field in found]) for name, said in (fields or {}).items()))


def _field(name: str, said: object, others: list) -> Field:
    where = f"fields.{name}"
    if name in _TAKEN or name in others:
        raise ConfigError(f"{where}: this name is already used in annotations; choose another")
    if isinstance(said, Mapping):
        arguments = {"name": name, **said}
        said = any_class.get(str(arguments.pop("type", "mindpoint.contracts.fields:Field")))(**arguments)
    elif isinstance(said, str):
        kind = getattr(kinds, said, None)
        if not (isinstance(kind, type) and issubclass(kind, Field) and kind is not kinds.Points):
            raise ConfigError(f"{where}: '{said}' is not a kind of field; choose Field, Lengths, Angles, Boxes or Rasters")
        said = kind(name, (4,)) if kind is kinds.Boxes else kind(name)
    if not isinstance(said, Field):
        raise ConfigError(f"{where}: {said!r} does not describe a field; write a kind such as Angles, or a block")
    if said.name != name:
        raise ConfigError(f"{where}: the block names the field '{said.name}'; both names must agree")
    if None in said.shape:
        raise ConfigError(f"{where}: the shape {list(said.shape)} is not fixed; give every size")
    return said
