"""How MindSpore runs the tests of cells."""

from __future__ import annotations

import functools
from typing import Callable

import mindspore as ms


def operator_by_operator(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test without compiling graphs, unless it asks for that itself; the mode is then what it was before."""

    @functools.wraps(test)
    def run(*arguments: object) -> None:
        before = ms.get_context("mode")
        ms.set_context(mode=ms.PYNATIVE_MODE)
        try:
            test(*arguments)
        finally:
            ms.set_context(mode=before)

    return run
