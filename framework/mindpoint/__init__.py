"""mindpoint: a plugin-registry detection framework on MindSpore."""

from mindpoint.runtime import guard as _guard

_guard.apply()

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """``mindpoint.Predictor`` is imported when it is asked for: ``import mindpoint`` stays light."""
    if name == "Predictor":
        from mindpoint.predictor import Predictor

        return Predictor
    raise AttributeError(f"module 'mindpoint' has no attribute {name!r}")
