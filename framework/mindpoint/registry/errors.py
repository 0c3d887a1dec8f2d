"""Errors about parts that cannot be found or loaded."""

from __future__ import annotations

from typing import Optional

from mindpoint.errors import ConfigError


class PluginError(ConfigError):
    """Base class of errors about parts. ``where`` is the position of the name, e.g. ``configs/a.yaml:7: model.backbone.type``."""

    def __init__(self, message: str, where: Optional[str] = None) -> None:
        super().__init__(f"{where}: {message}" if where else message)


class UnknownPlugin(PluginError):
    """No installed distribution declares a part of that name."""


class WrongKind(PluginError):
    """The part is of a different kind than requested, or than its entry point declares."""


class PluginConflict(PluginError):
    """Several distributions declare the name."""


class PluginImportError(PluginError):
    """Importing a declared part failed; the original exception is the cause."""
