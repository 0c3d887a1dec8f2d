"""The command ``mindpoint migrate``."""

from __future__ import annotations

from typing import Sequence

from mindpoint.cli.parser import Parser


def main(argv: Sequence[str]) -> int:
    """write a configuration from one of the MindSpore model zoo, the official CenterNet, ultralytics or mmpose"""
    parser = Parser(
        prog="mindpoint migrate",
        description="Write a configuration from that of another project. What has no effect here is listed in remarks at its top. "
        "Files are read as text; nothing in them is run.",
    )
    kinds = parser.add_subparsers(dest="kind", metavar="KIND", required=True)
    for kind, what, name, example in (
        ("zoo", "the model zoo's default_config.yaml; options of its scripts may follow", "FILE", "default_config.yaml --epoch_size 350"),
        (
            "opts",
            "options of the official CenterNet: an opt.txt, a file with a command line, or its text in quotes",
            "OPTS",
            "'multi_pose --arch dla_34 --batch_size 32'",
        ),
        ("ultralytics", "an ultralytics data.yaml", "FILE", "data.yaml"),
        ("mmpose", "an mmpose dataset-info file (.py)", "FILE", "custom.py"),
    ):
        action = kinds.add_parser(
            kind, help=what, description=what, allow_abbrev=False, examples=[f"mindpoint migrate {kind} {example} --out mine.yaml"]
        )
        action.add_argument("source", metavar=name, help=what)
        action.add_argument("--out", metavar="FILE.yaml", required=True, help="the configuration to write, which must not exist")
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
    print("\n".join([f"{args.out}: made from {draft.source}", *(f"- {remark}" for remark in draft.remarks)]))
    return 0
