"""mindpoint: a plugin-registry detection framework on MindSpore."""

from mindpoint.runtime import guard as _guard

_guard.apply()

__version__ = "0.1.0"
