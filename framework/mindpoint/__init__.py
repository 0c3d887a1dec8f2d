"""mindpoint: a plugin-registry detection framework on MindSpore."""

from typing import TYPE_CHECKING

from mindpoint._version import API as API
from mindpoint._version import __version__ as __version__
from mindpoint.runtime import guard as _guard

if TYPE_CHECKING:
    from mindpoint.exporting.start import export_model as export
    from mindpoint.inference.evaluation import evaluate_model as evaluate
    from mindpoint.inference.predictor import Predictor
    from mindpoint.model.create import create_model
    from mindpoint.training.start import train

__all__ = ["API", "Predictor", "create_model", "evaluate", "export", "train"]

_guard.apply()
_LAZY = {
    "create_model": ("mindpoint.model.create", "create_model"),
    "Predictor": ("mindpoint.inference.predictor", "Predictor"),
    "export": ("mindpoint.exporting.start", "export_model"),
    "evaluate": ("mindpoint.inference.evaluation", "evaluate_model"),
    "train": ("mindpoint.training.start", "train"),
}


def __getattr__(name: str) -> object:
    """Import attributes on first access, so that ``import mindpoint`` stays light."""
    if name not in _LAZY:
        raise AttributeError(f"module 'mindpoint' has no attribute {name!r}")
    import importlib

    module, attribute = _LAZY[name]
    return getattr(importlib.import_module(module), attribute)
