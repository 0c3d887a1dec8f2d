"""Starts and resumes trainings, for the command and for Python. Importing this module imports MindSpore."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import ContextManager, Dict, Mapping, Optional, Sequence, Union

from mindpoint.config import Config, config_of, load_config
from mindpoint.errors import ConfigError, Interrupted, MindpointError
from mindpoint.inference.open import find_model
from mindpoint.runtime import device, distributed, environment, logs
from mindpoint.runtime.signals import Signals
from mindpoint.storage.files import write_text
from mindpoint.training import resume as resuming
from mindpoint.training.build import build_trainer
from mindpoint.training.run_folder import discard_run, for_all_ranks, latest_folder, new_folder, old_folder
from mindpoint.training.trainer import Trainer


@dataclass(frozen=True)
class Training:
    """Result of a training.

    Attributes:
        run_dir: folder of the run, with its checkpoints, configuration and logs.
        step: number of completed steps.
        losses: ``loss`` (weighted total) and every term of the last step; empty without steps.
        metrics: statistics of the last evaluation by name, NaN where undefined; empty without an evaluation.
        stop_reason: reason for ending before the configured length; None if it was reached.
    """

    run_dir: Path
    step: int
    losses: Dict[str, float]
    metrics: Dict[str, float]
    stop_reason: Optional[str]

    @property
    def checkpoint(self) -> Path:
        """Return the best checkpoint or, without it, the last one. Raises WeightsError if the configuration keeps neither."""
        return find_model(str(self.run_dir))


def train(
    config: Union[str, Path, Mapping[str, object], Config],
    overrides: Sequence[str] = (),
    out: Union[str, Path, None] = None,
    resume: Union[bool, str, Path] = False,
    trust: bool = False,
) -> Training:
    """Train a configuration, like ``mindpoint train``.

    >>> result = mindpoint.train("quickstart", ["train.max_steps=20"], out="runs/try")
    >>> result.metrics["keypoints/AP"], mindpoint.Predictor(result.run_dir)

    In the main thread, Ctrl-C and SIGTERM end the training after the current step or image with ``Interrupted``; it can be resumed. In
    other threads MindSpore handles them: they end the process.

    Args:
        config: a YAML file, a run folder, the name of a shipped configuration, nested mappings as in YAML, or a loaded configuration.
            Relative paths in mappings begin in the working folder.
        overrides: changes, as after ``--set``.
        out: run folder, new or empty; None: ``runs/NAME``, numbered if taken. With ``resume``: the folder of the run to resume.
        resume: True resumes from the newest checkpoint of the run folder; a path resumes from the checkpoint there.
        trust: let the configuration in a run folder name any class. It can run code, so set this only if you trust its author.

    Raises:
        MindpointError: the classes of :mod:`mindpoint.errors`; ``Interrupted`` if a signal ended the training.
    """
    signals = Signals()
    with signals.handled():
        checked = config_of(config, overrides, trusted=trust or None)
        device.setup(seed=checked.seed, **vars(checked.section("runtime")))
        checkpoint = "" if resume is True else None if resume is False else str(resume)
        trainer = run_training(checked, checked.stem, None if out is None else str(out), checkpoint, signals)
    return Training(trainer.run_dir, trainer.step, dict(trainer.losses), dict(trainer.metrics), trainer.stop_reason)


def run_training(config: Config, name: str, out: Optional[str], checkpoint: Optional[str], signals: Signals) -> Trainer:
    """Train in a folder, and return the trainer.

    Args:
        name: name of the run.
        out: the run folder; None: ``runs/NAME``.
        checkpoint: checkpoint to resume from, empty for the newest in the run folder; None: start a new training.
        signals: the signals that the process receives.
    """
    if checkpoint is not None:
        return _resume(config, name, out, Path(checkpoint) if checkpoint else None, signals)
    with for_all_ranks(new_folder(out, name)) as run_dir, _transcript(run_dir):
        trainer = None
        try:
            trainer = build_trainer(config, run_dir)
            trainer.signals, trainer.name = signals, name
            _train(trainer, config)
        except MindpointError:
            if (trainer is None or trainer.step == 0) and distributed.is_writer():
                discard_run(run_dir)
            raise
        return trainer


def _resume(config: Config, name: str, out: Optional[str], named: Optional[Path], signals: Signals) -> Trainer:
    place = Path(out) if out else named.parent if named else Path(config.name)
    if not out and not named and not place.is_dir():
        place = latest_folder(name, config)
    elsewhere = named is not None and not (place.is_dir() and place.samefile(named.parent))
    with for_all_ranks(new_folder(out, name) if elsewhere else old_folder(place)) as run_dir, _transcript(run_dir):
        path, stored = resuming.open_checkpoint(run_dir, named)
        trainer = build_trainer(config, run_dir, resumed=True)
        resuming.restore(trainer, stored, path)
        trainer.name = stored.info.get("name", name) if Path(config.name).is_dir() else name
        if trainer.finished:
            reason = (
                trainer.stop_reason
                or f"all {trainer.total_steps} steps are done; to continue, raise train.steps, train.epochs or train.max_steps"
            )
            print(f"{path}: this run is complete: {reason}")
            return trainer
        print(f"resumed from {path}: step {trainer.step} of {trainer.total_steps}, epoch {trainer.epoch + 1}", flush=True)
        trainer.signals = signals
        _train(trainer, config)
        return trainer


def _transcript(run_dir: Path) -> ContextManager[None]:
    """Append the output of the first process to the run folder's ``training.log``."""
    return logs.transcript(run_dir / "training.log") if distributed.is_writer() else contextlib.nullcontext()


def _train(trainer: Trainer, config: Config) -> None:
    if trainer.is_writer:
        write_text(trainer.run_dir / "config.yaml", config.to_yaml())
        environment.record(trainer.run_dir, device.name())
    try:
        trainer.train()
    except Interrupted as error:
        if (trainer.run_dir / "last.ckpt").exists():
            launch = f"launch {distributed.size()} " * (distributed.size() > 1)
            error.args = (f"{error}; continue with: mindpoint {launch}train {trainer.run_dir} --resume{_trust_needed(trainer.run_dir)}",)
        raise


def _trust_needed(run_dir: Path) -> str:
    """Return the option that resuming in the folder needs if its configuration names parts by their class."""
    try:
        load_config(str(run_dir))
    except ConfigError:
        return " --trust"
    return ""
