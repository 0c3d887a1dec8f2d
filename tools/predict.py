"""Detect on images: the same as ``mindpoint predict``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["predict", *sys.argv[1:]]))
