"""MindSpore's operators in ONNX files: each in a small network, in ONNX Runtime beside MindSpore, at two sizes and numbers of images."""

import importlib
import re
from pathlib import Path

import mindspore as ms
import numpy as np
import onnx
import onnxruntime
import pytest
from mindpoint.contracts.exporter import Exportable
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.errors import MindpointError
from mindpoint.exporting.onnx_network import network_model
from mindpoint.exporting.onnx_sizes import Sizes, other_shape
from mindspore import Tensor, nn
from operator_cells import CELLS, Deciding, Known, Unknown, randomize

pytestmark = pytest.mark.usefixtures("graph_mode")

SHAPES = ((1, 48, 64), (3, 80, 72))


class Network(nn.Cell):
    """A cell behind a convolution of stride 4."""

    def __init__(self, cell):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 4, 4, "valid")
        self.cell = cell

    def construct(self, image):
        return (self.cell(self.stem(image)),)


def exportable(cell, dynamic=True):
    network = Network(cell)
    randomize(network)
    return Exportable(
        network=network,
        maps={"y": FeatureSpec(4, 4)},
        channels={"image": 3},
        divisor=8,
        size=SHAPES[0][1:],
        batch=None if dynamic else 1,
        dynamic_size=dynamic,
        portable=False,
        decoder=None,
        precision="float32",
        calibration=(),
        metadata={},
    )


def run(content, image):
    """Return what a file's content gives, whatever its shape."""
    del content.graph.output[:]
    content.graph.output.append(onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(content.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


def waves(batch, height, width):
    """Smooth images without symmetry, of values between -0.3 and 0.3."""
    phase = np.arange(batch * 3).reshape(batch, 3, 1, 1)
    y, x = np.arange(height).reshape(-1, 1) / 5, np.arange(width) / 7
    return (0.3 * np.sin(y + x * (1 + phase / 5) + phase**2)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_operators_give_the_same(name):
    model = exportable(CELLS[name]())
    content = network_model(model)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for batch, height, width in SHAPES:
        image = waves(batch, height, width)
        expected = model.network(Tensor(image))[0].asnumpy()
        assert np.ptp(expected) > 0.01
        found = run(content, image)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_what_a_cpu_has_no_kernel_for():
    """MindSpore compiles the cells of ``mint`` on a CPU and cannot run them there: the files are compared with other cells."""
    image = np.random.default_rng(3).normal(size=(1, 3, 96, 128)).astype(np.float32)
    mint = ms.mint.nn
    ours = [mint.Conv2d(4, 4, 3, stride=2, padding=1), mint.BatchNorm2d(4), mint.Mish(), mint.MaxPool2d(3, 2, 1)]
    theirs = [nn.Conv2d(4, 4, 3, 2, "pad", 1, has_bias=True), nn.BatchNorm2d(4), nn.Mish(), nn.MaxPool2d(3, 2, "pad", 1)]
    ours.append(mint.AdaptiveAvgPool2d((2, 3)))
    theirs.append(nn.AdaptiveAvgPool2d((2, 3)))
    found, expected = (run(network_model(exportable(nn.SequentialCell(cells))), image) for cells in (ours, theirs))
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_refusals_say_which_cell_and_where_to_read():
    with pytest.raises(MindpointError) as raised:
        network_model(exportable(nn.SequentialCell([nn.ReLU(), Unknown()])))
    assert str(raised.value).startswith(
        "cell.1 (Unknown): the operator Cummax cannot be exported to ONNX; see docs/deployment.md, 'Parts of your own'"
    )
    with pytest.raises(MindpointError, match=r"^cell \(Known\): the operator Muls depends on the input's size; export without --dynamic"):
        network_model(exportable(Known()))
    assert network_model(exportable(Known(), dynamic=False)).graph.node
    with pytest.raises(MindpointError, match="branches on values of tensors"):
        network_model(exportable(Deciding()))


def test_the_stand_in_of_the_documentation(tmp_path, monkeypatch):
    page = (Path(__file__).resolve().parents[2] / "docs" / "deployment.md").read_text(encoding="utf-8")
    (program,) = (block for block in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "class HardShrink" in block)
    (tmp_path / "documented_stand_in.py").write_text(program, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    model = exportable(importlib.import_module("documented_stand_in").HardShrink())
    content = network_model(model)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for shape in SHAPES:
        expected = model.network(Tensor(waves(*shape)))[0].asnumpy()
        np.testing.assert_allclose(run(content, waves(*shape)), expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 64, 64), (2, 64, 128), (1, 512, 384), (4, 32, 96)])
def test_numbers_that_follow_from_the_size(shape):
    """Every product of sides is told from every other one, also where sides are equal or multiples."""
    other = other_shape(shape, True, True, 32)
    assert all(second % 32 == 0 and second > first for first, second in zip(shape[1:], other[1:]))

    def numbers(batch, height, width):
        return [batch, height // 4, width // 8, batch * height, 3 * height * width // 16, batch * height * width]

    graph = OnnxGraph()
    sizes = Sizes(graph, "image", shape, other)
    names = [sizes.tensor(*pair) for pair in zip(numbers(*shape), numbers(*other))]
    for third in ((3, 96, 160), (1, 32, 64)):
        assert evaluate(graph, names, np.zeros((third[0], 3, *third[1:]), np.float32)) == numbers(*third)
    assert sizes.tensor(shape[1] + 1, other[1] + 1) is None
    assert sizes.tensor(0, 1) is None


def evaluate(graph, names, image):
    helper, types = onnx.helper, onnx.TensorProto
    outputs = [helper.make_tensor_value_info(name, types.INT64, [1]) for name in names]
    inputs = [helper.make_tensor_value_info("image", types.FLOAT, [None] * 4)]
    whole = helper.make_graph(graph.nodes, "g", inputs, outputs, graph.initializers)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [int(value[0]) for value in session.run(names, {"image": image})]
