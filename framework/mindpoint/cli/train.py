"""mindpoint train"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "train what a configuration describes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a shipped configuration such as quickstart")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")
    parser.add_argument("--out", metavar="DIR", help="run folder, new or empty (default: runs/NAME, numbered if taken)")


def run(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config

    config = load_config(args.config, args.set)
    run_dir = _run_dir(args.out, Path(config.name).stem)

    from mindpoint.engine.build import build_trainer
    from mindpoint.engine.files import make_folder, write_text
    from mindpoint.runtime import device, logs, versions

    logs.setup()
    device.setup(config.section("runtime").device, config.seed)
    trainer = build_trainer(config, run_dir)
    make_folder(run_dir)
    write_text(run_dir / "config.yaml", config.to_yaml())
    write_text(run_dir / "versions.txt", "".join(f"{name} {version}\n" for name, version in versions.versions().items()))
    trainer.train()
    return 0


def _run_dir(out: str, name: str) -> Path:
    from mindpoint.errors import OutputError

    if out is not None:
        path = Path(out)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputError(f"{path}: is not an empty folder; choose another one with --out")
        return path
    number = 1
    while True:
        path = Path("runs") / (name if number == 1 else f"{name}-{number}")
        if not path.exists():
            return path
        number += 1
