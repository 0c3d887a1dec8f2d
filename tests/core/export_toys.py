"""Parts with an operator of their own, as someone else's package would have it, and what becomes of it in an exported file."""

from mindspore import ops
from toy import Cells

from mindpoint.native.exporting import exporting


@ops.constexpr
def _doubling(factor):
    """What stands for a multiplication while a network is exported to ONNX; else None."""
    export = exporting()
    if export is None or export.format != "onnx":
        return None
    return export.operator(lambda graph, inputs: graph.add("Mul", inputs[0], float(factor)), lambda x: x)


class Doubled(Cells):
    """Twice the maps of ``Cells``; in an exported file ``exported`` times."""

    def __init__(self, exported: float = 2.0):
        super().__init__()
        self.exported = exported

    def construct(self, image):
        x = self.norm(self.conv(image))
        operator = _doubling(self.exported)
        return (operator(x) if operator is not None else x * 2,)


class Bound(Cells):
    """Knows the size of its input: multiplies by its height."""

    def construct(self, image):
        return (self.norm(self.conv(image)) * image.shape[2],)


class Sliced(Cells):
    """Takes a part of its maps' channels, and of the rest everything."""

    def construct(self, image):
        x = self.norm(self.conv(image))
        return (ops.concat((x[:, 2:], x[:, :2]), 1),)


class Unknown(Cells):
    """Has an operator that MindSpore's exporter does not know."""

    def construct(self, image):
        return (ops.cummax(self.norm(self.conv(image)), 3)[0],)
