"""The deformable convolution in an ONNX graph: ONNX's own operator, or basic operators for runtimes that lack it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Sequence, Tuple

import numpy as np
from mindpoint.native.exporting import Export

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph

Pair = Tuple[int, int]


@dataclass(frozen=True)
class DeformConvNodes:
    """Adds the nodes of ``(x, offset, mask, weight, bias) -> y``, with the layouts of
    :func:`mindpoint_centernet.ops.deform_conv.deform_conv2d`.

    Attributes:
        kernel, stride, padding, dilation: each (vertical, horizontal).
        channels: number of channels of the input.
        groups: number of deformable groups, G.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    channels: int
    groups: int

    def operator(self, export: Export) -> object:
        """Return the placeholder for the deformable convolution while a network is exported."""

        def shape(x, offset, mask, weight, bias):
            return x[0], weight[0], offset[2], offset[3]

        return export.operator(self.sampled if export.portable else self.deform_conv, shape)

    def deform_conv(self, graph: "OnnxGraph", inputs: Sequence[str]) -> str:
        """Add ONNX's own operator, available from opset 19."""
        x, offset, mask, weight, bias = inputs
        return graph.add(
            "DeformConv",
            x,
            weight,
            offset,
            bias,
            mask,
            kernel_shape=self.kernel,
            strides=self.stride,
            pads=[*self.padding, *self.padding],
            dilations=self.dilation,
            offset_group=self.groups,
        )

    def sampled(self, graph: "OnnxGraph", inputs: Sequence[str]) -> str:
        """Add basic operators: gather the four corners of each tap, interpolate them, and multiply the samples by the weights.

        Symbols: B images, G deformable groups, K taps, P output pixels, C channels of a group, O output channels.
        """
        x, offset, mask, weight, bias = inputs
        add, taps, channels = graph.add, self.kernel[0] * self.kernel[1], self.channels // self.groups
        rows, size = self._rows(graph, x)
        out = add("Slice", add("Shape", offset), [2], [4])
        steps = add("Reshape", offset, add("Concat", [-1, taps, 2], out, axis=0))  # (B G, K, 2, Ho, Wo)
        firsts, shares = zip(*(self._positions(graph, steps, size, axis) for axis in (0, 1)))
        width = add("Gather", size, 1)
        first = add("Add", add("Mul", firsts[0], add("Add", width, 3)), firsts[1])
        first = add("Add", self._by_pixel(graph, first), self._starts(graph, x, size))
        factors = self._by_pixel(graph, add("Reshape", mask, add("Concat", [-1, taps], out, axis=0)))
        shares = [self._by_pixel(graph, share) for share in shares]
        total = ""
        for down in (0, 1):
            for right in (0, 1):
                corner = add("Add", first, add("Mul", add("Add", width, 3), down)) if down else first
                values = add("Gather", rows, add("Add", corner, right) if right else corner, axis=0)  # (B G, P, K, C)
                part = add("Mul", values, add("Unsqueeze", self._factor(graph, factors, shares, (down, right)), [3]))
                total = add("Add", total, part) if total else part
        shape = add("Concat", [-1, self.groups], add("ReduceProd", out, keepdims=1), [taps * channels], axis=0)
        samples = add("Reshape", total, shape)  # (B, G, P, K C)
        matrix = add("Reshape", weight, [-1, self.groups, channels, taps])
        matrix = add("Reshape", add("Transpose", matrix, perm=[1, 3, 2, 0]), [1, self.groups, taps * channels, -1])
        product = add("ReduceSum", add("MatMul", samples, matrix), [1], keepdims=0)  # (B, P, O)
        product = add("Transpose", add("Add", product, bias), perm=[0, 2, 1])
        return add("Reshape", product, add("Concat", [0, 0], out, axis=0))

    def _rows(self, graph: "OnnxGraph", x: str) -> Tuple[str, str]:
        """Return the input, padded with zeros, as rows of channels ``(B G pixels, C)``, and its height and width without the padding.

        The padding is one pixel before and two after, in both directions.
        """
        add = graph.add
        size = add("Slice", add("Shape", x), [2], [4])
        padded = add("Pad", x, [0, 0, 1, 1, 0, 0, 2, 2])
        planes = add("Reshape", padded, [-1, self.channels // self.groups, 0, 0]) if self.groups > 1 else padded
        return add("Reshape", add("Transpose", planes, perm=[0, 2, 3, 1]), [-1, self.channels // self.groups]), size

    def _positions(self, graph: "OnnxGraph", steps: str, size: str, axis: int) -> Tuple[str, str]:
        """Return the positions of the taps along one axis, each split into two arrays ``(B G, K, Ho, Wo)``.

        The first is the preceding row or column of the padded map, int64; the second is the distance from it, in 0..1. Positions outside of
        the map are moved onto its padding, which is zero.
        """
        add = graph.add
        tap = np.divmod(np.arange(self.kernel[0] * self.kernel[1]), self.kernel[1])[axis]
        start = (tap * self.dilation[axis] - self.padding[axis]).astype(np.float32).reshape(-1, 1, 1)
        step = add("Gather", steps, axis, axis=2)
        count = add("Gather", add("Shape", step), 2 + axis)
        places = add("Mul", add("Cast", add("Range", 0, count, 1), to=1), float(self.stride[axis]))
        places = add("Reshape", places, [-1, 1] if axis == 0 else [1, -1])
        last = add("Cast", add("Gather", size, axis), to=1)
        position = add("Add", add("Add", step, start), places)
        position = add("Max", add("Min", position, last), -1.0)
        before = add("Floor", position)
        return add("Cast", add("Add", before, 1.0), to=7), add("Sub", position, before)

    def _by_pixel(self, graph: "OnnxGraph", values: str) -> str:
        """Reshape ``(B G, K, Ho, Wo)`` to ``(B G, P, K)``."""
        flat = graph.add("Reshape", values, [0, 0, -1])
        return graph.add("Transpose", flat, perm=[0, 2, 1])

    def _starts(self, graph: "OnnxGraph", x: str, size: str) -> str:
        """Return the index of the first row of each image and group, ``(B G, 1, 1)``."""
        add = graph.add
        area = add("ReduceProd", add("Add", size, 3), keepdims=0)
        count = add("Mul", add("Squeeze", add("Slice", add("Shape", x), [0], [1]), [0]), self.groups)
        return add("Reshape", add("Mul", add("Range", 0, count, 1), area), [-1, 1, 1])

    def _factor(self, graph: "OnnxGraph", factors: str, shares: Sequence[str], corner: Pair) -> str:
        """Return the mask times the bilinear weight of a corner, ``(B G, P, K)``.

        ``corner``: for row and column, 0 for the preceding one, 1 for the next.
        """
        for share, further in zip(shares, corner):
            factors = graph.add("Mul", factors, share if further else graph.add("Sub", 1.0, share))
        return factors
