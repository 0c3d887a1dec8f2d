"""Tests of MindSpore's registrations for Ascend, and of the look-up of a toy network's operators."""

import json

import numpy as np
import pytest
from mindpoint.ascend.registrations import ACLNN, AICPU, HOST, MISSING, NAMED, TAIL, Registrations
from mindpoint.cli.main import main
from mindpoint.errors import MindpointError
from mindpoint.runtime import device
from mindspore import Tensor, nn, ops


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


def test_the_command(registrations, toy, capsys):
    assert main(["ascend-check", str(toy), "--json"]) == 0
    (rows,) = json.loads(capsys.readouterr().out).values()
    rows = {(row["name"], *row["kinds"]): row for row in rows}
    assert rows[("Conv2D", "float32")]["training"] >= rows[("Conv2D", "float32")]["prediction"] > 0
    assert rows[("Adam", "float32")]["training"] > 0 == rows[("Adam", "float32")]["prediction"] and rows[("Adam", "float32")]["shapes"]
    assert main(["ascend-check", "nothing-there"]) == 2
