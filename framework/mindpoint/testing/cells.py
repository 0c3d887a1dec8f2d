"""Tests of backbones, necks and heads. Importing this module imports MindSpore."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindpoint.contracts.exporter import Exportable
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone, Head, Neck
from mindpoint.runtime.device import operator_by_operator
from mindpoint.testing.samples import PartTests, need, skip

Sizes = Sequence[Tuple[int, int]]


class _CellTests(PartTests):
    """The common base of the tests of backbones, necks and heads; subclasses give the inputs and the declared outputs.

    Attributes:
        sizes: tested heights and widths of the input in pixels, rounded up to multiples of the divisor.
    """

    sizes: Sizes = ((64, 64), (64, 96))

    def _inputs(self, cell: nn.Cell, height: int, width: int) -> List[np.ndarray]:
        raise NotImplementedError

    def _specs(self, cell: nn.Cell) -> Dict[str, FeatureSpec]:
        raise NotImplementedError

    def _run(self, cell: nn.Cell, inputs: List[Tensor]) -> Dict[str, Tensor]:
        raise NotImplementedError

    def _divisor(self, cell: nn.Cell) -> int:
        return max(spec.stride for spec in self._specs(cell).values())

    def _size(self, cell: nn.Cell, number: int) -> Tuple[int, int]:
        divisor = self._divisor(cell)
        height, width = (divisor * math.ceil(side / divisor) for side in self.sizes[number])
        return height, width

    def _tensors(self, cell: nn.Cell, number: int = 0) -> List[Tensor]:
        return [Tensor(array) for array in self._inputs(cell, *self._size(cell, number))]

    @operator_by_operator()
    def test_maps_are_as_declared(self):
        cell = self.make()
        cell.set_train(False)
        for number in range(len(self.sizes)):
            height, width = self._size(cell, number)
            found = self._run(cell, self._tensors(cell, number))
            specs = self._specs(cell)
            need(list(found) == list(specs), f"{len(specs)} maps are declared ({', '.join(specs)}); construct returns {', '.join(found)}")
            for name, spec in specs.items():
                wanted = (2, spec.channels, height // spec.stride, width // spec.stride)
                need(
                    found[name].shape == wanted,
                    f"{name}: {spec.channels} channels at stride {spec.stride} are declared, {wanted} for an input of {height} x {width}; "
                    f"construct returns {found[name].shape}",
                )

    @operator_by_operator()
    def test_gradients_reach_every_parameter(self):
        cell = self.make()
        cell.set_train()
        inputs = self._tensors(cell)
        parameters = cell.trainable_params()
        if not parameters:
            skip("the part has no trainable parameters")
        for parameter, values in zip(parameters, self._gradients(cell, inputs)):
            need(np.isfinite(values).all(), f"the gradient of {parameter.name} is not finite")
            need(values.any(), f"no gradient reaches {parameter.name}: use it, or do not make it trainable")

    @operator_by_operator()
    def test_it_compiles(self):
        ms.set_context(mode=ms.GRAPH_MODE)
        cell = self.make()
        cell.set_train(False)
        inputs = self._tensors(cell)
        compiled = {name: value.asnumpy() for name, value in self._run(cell, inputs).items()}
        ms.set_context(mode=ms.PYNATIVE_MODE)
        for name, value in self._run(cell, inputs).items():
            close = np.allclose(compiled[name], value.asnumpy(), rtol=1e-3, atol=1e-4)
            need(close, f"{name}: the compiled graph and eager execution return different values; construct must not depend on values")

    @operator_by_operator()
    def test_saved_and_resumed_it_goes_on_the_same(self):
        first, second = self.make(), self.make()
        inputs = self._tensors(first)
        self._step(first, inputs)
        state = {name: parameter.asnumpy().copy() for name, parameter in first.parameters_dict().items()}
        need(set(state) == set(second.parameters_dict()), "make must return parts with the same parameters each time")
        for name, parameter in second.parameters_dict().items():
            parameter.set_data(Tensor(state[name]))
        self._step(first, inputs)
        self._step(second, inputs)
        for name, parameter in first.parameters_dict().items():
            same = np.allclose(parameter.asnumpy(), second.parameters_dict()[name].asnumpy(), rtol=1e-4, atol=1e-6)
            need(same, f"{name} differs after a resumed step; a part must keep its state in Parameters")

    @operator_by_operator()
    def test_onnx_gives_the_same(self):
        from mindpoint.exporting.exporters import OnnxExporter

        ms.set_context(mode=ms.GRAPH_MODE)
        cell = self.make()
        cell.set_train(False)
        specs, size = self._specs(cell), self._size(cell, 0)
        inputs = [array[:1] for array in self._inputs(cell, *size)]
        names = [f"input_{number}" for number in range(len(inputs))]
        wrapped = _Tuple(self, cell)
        model = _Exportable(wrapped, specs, dict(zip(names, inputs)), size)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "part.onnx"
            OnnxExporter().write(path, model)
            (found,) = OnnxExporter().run(path, [dict(zip(names, inputs))])
        ms.set_context(mode=ms.PYNATIVE_MODE)
        for name, value in self._run(cell, [Tensor(array) for array in inputs]).items():
            wanted = value.asnumpy()
            error = float(np.abs(found[name] - wanted).max() / max(1.0, np.abs(wanted).max()))
            need(error <= 1e-3, f"{name}: the ONNX file differs by {error:.2g}, relative to the largest value if above 1; 0.001 is allowed")

    def _gradients(self, cell: nn.Cell, inputs: List[Tensor]) -> List[np.ndarray]:
        """Return the gradients of the trainable parameters."""
        loss, parameters = _MeanSquare(_Tuple(self, cell)), cell.trainable_params()

        def derive() -> List[np.ndarray]:
            return [gradient.asnumpy() for gradient in ms.value_and_grad(loss, None, parameters)(*inputs)[1]]

        try:
            return derive()
        except RuntimeError:  # without compiling, MindSpore cannot derive x[:, :, ::2] and the like
            ms.set_context(mode=ms.GRAPH_MODE)
            found = derive()
            ms.set_context(mode=ms.PYNATIVE_MODE)
            return found

    def _step(self, cell: nn.Cell, inputs: List[Tensor]) -> None:
        cell.set_train()
        parameters = cell.trainable_params()
        if not parameters:
            self._run(cell, inputs)
            return
        for parameter, gradient in zip(parameters, self._gradients(cell, inputs)):
            parameter.set_data(Tensor(parameter.asnumpy() - 0.01 * gradient))


class BackboneTests(_CellTests):
    """Tests of a backbone. Derive from it and let ``make`` return one."""

    def make(self) -> Backbone:
        return super().make()

    def _divisor(self, cell: Backbone) -> int:
        return cell.divisor or super()._divisor(cell)

    def _specs(self, cell: Backbone) -> Dict[str, FeatureSpec]:
        need(getattr(cell, "out_features", None), "a backbone must set out_features: a FeatureSpec for each map, finest first")
        return {f"out_features[{index}]": spec for index, spec in enumerate(tuple(cell.out_features) * cell.stacks)}

    def _inputs(self, cell: Backbone, height: int, width: int) -> List[np.ndarray]:
        return [_noise(channels, height, width, 1) for channels in (3, *cell.inputs.values())]

    def _run(self, cell: Backbone, inputs: List[Tensor]) -> Dict[str, Tensor]:
        return _named(cell(*inputs))

    def test_finest_map_is_first(self):
        strides = [spec.stride for spec in self.make().out_features]
        need(strides == sorted(strides), f"maps must come finest first; the strides are {strides}")


class NeckTests(_CellTests):
    """Tests of a neck. Derive from it and let ``make(in_features)`` return one.

    Attributes:
        in_features: FeatureSpecs of its input maps.
    """

    in_features: Sequence[FeatureSpec] = (FeatureSpec(8, 4), FeatureSpec(16, 8), FeatureSpec(24, 16), FeatureSpec(32, 32))

    def make(self) -> Neck:
        return super().make()

    def _divisor(self, cell: nn.Cell) -> int:
        return max(spec.stride for spec in self.in_features)

    def _specs(self, cell: Neck) -> Dict[str, FeatureSpec]:
        need(getattr(cell, "out_features", None), "a neck must set out_features: a FeatureSpec for each map, finest first")
        return {f"out_features[{index}]": spec for index, spec in enumerate(cell.out_features)}

    def _inputs(self, cell: nn.Cell, height: int, width: int) -> List[np.ndarray]:
        return [_noise(spec.channels, height, width, spec.stride) for spec in self.in_features]

    def _run(self, cell: nn.Cell, inputs: List[Tensor]) -> Dict[str, Tensor]:
        return _named(cell(tuple(inputs)))


class HeadTests(NeckTests):
    """Tests of a head. Derive from it and let ``make`` return one that was built for :attr:`in_features`."""

    in_features: Sequence[FeatureSpec] = (FeatureSpec(16, 8),)

    def make(self) -> Head:
        return PartTests.make(self)

    def _specs(self, cell: Head) -> Dict[str, FeatureSpec]:
        need(isinstance(getattr(cell, "out_maps", None), Mapping), "a head must set out_maps: a FeatureSpec for each map by name")
        return dict(cell.out_maps)

    def _run(self, cell: nn.Cell, inputs: List[Tensor]) -> Dict[str, Tensor]:
        found = cell(tuple(inputs))
        need(isinstance(found, Mapping), f"a head must return maps by name, not {type(found).__name__}")
        return {name: found[name] for name in self._specs(cell) if name in found}


class _Tuple(nn.Cell):
    """A wrapper of a part that takes single tensors and returns a tuple, as exports and gradients need it."""

    def __init__(self, tests: _CellTests, cell: nn.Cell) -> None:
        super().__init__(auto_prefix=False)
        self.cell, self.one_by_one = cell, isinstance(cell, Backbone)
        self.names = tuple(tests._specs(cell)) if isinstance(cell, Head) else ()

    def construct(self, *inputs):
        found = self.cell(*inputs) if self.one_by_one else self.cell(inputs)
        if not self.names:
            return found
        maps = ()
        for name in self.names:
            maps = maps + (found[name],)
        return maps


class _MeanSquare(nn.Cell):
    """A mean square of a part's maps whose gradient does not vanish by symmetry."""

    def __init__(self, part: _Tuple) -> None:
        super().__init__(auto_prefix=False)
        self.part = part

    def construct(self, *inputs):
        total = 0.0
        for value in self.part(*inputs):
            pattern = ops.sin(ops.cumsum(ops.ones_like(value).reshape(-1), 0) ** 2).reshape(value.shape)
            total = total + ((value - pattern) ** 2).mean()
        return total


class _Exportable(Exportable):
    """An export of a part whose inputs may have any shapes."""

    def __init__(self, cell: nn.Cell, maps: Mapping[str, FeatureSpec], inputs: Mapping[str, np.ndarray], size: Tuple[int, int]) -> None:
        channels = {name: array.shape[1] for name, array in inputs.items()}
        super().__init__(cell, maps, channels, 1, size, 1, False, False, None, "float32", (), {})
        object.__setattr__(self, "inputs", inputs)

    def zeros(self, batch: int, height: int, width: int) -> Dict[str, np.ndarray]:
        return {name: np.zeros_like(array) for name, array in self.inputs.items()}


def _named(maps: object) -> Dict[str, Tensor]:
    need(isinstance(maps, (tuple, list)), f"construct must return a tuple of maps, not {type(maps).__name__}; for one map, return (x,)")
    return {f"out_features[{index}]": value for index, value in enumerate(maps)}


def _noise(channels: int, height: int, width: int, stride: int) -> np.ndarray:
    rng = np.random.default_rng((channels, stride))
    return rng.normal(size=(2, channels, height // stride, width // stride)).astype(np.float32)
