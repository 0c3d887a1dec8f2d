"""mindpoint train"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional

from mindpoint.cli.options import add_trust

if TYPE_CHECKING:
    from mindpoint.runtime.signals import Signals

HELP = "train what a configuration describes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "config", metavar="CONFIG", help="a YAML file, a run folder, or the name of a shipped configuration such as quickstart"
    )
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")
    parser.add_argument(
        "--overfit", metavar="N", type=int, help="instead, learn the first N training images by heart: a check of everything"
    )
    parser.add_argument("--profile", metavar="START:STOP", help="record where the time of these steps goes; steps count from 1")
    parser.add_argument(
        "--out", metavar="DIR", help="run folder, new or empty (default: runs/NAME, numbered if taken); with --resume: that of the run"
    )
    parser.add_argument(
        "--resume",
        metavar="CHECKPOINT",
        nargs="?",
        const="",
        help="go on from a checkpoint (default: the newest of the run folder, which is the newest runs/NAME unless --out says otherwise)",
    )
    add_trust(parser, "the configuration in a run folder")


def run(args: argparse.Namespace) -> int:
    from mindpoint.runtime.signals import Signals

    signals = Signals()
    with signals.watched():  # before anything that starts threads is imported
        return _run(args, signals)


def _run(args: argparse.Namespace, signals: "Signals") -> int:
    from mindpoint.config import load_config

    changes = [*_profile(args.profile), *args.set]
    config = load_config(args.config, changes, trusted=args.trust or None)
    if args.overfit is not None:
        from mindpoint.training import overfit

        config = load_config(args.config, [*overfit.overrides(config, args.overfit), *changes], trusted=args.trust or None)

    from mindpoint.runtime import console, device, logs

    console.outlive()  # a training goes on when its terminal has gone
    logs.setup()
    device.setup(config.section("runtime").device, config.seed)
    name = config.stem + "-overfit" * (args.overfit is not None)
    trainer = _start(args, config, name, signals) if args.resume is None else _resume(args, config, name, signals)
    if args.overfit is None or trainer is None:
        return 0
    passed, text = overfit.verdict(trainer)
    print(text)
    return 0 if passed else 1


def _profile(window: Optional[str]) -> List[str]:
    """Return the change of the configuration that records a window of steps."""
    from mindpoint.errors import ConfigError

    if window is None:
        return []
    start, colon, stop = window.partition(":")
    if not (colon and start.isdecimal() and stop.isdecimal()):
        raise ConfigError(f"--profile {window}: write START:STOP, two numbers of steps, e.g. --profile 10:20")
    return [f"+hooks.profile={{type: 'mindpoint.hooks.profile:Profile', start: {start}, stop: {stop}}}"]


def _start(args: argparse.Namespace, config, name: str, signals):
    from mindpoint.errors import MindpointError
    from mindpoint.training.build import build_trainer
    from mindpoint.training.run_folder import discard_run, for_all_ranks, new_folder

    with for_all_ranks(new_folder(args.out, name)) as run_dir:
        trainer = build_trainer(config, run_dir)
        trainer.signals, trainer.name = signals, name
        try:
            _train(trainer, config)
        except MindpointError:
            if trainer.step == 0 and trainer.is_writer:
                discard_run(run_dir)
            raise
        return trainer


def _resume(args: argparse.Namespace, config, name: str, signals):
    """The trainer, or None if nothing was left to do."""
    from mindpoint.training import resume
    from mindpoint.training.build import build_trainer
    from mindpoint.training.run_folder import for_all_ranks, latest_folder, new_folder, old_folder

    named = Path(args.resume) if args.resume else None
    place = Path(args.out) if args.out else named.parent if named else Path(config.name)
    if not args.out and not named and not place.is_dir():
        place = latest_folder(name, config)
    elsewhere = named is not None and not (place.is_dir() and place.samefile(named.parent))
    with for_all_ranks(new_folder(args.out, name) if elsewhere else old_folder(place)) as run_dir:
        path, stored = resume.open_checkpoint(run_dir, named)
        trainer = build_trainer(config, run_dir, resumed=True)
        resume.restore(trainer, stored, path)
        trainer.name = stored.info.get("name", name) if Path(config.name).is_dir() else name
        if trainer.finished:
            reason = trainer.stop_reason or f"all {trainer.total_steps} steps are done; train.epochs or train.max_steps can be raised"
            print(f"{path}: this run is finished: {reason}")
            return None
        print(f"resumed from {path}: step {trainer.step} of {trainer.total_steps}, epoch {trainer.epoch + 1}", flush=True)
        trainer.signals = signals
        _train(trainer, config)
        return trainer


def _train(trainer, config) -> None:
    from mindpoint.errors import Interrupted
    from mindpoint.runtime import device, distributed, environment
    from mindpoint.storage.files import write_text

    if trainer.is_writer:
        write_text(trainer.run_dir / "config.yaml", config.to_yaml())
        environment.record(trainer.run_dir, device.name())
    try:
        trainer.train()
    except Interrupted as error:
        if (trainer.run_dir / "last.ckpt").exists():
            launch = f"launch {distributed.size()} " * (distributed.size() > 1)
            error.args = (f"{error}; go on with: mindpoint {launch}train {trainer.run_dir} --resume{_trust_needed(trainer.run_dir)}",)
        raise


def _trust_needed(run_dir: Path) -> str:
    """Return the option that going on there takes if its configuration names parts by their class."""
    from mindpoint.config import load_config
    from mindpoint.errors import ConfigError

    try:
        load_config(str(run_dir))
    except ConfigError:
        return " --trust"
    return ""
