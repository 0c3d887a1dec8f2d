"""The reference: its values and images, their task, and the tolerances."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional

import numpy as np
from mindpoint.errors import DataError

from mindpoint_parity.seeded import read_shapes

if TYPE_CHECKING:
    from mindpoint.config import Config

Tolerances = Mapping[str, Mapping[str, float]]
"""Tolerances by area and quantity: absolute, except that those of losses, gradients and weights are relative."""

FILE = "tolerances.json"
NETWORKS, ZOO = "official_state_dict*.json", "parameters.json"


@dataclass(frozen=True)
class Reference:
    """The inputs of every area of the comparison.

    Attributes:
        golden: folder with the expected values.
        coco: COCO folder with the images of these values, for the areas that need it.
        tolerances: tolerances by area and quantity.
    """

    golden: Path
    coco: Optional[Path]
    tolerances: Tolerances

    @property
    def images(self) -> Path:
        """Return the COCO folder. Raises DataError if it was not given."""
        if self.coco is None:
            raise DataError("--coco is missing; name the COCO folder with the images of the expected values")
        return self.coco

    @property
    def variants(self) -> List[str]:
        """Return the names of the folder's networks, such as ``resdcn18`` for ``official_state_dict-resdcn18.json``; an empty name if there
        is only one."""
        return [file.stem.partition("-")[2] for file in sorted(self.golden.glob(NETWORKS))]

    @cached_property
    def config(self) -> "Config":
        """Return our configuration of the folder's first network."""
        return self.config_of(self.variants[0])

    @property
    def task(self) -> str:
        """Return the task of the expected values, see :func:`task_of`."""
        return task_of(self.golden)

    def config_of(self, variant: str) -> "Config":
        """Return our configuration of one of the networks."""
        from mindpoint_parity.network import recognized  # imports MindSpore

        shapes = read_shapes(self.golden, variant)
        return recognized({name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes}).config

    def tolerance(self, area: str, quantity: str) -> float:
        """Return a tolerance. Raises DataError if it is missing."""
        try:
            return self.tolerances[area][quantity]
        except KeyError as error:
            raise DataError(f"the tolerance of {area}: {quantity} is missing") from error


def task_of(golden: Path) -> str:
    """Return the task that a folder has expected values for: ``multi_pose`` or ``ctdet``, as in the official code, or ``model_zoo`` for
    the model zoo's own network.

    Raises:
        DataError: the folder does not list a network.
    """
    files = sorted(golden.glob(NETWORKS))
    if not files and (golden / ZOO).is_file():
        return "model_zoo"
    if not files:
        raise DataError(f"{golden}: needs {NETWORKS} or {ZOO}, which lists the network's weights and determines the task")
    shapes = read_shapes(golden, files[0].stem.partition("-")[2])
    return "multi_pose" if any(name.startswith("hps.") for name, _ in shapes) else "ctdet"


def load_tolerances(golden: Path, file: Optional[Path] = None) -> Tolerances:
    """Return the tolerances of a comparison.

    Args:
        golden: folder with the expected values; its ``tolerances.json`` overrides this package's for the task.
        file: a JSON file of tolerances that override both.

    Raises:
        DataError: the file cannot be read, or does not hold positive numbers by area and quantity.
    """
    own = golden / FILE
    if file is None:
        file = own if own.is_file() else Path(__file__).with_name("tolerances") / f"{task_of(golden)}.json"
    return _read(file)


def _read(path: Path) -> Dict[str, Dict[str, float]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(area, dict) for area in content.values()):
        raise DataError(f"{path}: must be {{area: {{quantity: number}}}}")
    wrong = [
        f"{area}: {quantity} is {value!r}, not a positive number"
        for area, values in content.items()
        for quantity, value in values.items()
        if not _positive(value)
    ]
    if wrong:
        raise DataError(f"{path}: wrong tolerances: {'; '.join(wrong)}")
    return content


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
