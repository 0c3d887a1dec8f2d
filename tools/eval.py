"""Evaluate a trained network: the same as ``mindpoint eval``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["eval", *sys.argv[1:]]))
