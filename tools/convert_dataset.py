"""Write data sets as MindRecord files: the same as ``mindpoint data convert``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["data", "convert", *sys.argv[1:]]))
