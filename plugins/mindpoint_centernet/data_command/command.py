"""mindpoint data"""

from __future__ import annotations

import argparse
import importlib
from typing import Sequence

ACTIONS = ("convert",)


def main(argv: Sequence[str]) -> int:
    """check, count, look at and convert annotated images"""
    parser = argparse.ArgumentParser(prog="mindpoint data", description="Check, count, look at and convert annotated images.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name in ACTIONS:
        module = importlib.import_module(f"mindpoint_centernet.data_command.{name}")
        action = actions.add_parser(name, help=module.HELP, description=module.DESCRIPTION)
        module.add_arguments(action)
        action.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    return args.run(args)


def add_config(parser: argparse.ArgumentParser, note: str = "") -> None:
    """The arguments of an action that works on the data of a configuration."""
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a shipped configuration" + note)
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")
