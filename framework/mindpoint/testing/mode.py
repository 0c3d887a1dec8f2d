"""The execution mode of MindSpore in tests of cells."""

from __future__ import annotations

import functools
from typing import Callable

import mindspore as ms


def operator_by_operator(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test without compiling graphs, unless it requests that itself. The mode is restored afterwards."""

    @functools.wraps(test)
    def run(*arguments: object) -> None:
        before = ms.get_context("mode")
        ms.set_context(mode=ms.PYNATIVE_MODE)
        try:
            test(*arguments)
        finally:
            ms.set_context(mode=before)

    return run
