"""The available parts: entry points of installed distributions, looked up by name and imported on use.

registry("backbones").names()
registry("backbones").get("MyBackbone")
signature_of(registry("backbones").find("MyBackbone"))
"""

from mindpoint.registry import local
from mindpoint.registry.annotation import LISTS, Annotation
from mindpoint.registry.entries import Entry
from mindpoint.registry.errors import PluginConflict, PluginError, PluginImportError, UnknownPlugin, WrongKind
from mindpoint.registry.installed import distribution_of
from mindpoint.registry.kinds import KINDS, Kind, kind_called, kinds, normalize
from mindpoint.registry.registries import Description, Registry, any_class, nearest, registry
from mindpoint.registry.signature import UNKNOWN, Parameter, Signature, signature_in_source, signature_of

__all__ = [
    "Annotation",
    "Description",
    "Entry",
    "KINDS",
    "Kind",
    "LISTS",
    "Parameter",
    "PluginConflict",
    "PluginError",
    "PluginImportError",
    "Registry",
    "Signature",
    "UNKNOWN",
    "UnknownPlugin",
    "WrongKind",
    "any_class",
    "distribution_of",
    "kind_called",
    "kinds",
    "local",
    "nearest",
    "normalize",
    "registry",
    "signature_in_source",
    "signature_of",
]
