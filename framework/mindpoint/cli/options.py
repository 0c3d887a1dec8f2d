"""Arguments that several commands have."""

from __future__ import annotations

import argparse


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add ``--engine``."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        default="auto",
        help="what runs an exported file: onnxruntime, openvino, or one that a plugin adds (default: auto, the fastest that is installed)",
    )


def add_trust(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--trust``; ``what`` names what is trusted."""
    parser.add_argument(
        "--trust", action="store_true", help=f"let {what} name any class: only if you trust whoever made it, it can run code"
    )
