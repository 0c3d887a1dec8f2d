"""mindpoint train"""

from __future__ import annotations

import argparse
import contextlib
import itertools
from pathlib import Path
from typing import Optional

HELP = "train what a configuration describes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a shipped configuration such as quickstart")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")
    parser.add_argument("--out", metavar="DIR", help="run folder, new or empty (default: runs/NAME, numbered if taken)")


def run(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config

    config = load_config(args.config, args.set)

    from mindpoint.engine.build import build_trainer
    from mindpoint.engine.files import write_text
    from mindpoint.runtime import device, environment, logs

    logs.setup()
    run_dir = _make_run_dir(args.out, Path(config.name).stem)
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
    return 0


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
