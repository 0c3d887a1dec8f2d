"""The compiled check of gradients."""

import mindspore as ms
import numpy as np
import pytest
from mindpoint.native.build import find_compilers
from mindpoint.native.finite import AllFinite
from mindspore import Parameter, Tensor, nn

SHAPES = ((3,), (2, 3, 4, 5), (), (70000, 3))  # and as many again that fill more than one group of arrays


class Ask(nn.Cell):
    """Passes its arguments on as a tuple. A tuple from outside would be a constant, and each call would compile again."""

    def __init__(self, check):
        super().__init__()
        self.check = check

    def construct(self, *arrays):
        return self.check(arrays)


@pytest.mark.slow
@pytest.mark.parametrize("kernels", ["native", "portable"])
def test_any_number_that_is_not_finite_is_found(kernels, monkeypatch):
    if kernels == "native" and not find_compilers():
        pytest.skip("no C++ compiler here")
    monkeypatch.setenv("MINDPOINT_KERNELS", kernels)
    ms.set_context(mode=ms.GRAPH_MODE)
    arrays = [np.full(shape, np.finfo(np.float32).max, np.float32) for shape in SHAPES * 5]
    check = AllFinite([Parameter(Tensor(array), name=f"p{number}") for number, array in enumerate(arrays)])
    assert (check.operator is not None) == (kernels == "native")
    cell = Ask(check)
    ask = lambda: bool(cell(*map(Tensor, arrays)))  # noqa: E731
    assert ask()
    for array in arrays[:4] + arrays[-4:]:
        for place in {0, array.size // 2, array.size - 1}:
            for value in (np.inf, -np.inf, np.nan):
                kept = array.flat[place]
                array.flat[place] = value
                assert not ask()
                array.flat[place] = kept
    assert ask()


@pytest.mark.slow
@pytest.mark.skipif(not find_compilers(), reason="no C++ compiler here")
def test_a_network_of_many_parameters():
    """More than the thousand rounds of a loop that MindSpore unrolls, and the last group not full."""
    ms.set_context(mode=ms.GRAPH_MODE)
    arrays = [np.zeros(2, np.float32) for _ in range(1101)]
    check = AllFinite([Parameter(Tensor(array), name=f"p{number}") for number, array in enumerate(arrays)])
    ask = Ask(check)
    assert check.operator is not None and bool(ask(*map(Tensor, arrays)))
    for wrong in (0, 550, 1100):
        found = [Tensor(array if number != wrong else array + np.inf) for number, array in enumerate(arrays)]
        assert not bool(ask(*found))
