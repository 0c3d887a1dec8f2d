"""Actions of ``mindpoint data``."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod


class DataAction(ABC):
    """One action: its name is that of the part, its first line of help the docstring's.

    Attributes:
        description: what ``mindpoint data NAME --help`` says above the arguments.
    """

    description: str = ""

    @staticmethod
    @abstractmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declare the arguments. Import nothing heavy here."""

    @staticmethod
    @abstractmethod
    def run(args: argparse.Namespace) -> int:
        """Do it, and return the exit code: 0 done, 1 something was found, 2 for errors, which are raised as MindpointError."""
