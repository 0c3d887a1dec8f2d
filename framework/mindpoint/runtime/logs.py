"""Messages of the framework on the console."""

from __future__ import annotations

import logging
import sys


def setup() -> None:
    """Show the framework's own messages, one plain line each, on standard output."""
    log = logging.getLogger("mindpoint")
    if not log.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
