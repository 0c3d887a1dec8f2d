"""Arguments shared by several commands."""

from __future__ import annotations

import argparse

from mindpoint.errors import ConfigError


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add ``--engine``."""
    parser.add_argument(
        "--engine",
        metavar="NAME",
        default="auto",
        help="engine for an exported file: onnxruntime, openvino, or one of a plugin (default: auto, the fastest installed one)",
    )


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add ``--set``."""
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change a value of the configuration; +KEY=VALUE adds one"
    )


def add_trust(parser: argparse.ArgumentParser, what: str) -> None:
    """Add ``--trust``; ``what`` names the trusted thing."""
    parser.add_argument("--trust", action="store_true", help=f"let {what} name any class; it can then run code, so trust its author")


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, a short form of two ``--set`` options."""
    parser.add_argument(
        "--device",
        metavar="NAME[:ID]",
        dest="set",
        action="append",
        type=_device,
        help="device: CPU, Ascend, or Ascend:3 for the one with id 3",
    )


def _device(text: str) -> str:
    """Return the override of the configuration for a ``NAME`` or ``NAME:ID``. Raises ConfigError."""
    name, colon, number = text.partition(":")
    if colon and not (number.isdecimal() and number.isascii()):
        raise ConfigError(f"--device {text}: write NAME or NAME:ID, e.g. --device Ascend:3")
    return f"runtime={{device: {name}, device_id: {int(number)}}}" if colon else f"runtime={{device: {name}}}"
