"""mindpoint data convert"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from mindpoint.contracts.action import DataAction

from mindpoint_coco.data_command.command import SPLITS, add_config, chosen_splits

DESCRIPTION = """Write the data sets of a configuration as MindRecord files, with the image bytes unchanged, and a manifest, to DIR/SPLIT.
Train and evaluate from them with the dataset block {type: MindRecordDataset, path: DIR/SPLIT}."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder for the result, with one folder per split")
    parser.add_argument("--split", metavar="NAME", action="append", help=SPLITS)
    parser.add_argument(
        "--coco",
        metavar="DIR",
        help="read the data from this folder, in the published layout, instead of the paths of data.SPLIT",
    )
    parser.add_argument("--prefix", metavar="NAME", help="prefix of the file names (default: images.mindrecord)")
    parser.add_argument("--shards", metavar="N", type=int, default=8, help="files per split, at most one per image (default: 8)")
    parser.add_argument("--overwrite", action="store_true", help="replace converted data once the new data is complete")
    parser.add_argument("--verify", action="store_true", help="write nothing; verify the checksums of existing files")


def run(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config
    from mindpoint.data.layout import with_layout
    from mindpoint.errors import ConfigError

    config = load_config(args.config, args.set, () if args.coco else ("data",))
    splits = chosen_splits(args, config)
    for split in splits if args.coco else ():
        config = with_layout(config, args.coco, split)
    if args.prefix is not None and not re.fullmatch(r"[\w-][\w.-]{0,99}", args.prefix):
        raise ConfigError(f"--prefix: '{args.prefix}' is not a valid prefix of file names; use letters, digits, '-', '_' and '.'")
    if not 1 <= args.shards <= 1000:
        raise ConfigError(f"--shards is {args.shards}; it must be in 1..1000")
    action = _verify if args.verify else _convert
    return max(action(args, config, split) for split in splits)


def _convert(args: argparse.Namespace, config, split: str) -> int:
    from mindpoint.errors import ConfigError

    from mindpoint_coco.datasets.mindrecord_writer import PREFIX, convert

    if args.out is None:
        raise ConfigError("--out is missing; name the folder for the converted data")
    config.split(split)
    dataset, out = config.build(f"data.{split}.dataset"), args.out / split
    manifest = convert(dataset, out, args.shards, args.overwrite, args.prefix or PREFIX)
    files = [entry for name, entry in manifest["files"].items() if not name.endswith(".db")]
    megabytes = sum(entry["size"] for entry in manifest["files"].values()) / 1e6
    print(f"{out}: {manifest['images']} images with {manifest['objects']} objects in {len(files)} files, {megabytes:.0f} MB, read back")
    print(f"dataset: {{type: MindRecordDataset, path: {out}}}")
    return 0


def _verify(args: argparse.Namespace, config, split: str) -> int:
    from mindpoint.errors import ConfigError, DataError
    from mindpoint.runtime.progress import track

    from mindpoint_coco.datasets.mindrecord import MindRecordDataset

    config.split(split)
    dataset = config.build(f"data.{split}.dataset") if args.out is None else MindRecordDataset(str(args.out / split), [])
    if not isinstance(dataset, MindRecordDataset):
        raise ConfigError(f"{config.name}: data.{split}.dataset is not a MindRecordDataset; name the folder to verify with --out")
    total = len(dataset.manifest["files"]) + len(dataset)
    damage = [problem for problem in track(dataset.damage(), total, f"verifying {split}") if problem]
    if damage:
        raise DataError("\n".join(damage))
    print(f"{dataset.folder}: {len(dataset.manifest['files'])} files and {len(dataset)} images match their checksums")
    return 0


class Convert(DataAction):
    """convert data to MindRecord files"""

    description = DESCRIPTION
    examples = ("mindpoint data convert mine.yaml --out data/mine",)
    add_arguments, run = staticmethod(add_arguments), staticmethod(run)
