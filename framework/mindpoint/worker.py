"""One process of a job: the command ``mindpoint`` as one rank, or, without arguments, MindSpore's scheduler."""

from __future__ import annotations

import sys
from typing import Sequence

from mindpoint.cli.main import main
from mindpoint.launch.process import run
from mindpoint.runtime import distributed


def _command(arguments: Sequence[str]) -> int:
    if arguments:
        return main(arguments)
    distributed.init()
    return 0


if __name__ == "__main__":
    run(lambda: _command(sys.argv[1:]))
