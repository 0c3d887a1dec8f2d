"""``python -m mindpoint`` is the command ``mindpoint``."""

import sys

from mindpoint.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
