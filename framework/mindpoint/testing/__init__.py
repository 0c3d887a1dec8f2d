"""Test classes for parts: derive from one, define how to make the part, and pytest checks it against its contract.

    from mindpoint.testing import BackboneTests

    class TestStack(BackboneTests):
        def make(self):
            return Stack(channels=(8, 16, 32))

``mindpoint plugins test DISTRIBUTION`` runs the same tests on all parts of an installed distribution. A check that fails reports the
contract's requirement; one that does not apply to a part is skipped. pytest is not imported.
"""

from typing import TYPE_CHECKING

from mindpoint.testing.data import DatasetTests, TransformTests
from mindpoint.testing.decoding import CodecTests
from mindpoint.testing.hook import HookTests
from mindpoint.testing.metric import MetricTests

if TYPE_CHECKING:
    from mindpoint.testing.cells import BackboneTests, HeadTests, NeckTests
    from mindpoint.testing.loss import LossTests

__all__ = [
    "BackboneTests",
    "CodecTests",
    "DatasetTests",
    "HeadTests",
    "HookTests",
    "LossTests",
    "MetricTests",
    "NeckTests",
    "TransformTests",
]
_CELLS = {"BackboneTests": "cells", "HeadTests": "cells", "NeckTests": "cells", "LossTests": "loss"}


def __getattr__(name: str) -> object:
    """Import the tests of cells, and with them MindSpore, on first access."""
    if name not in _CELLS:
        raise AttributeError(f"module 'mindpoint.testing' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"mindpoint.testing.{_CELLS[name]}"), name)
