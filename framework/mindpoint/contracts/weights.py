"""Rules that convert weights of other implementations to weights of a network here, and back. They need numpy only."""

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
    """The content of a weights file.

    Attributes:
        name: the authors' name of the network, e.g. ``dla_34``.
        description: the name and further properties recognised from the arrays, for display.
        config: nested mappings of a configuration whose network fits the arrays; it may name a ``_base_``.
        whole: whether the arrays cover every part of that network; otherwise they are initial weights.
        parts: parts of the network, such as ``backbone``, that the arrays must cover completely.
        usage: the official code's options to load such a file, with ``{file}`` as placeholder; empty if the official code lacks this
            network.
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
    """Parameter names that other implementations use for one family of networks. The constructor takes no arguments.

    Arrays have the same layout on both sides. "Official" names are the names in the other implementation.
    """

    ending = ".pth"
    """Suffix of the other implementation's files: ``.pth`` (PyTorch) or ``.ckpt`` (MindSpore)."""
    downloads: Mapping[str, str] = {}
    """URLs of public files by a short name without dots and slashes, e.g. ``resnet18``. A file name ends in the first digits of the file's
    SHA-256, as in ``resnet18-f37072fd.pth``."""

    @abstractmethod
    def recognize(self, shapes: Shapes) -> Optional[RecognizedWeights]:
        """Identify arrays by their official names and shapes; return None if they belong to another family.

        Raises:
            WeightsError: the arrays belong to this family, but to an unknown or incomplete network.
        """

    @abstractmethod
    def official_name(self, ours: str) -> str:
        """Return the official name of a parameter here, such as ``backbone.conv1.weight``; an arbitrary name if it does not have one.

        The names of two parameters of one network must differ.
        """

    def canonical_name(self, name: str) -> str:
        """Return the official name of an array that a file calls ``name``; override it if files use different names."""
        return name

    def feeds_nothing(self, name: str, names: Container[str]) -> bool:
        """Tell whether no output depends on the array of this official name; ``names`` are those of all arrays. By default, these
        are the counters of batch normalisations."""
        return name.endswith(".num_batches_tracked")

    def unused_arrays(self, state: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Return the arrays of the official network that have no counterpart here. By default, these are the counters of batch
        normalisations, which are 0."""
        ends = "running_mean"
        return {name[: -len(ends)] + "num_batches_tracked": np.zeros((), np.int64) for name in state if name.endswith(f".{ends}")}

    def reference_outputs(self, state: Mapping[str, np.ndarray], images: np.ndarray) -> Dict[str, np.ndarray]:
        """Return the raw maps of the official network for normalised images ``(B, 3, H, W)``, to compare with.

        Raises:
            WeightsError: this network cannot be run.
        """
        raise WeightsError(f"{type(self).__name__}: comparison with an official network is not available")


def torch_name(ours: str) -> str:
    """Return the name of a parameter with PyTorch's terms for batch normalisation: ``weight`` for ``gamma``, and so on."""
    owner, dot, last = ours.rpartition(".")
    return f"{owner}{dot}{_BATCH_NORM.get(last, last)}"
