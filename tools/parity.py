"""Compare with recorded values of the official implementation: the same as ``mindpoint parity``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["parity", *sys.argv[1:]]))
