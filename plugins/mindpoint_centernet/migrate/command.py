"""The command ``mindpoint migrate``."""

from __future__ import annotations

from typing import Sequence

from mindpoint.cli.parser import Parser


def main(argv: Sequence[str]) -> int:
    """convert a configuration of the MindSpore model zoo, the official CenterNet, ultralytics or mmpose"""
    parser = Parser(
        prog="mindpoint migrate",
        description="Convert a configuration of another project. Remarks at the top of the new file list the options without an "
        "equivalent. Files are read as text and never run.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, what, name, example in (
        (
            "zoo",
            "the model zoo's default_config.yaml; options of its scripts can follow the file",
            "FILE",
            "default_config.yaml --epoch_size 350",
        ),
        (
            "opts",
            "options of the official CenterNet: an opt.txt, a file that contains a command line, or a command line in quotes",
            "OPTS",
            "'multi_pose --arch dla_34 --batch_size 32'",
        ),
        ("ultralytics", "an ultralytics data.yaml", "FILE", "data.yaml"),
        ("mmpose", "an mmpose dataset-info file (.py)", "FILE", "custom.py"),
    ):
        action = kinds.add_parser(
            kind,
            help=what,
            description=f"Convert {what}.",
            allow_abbrev=False,
            examples=[f"mindpoint migrate {kind} {example} --out mine.yaml"],
        )
        action.add_argument("source", metavar=name, help=what)
        action.add_argument("--out", metavar="FILE.yaml", required=True, help="the configuration to write; it must not exist yet")
    args, options = parser.parse_known_args(argv)
    from mindpoint.storage.files import refuse_existing

    from mindpoint_centernet.migrate import datasets, official, zoo

    if options and args.kind != "zoo":
        parser.error(f"unrecognized arguments: {' '.join(options)}")
    refuse_existing(args.out, ".yaml")
    if args.kind == "zoo":
        draft = zoo.migrate(args.source, options, args.out)
    else:
        draft = {"opts": official.migrate, "ultralytics": datasets.ultralytics, "mmpose": datasets.mmpose}[args.kind](args.source, args.out)
    draft.write()
    print("\n".join([f"{args.out}: converted from {draft.source}", *(f"- {remark}" for remark in draft.remarks)]))
    return 0
