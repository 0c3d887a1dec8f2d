"""mindpoint: a plugin-registry detection framework on MindSpore."""

from mindpoint._version import __version__ as __version__
from mindpoint.runtime import guard as _guard

_guard.apply()


def __getattr__(name: str) -> object:
    """``mindpoint.Predictor`` is imported when it is asked for: ``import mindpoint`` stays light."""
    if name == "Predictor":
        from mindpoint.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module 'mindpoint' has no attribute {name!r}")
