"""The contract of engines, which run exported model files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Mapping, Tuple

import numpy as np

IMAGE = "image"  # name of the network's first input

Inputs = Mapping[str, np.ndarray]
"""Inputs of a network by name: ``image`` ``(B, 3, H, W)`` and further ones ``(B, C, H, W)``, all float32."""

Forward = Callable[[Inputs], Dict[str, np.ndarray]]
"""A network, or a file that holds a network, as a function that returns the outputs by name."""


@dataclass(frozen=True)
class ModelFile:
    """An opened file.

    Attributes:
        metadata: the texts that ``mindpoint export`` stored in the file, by key.
        forward: function that runs the file on inputs of the batch and image sizes that it accepts; thread-safe.
    """

    metadata: Mapping[str, str]
    forward: Forward


class Engine(ABC):
    """Opens exported files of one format and runs them; the constructor takes no arguments.

    Attributes:
        suffixes: file suffixes, with the dot and in lower case.
        title: name of the runtime, for messages.
        rank: if several engines can open a file, the installed one with the highest rank is tried first.
    """

    suffixes: Tuple[str, ...]
    title: str = ""
    rank: int = 0

    def installed(self) -> bool:
        """Tell whether the runtime is installed, without importing it."""
        return True

    @abstractmethod
    def open(self, path: Path) -> ModelFile:
        """Open a file.

        Raises:
            WeightsError: the file is missing or damaged. MindpointError: the runtime is not installed.
        """
