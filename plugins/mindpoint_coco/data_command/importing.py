"""mindpoint data import"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Sequence

from mindpoint.contracts.action import DataAction
from mindpoint.contracts.importer import Importer
from mindpoint.errors import ConfigError, DataError
from mindpoint.registry import registry

DESCRIPTION = """Read the annotations of another tool and write them as a COCO annotation file, OUT/annotations.json. Images stay where they
are. 'mindpoint plugins list importers' lists the formats."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", metavar="FORMAT", help="name of the format, or auto: the one that recognises SOURCE")
    parser.add_argument("source", metavar="SOURCE", type=Path, help="the file or folder that the tool has written")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder for the annotation file, new or empty")
    parser.add_argument("--images", metavar="DIR", type=Path, help="folder of the images (default: as the format says)")
    parser.add_argument("--option", metavar="NAME=VALUE", action="append", default=[], help="an argument of the format's importer")


def run(args: argparse.Namespace) -> int:
    from mindpoint.storage.files import atomic_folder

    if not args.source.exists():
        raise DataError(f"{args.source}: no such file or folder")
    if args.images is not None and not args.images.is_dir():
        raise DataError(f"{args.images}: no such folder of images")
    importer = importer_for(args.format, args.source, args.option)
    truth = importer.read(args.source, args.images)
    with atomic_folder(args.out) as folder:
        (folder / "annotations.json").write_text(json.dumps(truth), encoding="utf-8")
    images = args.images or importer.image_folder(args.source)
    classes = ", ".join(record["name"] for record in truth["categories"])
    print(
        f"{args.out / 'annotations.json'}: {len(truth['images'])} images, {len(truth['annotations'])} objects of the classes {classes}\n"
        f"look at them with: mindpoint data check {args.out / 'annotations.json'} --images {images}"
    )
    return 0


def importer_for(name: str, source: Path, options: Sequence[str] = ()) -> Importer:
    """Return the importer of a format, for ``auto`` the one that recognises the source; ``options`` are arguments, NAME=VALUE.

    Raises:
        ConfigError: an option that the importer does not take. DataError: nothing or too much is recognised.
    """
    return _recognized(source) if name == "auto" else _importer(name, options)


def _importer(name: str, options: Sequence[str]) -> Importer:
    from mindpoint.config.node import Problems
    from mindpoint.config.text import parse

    arguments = {}
    for text in options:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--option {text}: write NAME=VALUE")
        problems = Problems()
        arguments[key] = parse(value, str, problems).plain()
        problems.raise_any()
    make = registry("importers").get(name, "mindpoint data import")
    try:
        return make(**arguments)
    except TypeError as error:
        raise ConfigError(f"--option: {name} does not take these: {error}") from error


def _recognized(source: Path) -> Importer:
    """Return the one importer that recognises the source."""
    names = registry("importers").names()
    found = {name: importer for name in names if (importer := _importer(name, [])).recognizes(source)}
    if len(found) != 1:
        reason = f"looks like {' and '.join(found)}" if found else "is in no format that is known here"
        raise DataError(f"{source}: {reason}; name the format: {', '.join(names)}")
    return next(iter(found.values()))


class Import(DataAction):
    """annotations of another tool to a COCO annotation file"""

    description = DESCRIPTION
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
