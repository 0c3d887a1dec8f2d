"""The contract of engines, which run exported model files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Mapping, Tuple

import numpy as np

IMAGE = "image"  # name of the network's first input

Inputs = Mapping[str, np.ndarray]
"""Inputs of a network by name: ``image`` ``(B, 3, H, W)`` and the further ones ``(B, C, H, W)``, all float32."""

Forward = Callable[[Inputs], Dict[str, np.ndarray]]
"""A network, or a file of one, as a function: its outputs by name."""


@dataclass(frozen=True)
class ModelFile:
    """An opened file.

    Attributes:
        metadata: the texts that ``mindpoint export`` put into the file, by key.
        forward: runs it on inputs of the batch and the sizes that it takes; several threads may call it at once.
    """

    metadata: Mapping[str, str]
    forward: Forward


class Engine(ABC):
    """Opens exported files of one format and runs them; the constructor takes no arguments.

    Attributes:
        suffixes: endings of such files, with the dot and in lower case.
        title: name of what runs them, for messages.
        rank: of several engines for a file, the one with the highest rank that is installed is tried first.
    """

    suffixes: Tuple[str, ...]
    title: str = ""
    rank: int = 0

    def installed(self) -> bool:
        """Tell whether what runs the files is installed; nothing is imported for that."""
        return True

    @abstractmethod
    def open(self, path: Path) -> ModelFile:
        """Open a file.

        Raises:
            WeightsError: the file is missing or damaged. MindpointError: what runs it is not installed.
        """
