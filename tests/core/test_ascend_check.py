"""Tests of MindSpore's registrations for Ascend, and of the look-up of a toy network's operators."""

import json

import numpy as np
import pytest
from mindpoint.ascend.registrations import ACLNN, AICPU, HOST, MISSING, NAMED, TAIL, Registrations
from mindpoint.cli.main import main
from mindpoint.errors import MindpointError
from mindpoint.runtime import device
from mindspore import Parameter, Tensor, nn, ops
from mindspore.train import serialization


@pytest.fixture(scope="module")
def registrations():
    try:
        return Registrations.installed()
    except MindpointError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    "operator, kinds, where",
    [
        ("SplitWithSize", ("float32",), ACLNN),
        ("ReLU", ("float32",), ACLNN),
        ("Conv2D", ("float32",), NAMED),
        ("Stack", ("float32",), AICPU),
        ("Stack", ("quaternion",), TAIL),
        ("NoSuchOperator", ("float32",), MISSING),
        ("TupleGetItem", ("float32",), HOST),
        ("ScalarAdd", (), HOST),
    ],
)
def test_where_an_operator_is_registered(registrations, operator, kinds, where):
    assert registrations.where(operator, kinds) == where


class Known(nn.Cell):
    """One sigmoid, two additions, of one shape."""

    def construct(self, x):
        return ops.sigmoid(x + x) + x


def test_operators_of_a_graph():
    from mindpoint.ascend.graph import operators

    device.setup("CPU", seed=0)
    found = {
        (operator.name, operator.kinds, operator.shapes): count
        for operator, count in operators(Known(), [Tensor(np.ones((2, 3), np.float32))]).items()
    }
    assert found[("Sigmoid", ("float32",), ((2, 3),))] == 1 and found[("Add", ("float32",), ((2, 3),))] == 2


class Weighted(nn.Cell):
    def __init__(self):
        super().__init__()
        self.weight = Parameter(np.ones((2, 3), np.float32))

    def construct(self, x):
        return x * self.weight


def test_operators_of_a_graph_whose_weights_do_not_fit_into_one_file(monkeypatch):
    from mindpoint.ascend.graph import operators

    device.setup("CPU", seed=0)
    monkeypatch.setattr(serialization, "TOTAL_SAVE", 0)  # KiB of weights from which on MindSpore writes several files
    assert [operator.name for operator in operators(Weighted(), [Tensor(np.ones((2, 3), np.float32))])].count("Mul") == 1


@pytest.mark.slow
def test_the_command(registrations, toy, tmp_path, capsys):
    """What went before in the same process changes nothing."""

    def said(*configs):
        assert main(["ascend-check", *map(str, configs), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    other = tmp_path / "other.yaml"
    other.write_text(toy.read_text().replace("Adam", "SGD"))
    rows = said(toy)[str(toy)]
    later = said(other, toy)
    assert later[str(toy)] == rows != later[str(other)]
    rows = {(row["name"], *row["kinds"]): row for row in rows}
    assert rows[("Conv2D", "float32")]["training"] >= rows[("Conv2D", "float32")]["prediction"] > 0
    assert rows[("Adam", "float32")]["training"] > 0 == rows[("Adam", "float32")]["prediction"] and rows[("Adam", "float32")]["shapes"]
    assert main(["ascend-check", "nothing-there"]) == 2
