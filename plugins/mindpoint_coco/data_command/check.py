"""mindpoint data check"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, List

from mindpoint.contracts.action import DataAction
from mindpoint_coco.data_command.command import add_data

if TYPE_CHECKING:
    from mindpoint_coco.data_command.source import Source
    from mindpoint_coco.datasets.annotation_check import Problem

DESCRIPTION = """Look at every record and every image file. Exit code 0: nothing is wrong; 1: something is, each thing is named; 2: the data
cannot be used at all. Remarks on what is merely suspicious do not count."""
_SHOWN = 10  # problems of a kind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--fix", metavar="DIR", type=Path, help="write mended copies of the annotation files to this folder, new or empty")
    parser.add_argument(
        "--area", metavar="FACTOR", type=float, default=1.0, help="an absent area becomes FACTOR times the box's (default: 1)"
    )
    parser.add_argument("--no-images", action="store_true", help="do not open the image files")
    parser.add_argument("--all", action="store_true", help=f"show all problems, not only {_SHOWN} of a kind")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write all problems to this file")


def run(args: argparse.Namespace) -> int:
    from mindpoint.errors import ConfigError
    from mindpoint_coco.data_command.source import sources

    if not args.area > 0:
        raise ConfigError(f"--area: {args.area:g} is not positive")
    found = {source: _look(source, args) for source in sources(args, not args.no_images)}
    for source, problems in found.items():
        _report(source, problems, args.all)
    if args.json:
        _write_json(args.json, found)
    if not args.fix:
        return int(any(found.values()))
    return _fix(found, args)


def _look(source: Source, args: argparse.Namespace) -> List[Problem]:
    from mindpoint.errors import DataError
    from mindpoint_coco.data_command.image_check import image_problems
    from mindpoint_coco.datasets.coco_check import check_content

    try:
        problems = check_content(source.content, source.classes, source.fields)
    except DataError as error:
        raise DataError(f"{source.origin}: {error}") from error
    return problems if args.no_images else [*problems, *image_problems(source)]


def _report(source: Source, problems: List[Problem], everything: bool) -> None:
    from mindpoint_coco.data_command.image_check import remarks

    images, annotations = len(source.content["images"]), len(source.content["annotations"])
    print(f"{source.name}: {source.origin}: {images} images, {annotations} annotations, {_counted(problems)}")
    kinds: dict = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    for alike in kinds.values():
        shown = alike if everything else alike[:_SHOWN]
        for problem in shown:
            print(f"  {problem}{'  [--fix mends it]' if problem.mendable else ''}")
        if len(shown) < len(alike):
            print(f"  ... and {len(alike) - len(shown)} more like it; --all shows them")
    for line in remarks(source):
        print(textwrap.fill(line, 140, initial_indent="  ", subsequent_indent="    "))


def _write_json(path: Path, found: dict[Source, List[Problem]]) -> None:
    import json
    from dataclasses import asdict

    from mindpoint.storage.files import write_text

    write_text(path, json.dumps({source.name: [asdict(problem) for problem in problems] for source, problems in found.items()}, indent=1))


def _fix(found: dict[Source, List[Problem]], args: argparse.Namespace) -> int:
    """Write the mended copies; 1 if something is still wrong with one."""
    import json

    from mindpoint.storage.files import atomic_folder
    from mindpoint_coco.datasets.coco_check import check_content
    from mindpoint_coco.datasets.coco_mend import mended

    left = []
    with atomic_folder(args.fix) as folder:
        for source, problems in found.items():
            content = mended(source.content, source.classes, source.fields, args.area)
            (folder / f"{source.name}.json").write_text(json.dumps(content), encoding="utf-8")
            records = check_content(content, source.classes, source.fields)
            left.append(records + [problem for problem in problems if problem.kind == "file"])
    for source, problems in zip(found, left):
        print(f"{args.fix / source.name}.json: {_counted(found[source])} before, {len(problems) or 'nothing'} left")
    return int(any(left))


def _counted(problems: List[Problem]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems) or 'no'} problems"


class Check(DataAction):
    """find what is wrong with annotations and images"""

    description = DESCRIPTION
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
