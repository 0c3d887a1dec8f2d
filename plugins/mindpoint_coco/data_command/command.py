"""mindpoint data"""

from __future__ import annotations

import argparse
import importlib
from typing import TYPE_CHECKING, List, Sequence

if TYPE_CHECKING:
    from mindpoint.config import Config

SPLITS = "data.NAME; may be repeated (default: train and val, or all if there is neither)"
ACTIONS = ("check", "stats", "browse", "convert")


def main(argv: Sequence[str]) -> int:
    """check, count, look at and convert annotated images"""
    parser = argparse.ArgumentParser(prog="mindpoint data", description="Check, count, look at and convert annotated images.")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name in ACTIONS:
        module = importlib.import_module(f"mindpoint_coco.data_command.{name}")
        action = actions.add_parser(name, help=module.HELP, description=module.DESCRIPTION)
        module.add_arguments(action)
        action.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    return args.run(args)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an action that works on the data of a configuration."""
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a shipped configuration")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an action that works on a configuration or on an annotation file; see ``source.sources``."""
    parser.add_argument("data", metavar="DATA", help="a configuration, or a COCO annotation file (.json)")
    parser.add_argument("--images", metavar="DIR", help="with an annotation file: the folder that its file names are relative to")
    parser.add_argument("--config", metavar="CONFIG", help="with an annotation file: take keypoints and classes from this configuration")
    parser.add_argument("--split", metavar="NAME", action="append", help=f"with a configuration: {SPLITS}")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value of the configuration")


def chosen_splits(args: argparse.Namespace, config: Config) -> List[str]:
    """Return the splits that ``--split`` names, or those it stands for by default. Raises ConfigError if there is none."""
    from mindpoint.errors import ConfigError

    there = list(config.data.get("data") or {})
    splits = args.split or [split for split in ("train", "val") if split in there] or there
    if not splits:
        raise ConfigError(f"{config.name}: there is no 'data' section")
    return splits
