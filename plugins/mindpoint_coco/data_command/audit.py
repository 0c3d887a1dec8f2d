"""mindpoint data audit"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Callable, List

from mindpoint.cli.options import add_engine, add_trust
from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import add_data

if TYPE_CHECKING:
    from mindpoint import Predictor

    from mindpoint_coco.audit.suspects import Suspect
    from mindpoint_coco.data_command.source import Source

DESCRIPTION = """Compare the annotations with a trained model, and rank those that are probably wrong: left and right swapped, moved joints,
wrong boxes, wrong classes, missing and superfluous objects. Writes index.html, with a picture of each suspect, and suspects.json.
'mindpoint data correct' then writes a copy of the annotations with the corrections that you accept."""
_LOWEST = 0.1  # minimum score of the detections that are used


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, an exported file, or a run folder (its best.ckpt, else last.ckpt)")
    add_data(parser)
    parser.add_argument("--most", metavar="N", type=int, default=200, help="suspects to show (default: 200)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the files, new or empty (default: data-audit-NAME)")
    add_engine(parser)
    add_trust(parser, "the model")


def run(args: argparse.Namespace) -> int:
    from mindpoint import Predictor
    from mindpoint.errors import ConfigError
    from mindpoint.runtime import logs

    if args.most < 1:
        raise ConfigError(f"--most is {args.most}; it must be at least 1")
    logs.setup()
    audit(lambda: Predictor(args.model, _LOWEST, trust=args.trust, engine=args.engine), args)
    return 0


def audit(open_model: Callable[[], Predictor], args: argparse.Namespace) -> None:
    """Write the page and the file of suspects. ``open_model`` is called after data and folder have been checked."""
    from mindpoint.storage.files import atomic_folder

    from mindpoint_coco.audit.suspect_file import write_suspects
    from mindpoint_coco.data_command.audit_page import write_page
    from mindpoint_coco.data_command.source import sources

    out, found = args.out or Path(f"data-audit-{Path(args.data).stem}"), []
    with atomic_folder(out) as folder:
        contents = {source: source.sound() for source in sources(args, images=True)}
        predictor = open_model()
        for source, content in contents.items():
            found += [(source, suspect) for suspect in _suspects(predictor, source, content)]
        found = sorted(found, key=lambda entry: -entry[1].surprise)[: args.most]
        write_suspects(folder / "suspects.json", found)
        write_page(folder / "index.html", found, args, out)
    kinds = [suspect.kind for _, suspect in found]
    print(f"{out / 'index.html'}: {len(found)} suspects: " + ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)))


def _suspects(predictor: Predictor, source: Source, content: dict) -> List[Suspect]:
    from mindpoint_coco.audit.predictions import compared
    from mindpoint_coco.audit.suspects import suspects

    return suspects(list(compared(predictor, source, content)), source.keypoints)


class Audit(DataAction):
    """rank annotations that are probably wrong, by a trained model"""

    description = DESCRIPTION
    examples = ("mindpoint data audit runs/mine mine.yaml --out audit",)
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
