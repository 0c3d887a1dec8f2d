"""Transforms of Albumentations, applied to boxes and points too."""

from __future__ import annotations

import os
import threading
import warnings
from dataclasses import replace
from typing import Any, Iterator, List, Mapping, Sequence

import numpy as np
from mindpoint.contracts.data import Transform
from mindpoint.contracts.fields import Boxes, Field, Points
from mindpoint.contracts.image import Sample
from mindpoint.errors import ConfigError

from mindpoint_coco.transforms.placing import cut

_CORNERS = [0, 1, 2, 1, 2, 3, 0, 3]  # corners of a box: four points in cyclic order
_TRIANGLE = np.array([[0, 0], [9, 0], [0, 9]], np.float32)  # shows by its orientation whether an image was mirrored


class Albumentations(Transform):
    """Transforms of Albumentations (https://albumentations.ai), one after the other.

    Needs ``pip install 'mindpoint[albumentations]'``. Steps that move pixels need the whole image, and run before its window is cut out.
    They move points too, and swap pairs of points if they mirror; boxes become the axis-aligned boxes around their moved corners. Steps
    that only change pixels run at their position in the list.

    Args:
        steps: mappings, in order: ``name`` of the class, such as ``CLAHE``, and its arguments. An argument ``transforms``, such as that of
            ``OneOf``, is a list of such mappings.
        least: smallest share of a box inside the image, 0..1; other objects are removed.

    Raises:
        ConfigError: the library is not installed, lacks the transform, or rejects its arguments.
    """

    def __init__(self, steps: Sequence[Mapping[str, object]], least: float = 0.3) -> None:
        if not steps or not 0 <= least <= 1:
            raise ConfigError("Albumentations: give at least one step, and set least in 0..1")
        self.library, self.steps, self.least = _library(), list(steps), least
        self.before_view = any(isinstance(step, self.library.DualTransform) for step in _leaves(self._built()))
        self._own = threading.local()

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        if not hasattr(self._own, "chain"):  # one chain per thread, since a chain holds random state
            params = self.library.KeypointParams(format="xy", remove_invisible=False) if self.before_view else None
            self._own.chain = self.library.Compose(self._built(), keypoint_params=params)
        self._own.chain.set_random_seed(int(rng.integers(2**32)))
        if not self.before_view:
            return replace(sample, image=np.ascontiguousarray(self._own.chain(image=sample.image)["image"]))
        objects = sample.objects
        fields = [field for field in objects.fields if _moves(field)]
        points = [objects.boxes[:, _CORNERS], *(_points_of(field, objects.values[field.name]) for field in fields)]
        flat = np.concatenate([_TRIANGLE, *(part.reshape(-1, 2) for part in points)])
        done = self._own.chain(image=sample.image, keypoints=flat)
        moved = np.asarray(done["keypoints"], np.float32).reshape(-1, 2)
        image = np.ascontiguousarray(done["image"])
        triangle, *parts = np.split(moved, np.cumsum([len(_TRIANGLE), *(part.size // 2 for part in points)])[:-1])
        mirrored = np.linalg.det(triangle[1:] - triangle[0]) < 0
        corners = parts[0].reshape(-1, 4, 2)
        values = {
            "boxes": _around(corners),
            "areas": objects.areas * _areas(corners) / np.maximum(_areas(points[0].reshape(-1, 4, 2)), 1e-6),
        }
        for field, part in zip(fields, parts[1:]):
            values[field.name] = _moved(field, objects.values[field.name], part, mirrored)
        objects = objects.replace(**{name: value.astype(np.float32) for name, value in values.items()})
        frame = np.array([0, 0, image.shape[1], image.shape[0]])
        return replace(sample, image=image, objects=cut(objects, frame, self.least))

    def _built(self) -> List[Any]:
        return _built(self.library, self.steps, "Albumentations.steps")


def _library() -> Any:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would check the network for newer versions
    try:
        import albumentations
    except ImportError as error:
        raise ConfigError(f"Albumentations: {error}; pip install 'mindpoint[albumentations]'") from error
    return albumentations


def _built(library: Any, steps: Sequence[Mapping[str, object]], where: str) -> List[Any]:
    """Return the transforms that mappings describe."""
    found = []
    for number, step in enumerate(steps):
        arguments = dict(step) if isinstance(step, Mapping) else {}
        name = arguments.pop("name", None)
        kind = getattr(library, name, None) if isinstance(name, str) else None
        if not (isinstance(kind, type) and issubclass(kind, (library.BasicTransform, library.BaseCompose))):
            raise ConfigError(f"{where}.{number}: {step!r} is not a transform of Albumentations {library.__version__}")
        if "transforms" in arguments:
            arguments["transforms"] = _built(library, arguments["transforms"], f"{where}.{number}.transforms")
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", "Argument.* not valid")
                found.append(kind(**arguments))
        except Exception as error:  # the library's checks raise errors of any type
            said = " ".join(line.strip() for line in str(error).splitlines()[:3])
            raise ConfigError(f"{where}.{number}: {name}: {said}") from error
    return found


def _leaves(steps: Sequence[Any]) -> Iterator[Any]:
    for step in steps:
        inner = getattr(step, "transforms", None)
        yield from _leaves(inner) if inner else (step,)


def _moves(field: Field) -> bool:
    """Return whether a field moves like points. Raises ConfigError if it moves in a way that points cannot express."""
    if isinstance(field, (Points, Boxes)):
        return True
    if (type(field).transform, type(field).mirror) != (Field.transform, Field.mirror):
        raise ConfigError(f"Albumentations: its steps move pixels, but cannot move the field '{field.name}' ({type(field).__name__})")
    return False


def _points_of(field: Field, values: np.ndarray) -> np.ndarray:
    return values[..., _CORNERS] if isinstance(field, Boxes) else values[..., :2]


def _moved(field: Field, before: np.ndarray, points: np.ndarray, mirrored: bool) -> np.ndarray:
    """Return the values of a field whose points have moved to ``points`` ``(..., 2)``."""
    if isinstance(field, Boxes):
        return _around(points.reshape(*before.shape[:-1], 4, 2))
    values = before.copy()
    values[..., :2] = points.reshape(*before.shape[:-1], 2)
    return values[:, field.order] if mirrored else values


def _around(corners: np.ndarray) -> np.ndarray:
    """Return the axis-aligned boxes ``(..., 4)`` around corners ``(..., 4, 2)``."""
    return np.concatenate([corners.min(axis=-2), corners.max(axis=-2)], axis=-1)


def _areas(corners: np.ndarray) -> np.ndarray:
    """Return the areas of quadrilaterals ``(N, 4, 2)`` in square pixels."""
    first, second = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    return np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
