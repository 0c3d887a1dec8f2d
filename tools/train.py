"""Train a network: the same as ``mindpoint train``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
