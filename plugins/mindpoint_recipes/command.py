"""write a configuration that trains on your own annotated images"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Sequence, Tuple

from mindpoint.cli.parser import Parser
from mindpoint.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from mindpoint_coco.importers.form import Kind

    from mindpoint_recipes.plan import Plan

_DESCRIPTION = """Analyse annotated images and write a configuration that trains on them, with a reason for each choice. The images stay in
place; training and validation annotations are written next to the configuration. Then run: mindpoint train FILE.yaml"""
_EVALUATIONS = 5
_RESERVE = 1.1  # training steps take a little longer than measured ones


def main(argv: Sequence[str]) -> int:
    """write a configuration that trains on your own annotated images"""
    parser = Parser(
        prog="mindpoint new",
        description=_DESCRIPTION,
        examples=["mindpoint new mouse.yaml --annotations labels.json --images frames --minutes 15"],
    )
    parser.add_argument("config", metavar="FILE.yaml", type=Path, help="the configuration to write")
    parser.add_argument(
        "--annotations",
        metavar="SOURCE",
        type=Path,
        nargs="+",
        required=True,
        help="COCO files, or files and folders of another tool; those with val or test in their name are for validation",
    )
    parser.add_argument("--images", metavar="DIR", type=Path, help="folder of the images (default: the folder of the annotations)")
    parser.add_argument(
        "--format", default="auto", help="format of the annotations, listed by 'mindpoint plugins list importers' (default: auto)"
    )
    parser.add_argument("--option", metavar="NAME=VALUE", action="append", default=[], help="set an argument of the format's importer")
    parser.add_argument("--val-share", metavar="SHARE", type=float, default=0.2, help="share of the images for validation (default: 0.2)")
    parser.add_argument("--minutes", type=float, default=15.0, help="desired duration of the training on this machine (default: 15)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the split (default: 0)")
    parser.add_argument(
        "--weights", metavar="WEIGHTS", help="file or name of the weights to start from; 'mindpoint weights fetch' lists names"
    )
    args = parser.parse_args(argv)
    _check(args)
    return _write(args, "mindpoint new " + " ".join(map(shlex.quote, argv)))


def _check(args: argparse.Namespace) -> None:
    if args.config.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"{args.config}: the name of the configuration must end in .yaml")
    for path in (args.config, _folder(args)):
        if os.path.lexists(path):
            raise OutputError(f"{path}: already exists; choose another name or remove it")
    if not 0 < args.val_share < 1:
        raise ConfigError(f"--val-share is {args.val_share:g}; it must be between 0 and 1")
    if not 0 < args.minutes <= 1e5:
        raise ConfigError(f"--minutes is {args.minutes:g}; it must be above 0 and at most 100000")
    if not 0 <= args.seed < 2**32:
        raise ConfigError(f"--seed is {args.seed}; it must be in 0..4294967295")
    if args.images is not None and not args.images.is_dir():
        raise ConfigError(f"--images: {args.images} is not a folder")


def _folder(args: argparse.Namespace) -> Path:
    return args.config.with_name(args.config.stem + "-data")


def _write(args: argparse.Namespace, command: str) -> int:
    from mindpoint.storage.files import atomic_folder, make_folder, temporary_folder, write_text

    from mindpoint_recipes.gather import gather, without_joints
    from mindpoint_recipes.network import plan_network
    from mindpoint_recipes.plan import make_plan
    from mindpoint_recipes.survey import survey
    from mindpoint_recipes.text import configuration

    data = gather(args.annotations, args.images, args.format, args.option)
    for note in data.notes:
        print(f"note: {note}")
    train, val, divided = _divided(data.splits, args.val_share, args.seed)
    found = survey(train)
    plan, network = make_plan(found, data.sets), plan_network(args.weights)

    def content(folder: Path, steps: int, every: int) -> str:
        files = ((str(folder / f"{name}.json"), str(data.images)) for name in ("train", "val"))
        return configuration(command, data.classes, data.sets, *files, data.categories, plan, network, steps, every)

    with temporary_folder() as trial:
        _write_splits(trial, train, val)
        write_text(trial / "trial.yaml", content(trial, 1000, 1000))
        step, evaluation = _measured(trial / "trial.yaml", plan)
    steps = max(50, int((60 * args.minutes / _RESERVE - _EVALUATIONS * evaluation * len(val["images"])) / step))
    per_epoch = max(1, len(train["images"]) // plan.batch_size)
    make_folder(args.config.parent)
    with atomic_folder(_folder(args)) as folder:
        _write_splits(folder, train, val)
    write_text(args.config, content(_folder(args), steps, max(1, math.ceil(steps / per_epoch / _EVALUATIONS))))
    print(f"{args.config}: {_said(data.kinds)}")
    print(f"- {_count(len(train['images']), 'image')} for training, {len(val['images'])} for validation, divided {divided}")
    if data.left_out:
        print(f"- {_count(data.left_out, 'annotation')} left out; list them with 'mindpoint data check'")
    jointless = without_joints(train)
    if jointless:
        print(f"- training ignores {_count(jointless, 'object')} without labelled joints, and the pixels in their boxes")
    several = sorted({owner for name, owner in data.categories.items() if name != owner})
    if several:
        print(f"- files differ in the joints of {', '.join(several)}; a joint is not trained on the images of files that lack it")
    if data.partial:
        print("- files differ in their classes; an object of a class that its file lacks counts as background")
    for reason in (*plan.reasons, network.reason):
        print(f"- {reason}")
    length = f"{_count(plan.batch_size, 'image')} ({steps / per_epoch:.0f} epochs)"
    print(f"- {steps} steps of {length}, {args.minutes:g} minute{'' if args.minutes == 1 else 's'} with {step:.2f} s per step")
    print(f"train it with: mindpoint train {args.config}")
    return 0


def _divided(splits: Dict[str, dict], share: float, seed: int) -> Tuple[dict, dict, str]:
    """Return the images for training and validation, and how they were divided."""
    from mindpoint_recipes.gather import split, split_by_folder

    if "val" in splits:
        return splits["train"], splits["val"], "by the names of the files"
    by_folder = split_by_folder(splits["train"])
    if by_folder is not None:
        return (*by_folder, "by the names of their folders")
    return (*split(splits["train"], share, seed), f"by image, at random with seed {seed}")


def _said(kinds: Sequence["Kind"]) -> str:
    """Return the classes, with the number of their joints."""
    if not any(kind.joints for kind in kinds):
        return f"boxes of the class{'es' if len(kinds) > 1 else ''} {', '.join(kind.name for kind in kinds)}"
    return ", ".join(f"{kind.name} ({_count(len(kind.joints), 'joint') if kind.joints else 'boxes only'})" for kind in kinds)


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _write_splits(folder: Path, train: dict, val: dict) -> None:
    for name, content in (("train", train), ("val", val)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def _measured(config: Path, plan: "Plan") -> Tuple[float, float]:
    """Return the seconds that a training step and the evaluation of one image take on this machine at its current load."""
    from mindpoint.benchmark.settings import Settings
    from mindpoint.benchmark.train import train

    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # the original files have already been read with their warnings
    try:
        report = train(Settings(str(config), runs=8, warmup=2))
    finally:
        logging.disable(level)
    step = report.tables["time a step"][-1]["quartile_1_ms"] / 1e3  # including waiting for data
    shown = math.prod(plan.input_size) / math.prod(plan.window or plan.input_size)
    return step, shown * step / plan.batch_size  # an upper bound: evaluation costs less per image than training
