"""Convert weights of the official CenterNet to a checkpoint: the same as ``mindpoint weights convert``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["weights", "convert", *sys.argv[1:]]))
