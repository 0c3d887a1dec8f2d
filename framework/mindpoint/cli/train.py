"""mindpoint train"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, List, Optional

from mindpoint.cli.options import add_device, add_set, add_trust

if TYPE_CHECKING:
    from mindpoint.config import Config
    from mindpoint.runtime.signals import Signals

HELP = "train a detector from a configuration"
EXAMPLES = (
    "mindpoint train quickstart",
    "mindpoint train quickstart --set train.epochs=2 --set data.train.batch_size=8",
    "mindpoint train mine.yaml --overfit 4",
    "mindpoint train quickstart --resume",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", metavar="CONFIG", help="a YAML file, a run folder, or the name of a shipped configuration such as quickstart"
    )
    add_set(parser)
    add_device(parser)
    parser.add_argument(
        "--coco",
        metavar="DIR",
        help="train and evaluate on this folder, which holds the data in the published layout, instead of data.train and data.val",
    )
    parser.add_argument(
        "--overfit", metavar="N", type=int, help="instead, overfit on the first N training images, to check the whole set-up"
    )
    parser.add_argument("--profile", metavar="START:STOP", help="profile these steps, counted from 1")
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="run folder, new or empty (default: runs/NAME, numbered if taken); with --resume: the folder of the run",
    )
    parser.add_argument(
        "--resume",
        metavar="CHECKPOINT",
        nargs="?",
        const="",
        help="continue from a checkpoint (default: the newest one in --out, or in the newest runs/NAME)",
    )
    add_trust(parser, "the configuration in a run folder")


def run(args: argparse.Namespace) -> int:
    from mindpoint.runtime.signals import Signals

    signals = Signals()
    with signals.watched():  # before importing anything that starts threads
        return _run(args, signals)


def _run(args: argparse.Namespace, signals: "Signals") -> int:
    changes = [*_profile(args.profile), *args.set]
    config = _load(args, changes)
    if args.overfit is not None:
        from mindpoint.training import overfit

        config = config.changed([*overfit.overrides(config, args.overfit), *changes])

    from mindpoint.runtime import console, device, logs

    console.outlive()  # a training continues after its terminal is closed
    logs.setup()
    device.setup(seed=config.seed, **vars(config.section("runtime")))

    from mindpoint.training.start import run_training

    name = config.stem + "-overfit" * (args.overfit is not None)
    trainer = run_training(config, name, args.out, args.resume, signals)
    if args.overfit is None:
        return 0
    passed, text = overfit.verdict(trainer)
    print(text)
    return 0 if passed else 1


def _load(args: argparse.Namespace, changes: List[str]) -> "Config":
    from mindpoint.config import load_config
    from mindpoint.data.layout import with_layout

    config = load_config(args.config, changes, trusted=args.trust or None)
    for split in ("train", "val") if args.coco else ():
        if config.has(f"data.{split}"):
            config = with_layout(config, args.coco, split)
    return config


def _profile(window: Optional[str]) -> List[str]:
    """Return the override of the configuration that profiles the steps of a window ``START:STOP``; an empty list for None."""
    from mindpoint.errors import ConfigError

    if window is None:
        return []
    start, colon, stop = window.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal()):
        raise ConfigError(f"--profile {window}: write START:STOP, such as --profile 10:20")
    return [f"+hooks.profile={{type: 'mindpoint.hooks.profile:Profile', start: {start}, stop: {stop}}}"]
