"""Convolutions whose kernel also normalises by moving statistics, adds a residual and applies ReLU, against MindSpore's operators."""

import mindspore as ms
import numpy as np
import pytest
from cell_gradients import run
from mindpoint.native.accelerate import accelerate
from mindpoint.native.batch_norm import NativeBatchNorm2d
from mindpoint.native.build import find_compilers
from mindpoint.native.conv2d import NativeConv2d
from mindpoint.native.fused import NativeSequence, conv_norm
from mindspore import Parameter, Tensor, nn, ops

pytestmark = [pytest.mark.skipif(not find_compilers(), reason="no C++ compiler here"), pytest.mark.usefixtures("graph_mode")]
CONVOLUTIONS = {  # channels, outputs, kernel, stride, groups
    "3x3": (5, 9, 3, 1, 1),
    "Winograd": (18, 35, 3, 1, 1),
    "stride 2": (7, 5, 3, 2, 1),
    "1x1": (33, 18, 1, 1, 1),
    "grouped": (8, 6, 3, 1, 2),
    "depthwise": (6, 6, 3, 2, 6),
}
STEPS = [(True, True, True), (True, False, True), (True, False, False), (False, True, True), (False, False, True)]


class Block(nn.Cell):
    """``relu(norm(conv(x)) + residual)``; the residual is a parameter, so that its gradient is computed."""

    def __init__(self, kind, steps, bias=True, seed=0):
        super().__init__()
        channels, outputs, kernel, stride, groups = CONVOLUTIONS[kind]
        normalised, added, self.relu = steps
        rng = np.random.default_rng(seed)
        self.conv = nn.Conv2d(channels, outputs, kernel, stride, "pad", kernel // 2, group=groups, has_bias=bias)
        self.norm = nn.BatchNorm2d(outputs) if normalised else None
        for p in self.get_parameters():
            p.set_data(Tensor((rng.uniform(0.5, 2, p.shape) if "variance" in p.name else rng.normal(size=p.shape)).astype(np.float32)))
        self.x = rng.standard_normal((2, channels, 25, 27)).astype(np.float32)
        shape = (2, outputs, (25 - 1) // stride + 1, (27 - 1) // stride + 1)
        self.dy, residual = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
        self.residual = Parameter(Tensor(residual), name="residual") if added else None

    def construct(self, x):
        return conv_norm(self.conv, self.norm, x, self.residual, self.relu)


def agree(found, wanted):
    for value, right in zip(found, wanted, strict=True):
        np.testing.assert_allclose(value, right, rtol=0, atol=1e-5 * np.abs(right).max())


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_outputs_and_gradients_are_those_of_the_single_cells(kind, steps, eager_mode):
    wanted = run(plain := Block(kind, steps).set_train(False), plain.x, plain.dy)
    fused = Block(kind, steps).set_train(False)
    assert accelerate(fused) > 0 and type(fused.conv) is NativeConv2d
    if kind == "Winograd":  # one kind shows that a compiled network calls the kernel alike
        ms.set_context(mode=ms.GRAPH_MODE)
    agree(run(fused, fused.x, fused.dy), wanted)


def unused(self, x, residual=None, relu=False):
    return x


def test_the_normalisation_itself_is_not_run(monkeypatch):
    block = Block("Winograd", (True, True, True), bias=False).set_train(False)
    wanted = block(Tensor(block.x)).asnumpy()
    fused = Block("Winograd", (True, True, True), bias=False).set_train(False)
    accelerate(fused)
    monkeypatch.setattr(NativeBatchNorm2d, "construct", unused)
    agree([fused(Tensor(fused.x)).asnumpy()], [wanted])


def test_statistics_and_weights_of_the_moment_count():
    """Training, evaluation, training and evaluation again, with the weights and statistics as they are then."""
    blocks = [Block("3x3", (True, True, True)), Block("3x3", (True, True, True))]
    accelerate(blocks[1])
    x = Tensor(blocks[0].x)
    for round in range(3):
        for train in (True, False):
            wanted, found = (block.set_train(train)(x).asnumpy() for block in blocks)
            agree([found], [wanted])
        means = [block.norm.moving_mean.asnumpy() for block in blocks]
        agree(means[1:], means[:1])
        for block in blocks:
            block.conv.weight.set_data(block.conv.weight * -1.5 + round)
            block.norm.gamma.set_data(block.norm.gamma + 0.5)


@pytest.mark.slow
def test_other_types_and_the_environment_leave_it_to_mindspore(monkeypatch):
    block = Block("3x3", (True, True, True)).set_train(False)
    wanted = block(Tensor(block.x)).asnumpy()
    accelerate(block)
    monkeypatch.setenv("MINDPOINT_KERNELS", "portable")
    again = nn.SequentialCell([block]).set_train(False)  # a cell compiles once
    agree([again(Tensor(block.x)).asnumpy()], [wanted])
    monkeypatch.delenv("MINDPOINT_KERNELS")
    half = block.to_float(ms.float16)(Tensor(block.x))
    np.testing.assert_allclose(half.asnumpy(), wanted, rtol=0, atol=0.02 * np.abs(wanted).max())


def test_a_sequence_is_taken_in_as_few_steps_as_possible():
    def sequence():
        rng = np.random.default_rng(0)
        cells = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1, has_bias=True), nn.ReLU(), nn.Sigmoid(), nn.ReLU()]
        made = nn.SequentialCell([*cells, nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1), nn.BatchNorm2d(2)])
        for p in made.get_parameters():
            p.set_data(Tensor(rng.uniform(0.5, 2, p.shape).astype(np.float32)))
        return made

    x = Tensor(np.random.default_rng(1).standard_normal((2, 3, 9, 8)).astype(np.float32))
    wanted, found = sequence().set_train(False), sequence().set_train(False)
    names = [p.name for p in found.get_parameters()]
    assert accelerate(found) == 7 and type(found) is NativeSequence
    assert found.steps == ((0, 1, True), (3, None, True), (5, None, False), (6, 7, False), (8, 9, False))
    assert [p.name for p in found.get_parameters()] == names
    agree([ops.stop_gradient(found(x)).asnumpy()], [wanted(x).asnumpy()])
