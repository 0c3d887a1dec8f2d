"""Write a trained model for another runtime: the same as ``mindpoint export``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
