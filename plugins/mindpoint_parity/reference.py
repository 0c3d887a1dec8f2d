"""The reference: where its numbers and images are, and how far ours may be from them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping, Optional

from mindpoint.errors import DataError

Tolerances = Dict[str, Dict[str, float]]
"""Largest error that passes, by area and quantity; absolute, but for losses, gradients and weights, whose errors are relative."""

FILE = "tolerances.json"


@dataclass(frozen=True)
class Reference:
    """The inputs of every area of the comparison.

    Attributes:
        golden: folder with the expected values.
        coco: COCO folder with the images that they were computed from.
        tolerances: by area and quantity.
    """

    golden: Path
    coco: Path
    tolerances: Mapping[str, Mapping[str, float]]


def load_tolerances(golden: Path, file: Optional[Path] = None) -> Tolerances:
    """Return the tolerances of a comparison.

    Args:
        golden: folder with the expected values; its ``tolerances.json``, if there is one, replaces those of this package.
        file: replaces both.

    Raises:
        DataError: the file cannot be read, or its areas, quantities or numbers are not those that are needed.
    """
    shipped = Path(__file__).with_name(FILE)
    own = golden / FILE
    return _read(file or (own if own.is_file() else shipped), json.loads(shipped.read_text(encoding="utf-8")))


def _read(path: Path, needed: Tolerances) -> Tolerances:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(area, dict) for area in content.values()):
        raise DataError(f"{path}: tolerances are numbers by area and quantity: {{area: {{quantity: number}}}}")
    given = {(area, quantity): value for area, values in content.items() for quantity, value in values.items()}
    wanted = [(area, quantity) for area, values in needed.items() for quantity in values]
    problems = [f"{area}: {quantity} is missing" for area, quantity in wanted if (area, quantity) not in given]
    problems += [f"{area}: {quantity} is unknown" for area, quantity in given if (area, quantity) not in wanted]
    wrong = {key: value for key, value in given.items() if not _positive(value)}
    problems += [f"{area}: {quantity} is {value!r}, not a positive number" for (area, quantity), value in wrong.items()]
    if problems:
        raise DataError(f"{path}: wrong tolerances: {'; '.join(problems)}")
    return content


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf
