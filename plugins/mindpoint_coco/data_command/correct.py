"""mindpoint data correct"""

from __future__ import annotations

import argparse
from pathlib import Path

from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import add_data

DESCRIPTION = """Write copies of annotation files with the corrections of 'mindpoint data audit' that you accept. Moved joints and wrong
boxes take the model's values, swapped joints are swapped back, missing objects are added as detected, superfluous ones removed. The
original is never changed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("audit", metavar="AUDIT", type=Path, help="the folder of an audit, or its suspects.json")
    add_data(parser)
    parser.add_argument("--accept", metavar="IDS", required=True, help="numbers of suspects, such as 1,4,7-20, or a file that holds them")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for the corrected files, new or empty")


def run(args: argparse.Namespace) -> int:
    import json

    from mindpoint.errors import ConfigError
    from mindpoint.storage.files import atomic_folder

    from mindpoint_coco.audit.suspect_file import accepted_ids, corrected, read_suspects
    from mindpoint_coco.data_command.source import sources
    from mindpoint_coco.datasets.coco_file import check

    path = args.audit / "suspects.json" if args.audit.is_dir() else args.audit
    suspects = read_suspects(path)
    accepted = [suspects[number] for number in accepted_ids(_text(args.accept), set(suspects))]
    found = {source.name: source for source in sources(args, images=False)}
    strange = sorted({suspect["split"] for suspect in accepted} - set(found))
    if strange:
        raise ConfigError(f"{path}: audits {', '.join(strange)}, but {args.data} has {', '.join(found)}; name the data that was audited")
    with atomic_folder(args.out) as folder:
        for name, source in found.items():
            own = [suspect for suspect in accepted if suspect["split"] == name]
            check(source.content, source.origin, source.classes, source.fields)
            content = corrected(source.content, own, source.origin)
            check(content, f"{source.origin}, corrected", source.classes, source.fields)
            (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
            print(f"{args.out / name}.json: {len(own)} corrections")
    return 0


def _text(accept: str) -> str:
    """Return the text of ``--accept``, or of the file that it names."""
    from mindpoint.errors import ConfigError

    if not accept.strip(" ,-0123456789"):
        return accept
    try:
        return Path(accept).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"--accept: {accept!r} is neither numbers such as 1,4,7-20 nor a file that can be read ({error})") from error


class Correct(DataAction):
    """write a copy of the annotations with accepted corrections of an audit"""

    description = DESCRIPTION
    examples = ("mindpoint data correct audit mine.yaml --accept 1,4,7-20 --out corrected",)
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
