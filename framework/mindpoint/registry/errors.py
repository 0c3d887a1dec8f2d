"""Errors about parts that are named but cannot be had."""

from __future__ import annotations

from typing import Optional

from mindpoint.errors import ConfigError


class PluginError(ConfigError):
    """Base of these errors. ``where`` says where the name stood, e.g. ``configs/a.yaml:7: model.backbone.type``."""

    def __init__(self, message: str, where: Optional[str] = None) -> None:
        super().__init__(f"{where}: {message}" if where else message)


class UnknownPlugin(PluginError):
    """No installed distribution declares a part of that name."""


class WrongKind(PluginError):
    """There is a part of that name, but of another kind; or a part is not what its entry point says it is."""


class PluginConflict(PluginError):
    """Several distributions declare the name."""


class PluginImportError(PluginError):
    """The part is declared, and importing it failed; the original exception is the cause."""
