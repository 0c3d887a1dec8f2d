"""mindpoint data"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Dict, List, Sequence

from mindpoint.cli.options import add_set
from mindpoint.cli.parser import Parser
from mindpoint.registry import registry, static
from mindpoint.runtime.tables import table

if TYPE_CHECKING:
    from mindpoint.config import Config

SPLITS = "use the section data.NAME; may be repeated (default: train and val, or all if there is neither)"


def main(argv: Sequence[str]) -> int:
    """check, count, draw, convert, import and export annotated images"""
    parser = Parser(
        prog="mindpoint data",
        description="Work on annotated images. 'mindpoint data ACTION --help' shows the options of an action.",
        listing="actions:\n" + table(None, [(f"  {name}", text) for name, text in _actions().items()]),
        examples=["mindpoint data check labels.json --images frames", "mindpoint data browse mine.yaml --html look.html"],
    )
    parser.add_argument("action", metavar="ACTION", help="one of the actions below").completer = lambda **_: _actions()
    if not argv or argv[0].startswith("-"):
        parser.parse_args(argv or ["--help"])
    name, *arguments = argv
    action = registry("data_actions").get(name, "mindpoint data")
    own = Parser(prog=f"mindpoint data {name}", description=action.description, examples=action.examples)
    action.add_arguments(own)
    return action.run(own.parse_args(arguments))


def _actions() -> Dict[str, str]:
    """Return a line of help for each action, by name."""
    found = ((entry, entry.definition()) for entry in registry("data_actions").entries())
    return {
        entry.name: static.doc(definition).partition("\n")[0] if definition else f"from {entry.distribution}" for entry, definition in found
    }


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an action that works on the data of a configuration."""
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a shipped configuration")
    add_set(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an action that works on a configuration or on an annotation file; see ``source.sources``."""
    parser.add_argument("data", metavar="DATA", help="a configuration, or a COCO annotation file (.json)")
    parser.add_argument("--images", metavar="DIR", help="with an annotation file: the folder that its file names are relative to")
    parser.add_argument("--config", metavar="CONFIG", help="with an annotation file: take keypoints and classes from this configuration")
    parser.add_argument("--split", metavar="NAME", action="append", help=f"with a configuration: {SPLITS}")
    add_set(parser)


def chosen_splits(args: argparse.Namespace, config: Config) -> List[str]:
    """Return the splits of ``--split``, or the default ones. Raises ConfigError if the configuration has no splits."""
    from mindpoint.errors import ConfigError

    there = list(config.data.get("data") or {})
    splits = args.split or [split for split in ("train", "val") if split in there] or there
    if not splits:
        raise ConfigError(f"{config.name}: the section 'data' is missing")
    return splits
