"""Base class of the rules by which weights made elsewhere become weights of a network here, and back. It needs numpy only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Container, Dict, Mapping, Optional, Tuple

import numpy as np

from mindpoint.errors import WeightsError

_BATCH_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
Shapes = Mapping[str, Tuple[int, ...]]
"""Shapes of arrays by name."""


@dataclass(frozen=True)
class RecognizedWeights:
    """The content of a file of weights.

    Attributes:
        name: of the network, as its authors call it, e.g. ``dla_34``.
        description: the name and what else is seen from the arrays, for people.
        config: a configuration, as nested mappings, of a network that the arrays fit; it may name a ``_base_``.
        whole: the arrays are for every part of that network; otherwise they are initial weights.
        parts: the network's parts, such as ``backbone``, of which nothing may be missing.
        usage: how the official code loads a file of these weights, with ``{file}`` in it; empty if it has no such network.
    """

    name: str
    description: str
    config: Mapping[str, object]
    whole: bool
    parts: Tuple[str, ...] = ("backbone",)
    usage: str = ""

    def __str__(self) -> str:
        return self.description


class WeightRules(ABC):
    """How the weights of one family of networks are called elsewhere. The constructor takes no arguments.

    Arrays have the same layout on both sides. "Official" names are those of the other implementation.
    """

    ending = ".pth"
    """Of the other implementation's files: ``.pth`` (PyTorch) or ``.ckpt`` (MindSpore)."""
    downloads: Mapping[str, str] = {}
    """URLs of public files by a short name without dots and slashes, e.g. ``resnet18``. The name of a file ends in the first digits of its
    SHA-256, as ``resnet18-f37072fd.pth``."""

    @abstractmethod
    def recognize(self, shapes: Shapes) -> Optional[RecognizedWeights]:
        """Return what arrays of these official names and shapes are; None if they belong to another family.

        Raises:
            WeightsError: they belong to this family, but to a network that is not known or not whole.
        """

    @abstractmethod
    def official_name(self, ours: str) -> str:
        """Return the official name of a parameter here, such as ``backbone.conv1.weight``; any name if there is no official one.

        Names of two parameters of one network differ.
        """

    def canonical_name(self, name: str) -> str:
        """Return the official name of an array that a file calls ``name``; override it where files differ among themselves."""
        return name

    def feeds_nothing(self, name: str, names: Container[str]) -> bool:
        """Return whether no output depends on the array of this official name; ``names``: of all arrays. Here the counters of batch
        normalisations."""
        return name.endswith(".num_batches_tracked")

    def unused_arrays(self, state: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Return what the official network has besides arrays of official names. Here a counter, 0, for each batch normalisation."""
        ends = "running_mean"
        return {name[: -len(ends)] + "num_batches_tracked": np.zeros((), np.int64) for name in state if name.endswith(f".{ends}")}

    def reference_outputs(self, state: Mapping[str, np.ndarray], images: np.ndarray) -> Dict[str, np.ndarray]:
        """Return the raw maps of the official network for normalised images ``(B, 3, H, W)``, to compare with.

        Raises:
            WeightsError: there is no such network to run.
        """
        raise WeightsError(f"{type(self).__name__} has no official network to compare with")


def torch_name(ours: str) -> str:
    """Return the name of a parameter with PyTorch's words for those of a batch normalisation: ``weight`` for ``gamma``, and so on."""
    owner, dot, last = ours.rpartition(".")
    return f"{owner}{dot}{_BATCH_NORM.get(last, last)}"
