"""mindpoint train"""

from __future__ import annotations

import argparse
import contextlib
import itertools
from pathlib import Path
from typing import List, Optional

HELP = "train what a configuration describes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a shipped configuration such as quickstart")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")
    parser.add_argument(
        "--overfit", metavar="N", type=int, help="instead, learn the first N training images by heart: a check of everything"
    )
    parser.add_argument("--profile", metavar="START:STOP", help="record where the time of these steps goes; steps count from 1")
    parser.add_argument("--out", metavar="DIR", help="run folder, new or empty (default: runs/NAME, numbered if taken)")


def run(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config

    changes = [*_profile(args.profile), *args.set]
    config = load_config(args.config, changes)
    if args.overfit is not None:
        from mindpoint.engine import overfit

        config = load_config(args.config, [*overfit.overrides(config, args.overfit), *changes])

    from mindpoint.engine.build import build_trainer
    from mindpoint.engine.files import write_text
    from mindpoint.runtime import device, environment, logs

    logs.setup()
    run_dir = _make_run_dir(args.out, Path(config.name).stem + "-overfit" * (args.overfit is not None))
    try:
        device.setup(config.section("runtime").device, config.seed)
        trainer = build_trainer(config, run_dir)
        write_text(run_dir / "config.yaml", config.to_yaml())
        environment.record(run_dir, device.name())
    except BaseException:
        with contextlib.suppress(OSError):
            run_dir.rmdir()  # goes only if nothing was written
        raise
    trainer.train()
    if args.overfit is None:
        return 0
    passed, text = overfit.verdict(trainer)
    print(text)
    return 0 if passed else 1


def _profile(window: Optional[str]) -> List[str]:
    """The change of the configuration that records a window of steps."""
    from mindpoint.errors import ConfigError

    if window is None:
        return []
    start, colon, stop = window.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal()):
        raise ConfigError(f"--profile {window}: write START:STOP, two numbers of steps, e.g. --profile 10:20")
    return [f"+hooks.profile={{type: 'mindpoint.hooks.profile:Profile', start: {start}, stop: {stop}}}"]


def _make_run_dir(out: Optional[str], name: str) -> Path:
    """A folder of this run's own, also if another run starts at the same moment."""
    from mindpoint.engine.files import make_folder
    from mindpoint.errors import OutputError

    if out is not None:
        path = make_folder(out)
        if any(path.iterdir()):
            raise OutputError(f"{path}: is not an empty folder; choose another one with --out")
        return path
    runs = make_folder("runs")
    for number in itertools.count(1):
        path = runs / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
