"""Errors a user can cause and mend.

The command line prints the message of a :class:`MindpointError` without a traceback and exits with its code. Every message says
what is wrong, where (``file:line``, record id, path), and how to mend it.
"""

from __future__ import annotations


class MindpointError(Exception):
    """Base of all errors that a configuration, a file, an argument or a plugin can cause."""

    exit_code = 2


class ConfigError(MindpointError):
    """A configuration that cannot be used: unreadable, unknown keys, wrong values."""


class DataError(MindpointError):
    """An annotation file, image or record that cannot be used."""


class WeightsError(MindpointError):
    """A checkpoint or weight file that is damaged or belongs to another model."""


class OutputError(MindpointError):
    """A folder or file that cannot be written: no permission, no space, already in use."""


class TrainingError(MindpointError):
    """A training that cannot go on: too many gradients in a row that are not finite."""


class Interrupted(MindpointError):
    """A signal asked for the end.

    Args:
        signum: number of the signal; the exit code is the one that shells have for it.
    """

    def __init__(self, message: str, signum: int):
        super().__init__(message)
        self.exit_code = 128 + signum
