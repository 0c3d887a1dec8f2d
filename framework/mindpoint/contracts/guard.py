"""Calls into parts: a plugin's error becomes one message with the block, the part, its distribution and the source line."""

from __future__ import annotations

import inspect
import os
import sys
import traceback
from pathlib import Path
from types import FunctionType, TracebackType
from typing import Optional, Type, Union

from mindpoint.errors import MindpointError, PartError
from mindpoint.registry import distribution_of


class part_call:
    """Within the block, any exception of a part becomes a PartError; a MindpointError is the part's own message and passes unchanged.

    Args:
        block: the part's path in the configuration, e.g. ``data.train.transforms.view``.
        part: the object that is called.
    """

    __slots__ = ("block", "part")

    def __init__(self, block: str, part: object):
        self.block, self.part = block, part

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        if isinstance(error, (Exception, SystemExit)) and not isinstance(error, (MindpointError, BrokenPipeError)):
            said = [line.strip() for line in str(error).splitlines() if line.strip(" -")]
            reason = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
            raise PartError(f"{described(self.block, self.part, trace)} failed: {reason}") from error


def mistake(block: str, part: object, what: str) -> PartError:
    """Return the error for a part that breaks its contract; ``what`` continues after its name, e.g. ``returned None``."""
    return PartError(f"{described(block, part)} {what}")


def declared(block: str, part: object, name: str, meaning: str) -> object:
    """Return an attribute that a part must set.

    Raises:
        PartError: the attribute is missing; ``meaning`` says what it holds.
    """
    with part_call(block, part):
        value = getattr(part, name, None)
    if value is None:
        raise mistake(block, part, f"does not set '{name}': {meaning}")
    return value


def described(block: str, part: object, trace: Optional[TracebackType] = None) -> str:
    """Return ``block: Name (distribution version, file:line)``. The line is the deepest one of the part's package in the traceback, or
    the first one of its class."""
    kind = part if inspect.isclass(part) or inspect.isfunction(part) else type(part)
    facts = [fact for fact in (distribution_of(kind.__module__), _place(kind, trace)) if fact]
    return f"{block}: {kind.__name__}" + (f" ({', '.join(facts)})" if facts else "")


def _place(kind: Union[type, FunctionType], trace: Optional[TracebackType]) -> str:
    home = _home(kind.__module__.partition(".")[0])
    if home is None:
        return ""
    for frame in reversed(traceback.extract_tb(trace)):
        if Path(frame.filename) == home or home in Path(frame.filename).parents:
            return f"{os.path.relpath(frame.filename, home.parent)}:{frame.lineno}"
    try:
        file, line = inspect.getsourcefile(kind), inspect.getsourcelines(kind)[1]
    except (OSError, TypeError):  # without source, e.g. a class from a deleted notebook cell
        return ""
    return f"{os.path.relpath(file, home.parent)}:{line}" if file else ""


def _home(package: str) -> Optional[Path]:
    """Return the folder of an imported package, or the file of a module, or None."""
    module = sys.modules.get(package)
    places = [*getattr(module, "__path__", ()), getattr(module, "__file__", None)]
    return Path(places[0]) if places[0] else None
