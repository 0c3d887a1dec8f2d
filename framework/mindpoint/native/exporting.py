"""The state of an export in progress, by which a cell can use other operators in exports.

Such a cell has an operator that the target format lacks, or for which the format has a better equivalent. While its ``construct`` is
compiled, it calls :func:`exporting` in a ``constexpr`` function and uses a placeholder from :meth:`Export.operator`. In the exported ONNX
graph, the placeholder is replaced by nodes that a function of the cell adds.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Dict, Iterator, List, Optional, Sequence

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph

Build = Callable[["OnnxGraph", Sequence[str]], str]
Shape = Sequence[int]


@dataclass
class Export:
    """An export in progress.

    Attributes:
        format: ``onnx``, ``mindir``, ``air``, or the name of a plugin's format.
        portable: for ``onnx``: avoid operators that some runtimes lack, such as ``DeformConv``.
        builders: the ``build`` function of each placeholder, by the placeholder's operator name.
    """

    format: str
    portable: bool = False
    builders: Dict[str, Build] = field(default_factory=dict)

    def operator(self, build: Build, shape: Callable[..., Shape]) -> object:
        """Return a placeholder: a MindSpore operator of float32 tensors that other nodes replace in the exported ONNX graph. It cannot be
        run.

        Args:
            build: function ``(graph, input names) -> result name`` that adds the nodes to the ONNX graph.
            shape: function that takes the shape of each input as an argument of its own and returns the result's shape.
        """
        from mindspore import ops

        name = f"Standin{len(self.builders)}"
        self.builders[name] = build
        count = shape.__code__.co_argcount
        # the library need not exist: the operator is exported by name and never run
        return ops.Custom(
            f"/nonexistent/standin.so:{name}",
            lambda *shapes: tuple(shape(*shapes)),
            lambda *dtypes: dtypes[0],
            "aot",
            reg_info=_registration(name, count),
        )


def _registration(name: str, inputs: int) -> dict:
    from mindspore.ops import CustomRegOp, DataType

    registration = CustomRegOp(name)
    for index in range(inputs):
        registration.input(index, f"x{index}")
    return registration.output(0, "y").dtype_format(*[DataType.F32_Default] * (inputs + 1)).target("CPU").get_op_info()


_current: List[Export] = []


def exporting() -> Optional[Export]:
    """Return the export in progress, or None."""
    return _current[-1] if _current else None


@contextlib.contextmanager
def export_in_progress(export: Export) -> Iterator[Export]:
    """Make ``export`` the one that :func:`exporting` returns within the block."""
    import mindspore as ms

    level = ms.get_context("jit_syntax_level")
    _current.append(export)
    try:
        yield export
    finally:
        _current.pop()
        ms.set_context(jit_syntax_level=level)  # MindSpore's export does not restore it on failure
