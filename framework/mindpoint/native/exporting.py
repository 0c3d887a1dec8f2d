"""The state of an export in progress, which lets a cell take another form in exports.

A cell whose operator is missing in the target format, or has a better equivalent there, calls :func:`exporting` while its ``construct`` is
compiled (in a ``constexpr`` function) and uses a placeholder from :meth:`Export.operator`. In the exported ONNX graph, the nodes that the
cell's own function adds replace the placeholder.
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
        builders: replacement function by operator name of the placeholder.
    """

    format: str
    portable: bool = False
    builders: Dict[str, Build] = field(default_factory=dict)

    def operator(self, build: Build, shape: Callable[..., Shape]) -> object:
        """Return a MindSpore operator of float32 tensors that becomes other operators in the exported ONNX graph. It cannot run.

        Args:
            build: function that adds the nodes, for ``onnx`` only. It gets the graph and the names of the inputs, and returns the name of
                the result.
            shape: function that returns the result's shape. It gets the shapes of all inputs, one argument per input.
        """
        from mindspore import ops

        name = f"Standin{len(self.builders)}"
        self.builders[name] = build
        count = shape.__code__.co_argcount
        # The library need not exist: the operator is exported by its name and never run.
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
    """Compile cells for this export within the block."""
    import mindspore as ms

    level = ms.get_context("jit_syntax_level")
    _current.append(export)
    try:
        yield export
    finally:
        _current.pop()
        ms.set_context(jit_syntax_level=level)  # MindSpore's export does not restore it on failure
