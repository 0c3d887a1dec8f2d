"""Errors that a user can cause and fix.

The command line prints the message of a :class:`MindpointError` without a traceback and exits with its code. Every message says
what is wrong, where (``file:line``, record id, path), and how to fix it.
"""

from __future__ import annotations

from typing import Optional


class MindpointError(Exception):
    """Base of all errors that a configuration, a file, an argument or a plugin can cause.

    Args:
        key: the wrong key or argument, as a dotted path from the block or section whose class raises the error: ``"size"``,
            ``"stages.0"``. The builder of the block prepends its position, so the message need not name it.
    """

    exit_code = 2

    def __init__(self, *args: object, key: Optional[str] = None) -> None:
        super().__init__(*args)
        self.key = key


class ConfigError(MindpointError):
    """A configuration that cannot be used: unreadable, unknown keys, wrong values."""


class DataError(MindpointError):
    """An annotation file, image or record that cannot be used."""


class WeightsError(MindpointError):
    """A checkpoint or weight file that is damaged or belongs to another model."""


class OutputError(MindpointError):
    """A folder or file that cannot be written: no permission, no space, already in use."""


class PartError(MindpointError):
    """A part of a plugin that fails or breaks its contract."""


class TrainingError(MindpointError):
    """A training that cannot continue: too many non-finite gradients in a row."""


class Interrupted(MindpointError):
    """A signal asked the process to end.

    Args:
        signum: number of the signal; the exit code is 128 plus this number.
    """

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.exit_code = 128 + signum
