"""Actions of ``mindpoint data``."""

from __future__ import annotations

import argparse
from abc import ABC, abstractmethod
from typing import Sequence


class DataAction(ABC):
    """One action. Its name is the name of the part; the first line of its docstring is its help.

    Attributes:
        description: text that ``mindpoint data NAME --help`` prints above the arguments.
        examples: command lines printed below the arguments.
    """

    description: str = ""
    examples: Sequence[str] = ()

    @staticmethod
    @abstractmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        """Declare the arguments. Import nothing heavy here."""

    @staticmethod
    @abstractmethod
    def run(args: argparse.Namespace) -> int:
        """Run the action and return the exit code: 0 done, 1 something was found. Errors are raised as MindpointError (exit code 2)."""
