"""mindpoint data check"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, List, Tuple

from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import add_data

if TYPE_CHECKING:
    from mindpoint_coco.data_command.source import Source
    from mindpoint_coco.datasets.annotation_check import Problem
    from mindpoint_coco.datasets.restored import Measured

DESCRIPTION = """Check every record and every image file, and report each problem. Exit code 0: no problem found; 1: problems found; 2: the
data cannot be used at all. Remarks on suspicious values do not affect the exit code."""
_SHOWN = 10  # problems per kind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data(parser)
    parser.add_argument("--fix", metavar="DIR", type=Path, help="write fixed copies of the annotation files to this folder, new or empty")
    parser.add_argument(
        "--area", metavar="FACTOR", type=float, default=1.0, help="set a missing area to FACTOR times the area of the box (default: 1)"
    )
    parser.add_argument("--drop", action="store_true", help="with --fix: drop the records that cannot be fixed")
    parser.add_argument("--no-images", action="store_true", help="do not open the image files")
    parser.add_argument("--all", action="store_true", help=f"show all problems, not only {_SHOWN} per kind")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write all problems to this file")


def run(args: argparse.Namespace) -> int:
    from mindpoint.errors import ConfigError

    from mindpoint_coco.data_command.source import sources

    if not 0 < args.area <= 1e6:
        raise ConfigError(f"--area is {args.area:g}; it must be positive and at most 1e6")
    if args.drop and not args.fix:
        raise ConfigError("--drop needs --fix DIR, the folder for the copies without those records")
    found = {source: _look(source, args) for source in sources(args, not args.no_images)}
    for source, (problems, _) in found.items():
        _report(source, problems, args.all)
    if args.json:
        _write_json(args.json, {source.name: problems for source, (problems, _) in found.items()})
    if not args.fix:
        return int(any(problems for problems, _ in found.values()))
    return _fix(found, args)


def _look(source: Source, args: argparse.Namespace) -> Tuple[List[Problem], Measured]:
    from mindpoint.errors import DataError

    from mindpoint_coco.data_command.image_check import measure
    from mindpoint_coco.datasets.rules import missing_list

    missing = missing_list(source.content)
    if missing:
        raise DataError(f"{source.origin}: {missing}")
    measured = {} if args.no_images else measure(source)
    return _problems(source, source.content, measured), measured


def _problems(source: Source, content: dict, measured: Measured) -> List[Problem]:
    from mindpoint_coco.data_command.image_check import file_problems
    from mindpoint_coco.datasets.coco_check import check_content

    return [*check_content(content, source.naming.names, source.fields, measured), *file_problems(content["images"], measured)]


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
            print(f"  {problem}{'  [fixable with --fix]' if problem.mendable else ''}")
        if len(shown) < len(alike):
            print(f"  ... and {len(alike) - len(shown)} more of this kind; --all shows them")
    for line in remarks(source):
        print(textwrap.fill(line, 140, initial_indent="  ", subsequent_indent="    "))


def _write_json(path: Path, found: dict[str, List[Problem]]) -> None:
    import json
    from dataclasses import asdict

    from mindpoint.storage.files import write_text

    write_text(path, json.dumps({name: [asdict(problem) for problem in problems] for name, problems in found.items()}, indent=1))


def _fix(found: dict[Source, Tuple[List[Problem], Measured]], args: argparse.Namespace) -> int:
    """Write the fixed copies; return 1 if problems are left, else 0."""
    import json

    from mindpoint.storage.files import atomic_folder

    from mindpoint_coco.datasets.coco_mend import mended, without_hopeless

    left = {}
    with atomic_folder(args.fix) as folder:
        for source, (_, measured) in found.items():
            content = whole = mended(source.content, source.naming.names, source.fields, args.area, measured)
            if args.drop:
                content = without_hopeless(whole, source.naming.names, source.fields, measured)
            (folder / f"{source.name}.json").write_text(json.dumps(content), encoding="utf-8")
            gone = [f"{len(whole[kind]) - len(content[kind])} {kind}" for kind in ("images", "annotations")]
            left[source] = _problems(source, content, measured), f" ({' and '.join(gone)} left out)" * args.drop
    for source, (problems, gone) in left.items():
        hopeless = "; --drop removes the records that cannot be fixed" if problems and not args.drop else ""
        print(f"{args.fix / source.name}.json: {_counted(found[source][0])} before, {len(problems) or 'nothing'} left{gone}{hopeless}")
    return int(any(problems for problems, _ in left.values()))


def _counted(problems: List[Problem]) -> str:
    return "1 problem" if len(problems) == 1 else f"{len(problems) or 'no'} problems"


class Check(DataAction):
    """find what is wrong with annotations and images"""

    description = DESCRIPTION
    examples = (
        "mindpoint data check labels.json --images frames",
        "mindpoint data check mine.yaml --fix mended",
    )
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
