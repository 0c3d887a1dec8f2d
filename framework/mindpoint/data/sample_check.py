"""Checks of the results of data sets, transforms and target encoders against their contracts."""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

from mindpoint.contracts.data import Dataset, TargetEncoder
from mindpoint.contracts.guard import mistake
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import ConfigError

_TARGET_TYPES = ("float32", "int32")


def check_sample(block: str, dataset: Dataset, sample: object) -> None:
    """Raise PartError unless a data set's sample follows the contract."""
    if not isinstance(sample, Sample):
        raise mistake(block, dataset, f"returned {type(sample).__name__} for an index; it must return a Sample")
    image = sample.image
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype.name not in ("uint8", "float32"):
        raise mistake(block, dataset, f"returned an image of {_form(image)} for {sample.name}; it must be (H, W, 3) uint8 or float32")
    if not isinstance(sample.objects, Objects):
        raise mistake(block, dataset, f"returned {_form(sample.objects)} as objects of {sample.name}; return Objects.none() if empty")
    given, declared = [field.name for field in sample.objects.fields], [field.name for field in dataset.fields]
    if given != declared:
        raise mistake(block, dataset, f"declares the fields {_listed(declared)}, but the objects of {sample.name} have {_listed(given)}")


def check_inputs(block: str, sample: Sample) -> None:
    """Raise ConfigError unless the further inputs have the raster's size."""
    for name, values in sample.inputs.items():
        height, width = sample.image.shape[:2]
        fits = isinstance(values, np.ndarray) and values.dtype == np.float32 and values.ndim == 3 and values.shape[1:] == (height, width)
        if not fits:
            raise ConfigError(f"{block}: input '{name}' of {sample.name} is {_form(values)}; it must be (C, {height}, {width}) float32")


def check_targets(block: str, encoder: TargetEncoder, targets: object, taken: Sequence[str]) -> None:
    """Raise PartError unless targets are named arrays of types that a network can train with; ``taken``: names of other columns."""
    if not isinstance(targets, Mapping) or not targets:
        raise mistake(block, encoder, f"returned {_form(targets)}; it must return arrays by name")
    for name, values in targets.items():
        if name in taken:
            raise mistake(block, encoder, f"returned a target '{name}', which is the name of an input; choose another one")
        if not isinstance(values, np.ndarray) or values.dtype.name not in _TARGET_TYPES:
            raise mistake(block, encoder, f"returned '{name}' as {_form(values)}; targets must be float32 or int32 arrays")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "(none)"


def _form(value: object) -> str:
    return f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
