"""Numbers that follow from the size of a network's input, as nodes of an ONNX graph.

They are found by compiling the network for two shapes. Such a number is assumed to be a product of the input's sides (number of images,
height, width) and a constant. The second shape is chosen so that the two values determine which sides these are.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Dict, Optional, Sequence, Tuple

from mindpoint.contracts.onnx_graph import OnnxGraph

Shape = Tuple[int, int, int]
SIDES = (0, 2, 3)  # axes of the input: images, height, width


def other_shape(shape: Shape, free_batch: bool, free_size: bool, step: int) -> Shape:
    """Return a second shape, whose height and width are larger by ``step`` or a small multiple of it, and which has one or two more
    images."""
    batch, height, width = shape
    steps = range(1, 8) if free_size else (0,)
    for more, down, right in itertools.product((1, 2) if free_batch else (0,), steps, steps):
        other = (batch + more, height + down * step, width + right * step)
        growths = [growth for growth in _growths(shape, other) if growth != 1]
        if len(set(_products(growths))) == 2 ** len(growths):
            return other
    raise ValueError(f"cannot find a second shape for {shape}")


def _growths(shape: Sequence[int], other: Sequence[int]) -> Tuple[Fraction, ...]:
    return tuple(Fraction(second, first) for first, second in zip(shape, other))


def _products(factors: Sequence[Fraction]) -> list:
    return [math.prod(chosen) for count in range(len(factors) + 1) for chosen in itertools.combinations(factors, count)]


class Sizes:
    """The numbers that depend on the input's size, from the shapes ``shape`` and ``other`` of two compilations."""

    def __init__(self, graph: OnnxGraph, image: str, shape: Shape, other: Shape):
        self.graph, self.image, self.shape, self.other = graph, image, shape, other
        self.made: Dict[Tuple[int, int], str] = {}

    def tensor(self, first: int, second: int) -> Optional[str]:
        """Return a number that is ``first`` for one input and ``second`` for the other, int64 ``(1,)``; None if no product of sides and a
        constant fits."""
        if (first, second) not in self.made:
            sides = self._sides(first, second)
            if sides is None:
                return None
            self.made[first, second] = self._add(sides, first)
        return self.made[first, second]

    def _sides(self, first: int, second: int) -> Optional[Tuple[int, ...]]:
        if first <= 0 or second <= 0:
            return None
        growths = _growths(self.shape, self.other)
        free = [index for index, growth in enumerate(growths) if growth != 1]
        for count in range(1, len(free) + 1):
            for chosen in itertools.combinations(free, count):
                if math.prod(growths[index] for index in chosen) == Fraction(second, first):
                    return chosen
        return None

    def _add(self, sides: Tuple[int, ...], first: int) -> str:
        add = self.graph.add
        product = add("Gather", add("Shape", self.image), [SIDES[index] for index in sides])
        if len(sides) > 1:
            product = add("ReduceProd", product, keepdims=1)
        factor = Fraction(first, math.prod(self.shape[index] for index in sides))
        if factor.numerator != 1:
            product = add("Mul", product, [factor.numerator])
        return add("Div", product, [factor.denominator]) if factor.denominator != 1 else product
