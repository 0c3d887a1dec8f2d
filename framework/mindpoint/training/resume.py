"""State in a checkpoint besides arrays, with which a training continues as if it had not been interrupted."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from mindpoint.config import Config
from mindpoint.config.differences import differences
from mindpoint.errors import WeightsError
from mindpoint.model import checkpoint
from mindpoint.model.weights import load_arrays
from mindpoint.registry import local
from mindpoint.runtime import distributed
from mindpoint.runtime.versions import versions
from mindpoint.training.run_folder import numbered_checkpoints
from mindpoint.training.surroundings import machine, set_random_state
from mindpoint.training.trainer import Trainer

log = logging.getLogger("mindpoint")


def find_checkpoint(run_dir: Path) -> Tuple[Path, checkpoint.Checkpoint]:
    """Return the newest readable checkpoint of a run folder; report damaged ones and rename them to ``NAME.damaged``.

    Raises:
        WeightsError: the folder has no readable checkpoint.
    """
    kept = [path for kind in ("step", "epoch") for path in reversed(numbered_checkpoints(run_dir, kind))]
    paths = [run_dir / "last.ckpt", run_dir / "previous.ckpt", *sorted(kept, key=_written, reverse=True), run_dir / "best.ckpt"]
    for path in (path for path in paths if path.exists()):
        try:
            return path, checkpoint.load(path)
        except WeightsError as error:
            if not os.access(path, os.R_OK):
                raise
            log.warning("%s; renamed to %s.damaged, using the previous one", error, path.name)
            os.replace(path, f"{path}.damaged")
    raise WeightsError(f"{run_dir}: has no checkpoint to resume from; remove this folder and train without --resume, or name another one")


def _written(path: Path) -> float:
    return path.stat().st_mtime


def open_checkpoint(run_dir: Path, named: Optional[Path]) -> Tuple[Path, checkpoint.Checkpoint]:
    """Return the checkpoint to resume from: the named one, or without a name the one that :func:`find_checkpoint` finds. It is the same
    in all processes of a job."""
    if named is not None:
        return named, checkpoint.load(named)
    found = find_checkpoint(run_dir) if distributed.is_writer() else None
    path = distributed.gather(found and found[0])[0]
    return found or (path, checkpoint.load(path))


def restore(trainer: Trainer, stored: checkpoint.Checkpoint, path: Path) -> None:
    """Restore the state of a checkpoint in a newly built trainer. Log the differences from the interrupted training.

    Raises:
        WeightsError: the file does not hold a training, or holds one of another network.
    """
    if "state" not in stored.info:
        raise WeightsError(f"{path}: has no training state; start a new training from it with --set +train.weights={path}")
    state = stored.info["state"]
    changed = _report_changes(trainer.config, stored, path)
    _load_parameters(trainer, stored, path)
    _place(trainer, state)
    trainer.metrics = dict(stored.info["metrics"])
    trainer.stop_reason = None if changed else state["stop_reason"]
    trainer.skipped.total, trainer.skipped.in_a_row = state["skipped_steps"], state["skipped_in_a_row"]
    trainer.loader.unreadable = {int(index): message for index, message in state["unreadable"].items()}
    trainer.loader.order.restore(state.get("sampling", {}))
    for name, hook in trainer.hooks.items():
        if name in state["hooks"]:
            hook.load_state_dict(state["hooks"][name])
    set_random_state(state["random"])


def _report_changes(config: Config, stored: checkpoint.Checkpoint, path: Path) -> bool:
    """Log what has changed since the checkpoint was written; tell whether the configuration has."""
    lines = [
        f"  {place}: {old[0] if old else 'absent'} -> {new[0] if new else 'absent'}"
        for place, old, new in differences(Config.from_text(stored.info["config"], str(path), parts=()), config)
    ]
    if lines:
        log.warning("the configuration has changed since %s:\n%s", path, "\n".join(lines))
    for what, then, now in (
        ("software", stored.info["versions"], versions()),
        ("machine", stored.info["state"]["machine"], machine()),
    ):
        different = [f"{name} {then.get(name)} -> {now.get(name)}" for name in {**then, **now} if then.get(name) != now.get(name)]
        if different:
            log.warning("the %s has changed, so results may differ in the last digits: %s", what, ", ".join(different))
    for file, digest in stored.info["state"].get("files", {}).items():
        if local.digests().get(file, digest) != digest:
            log.warning("%s has changed since %s: its parts may work differently", file, path)
    return bool(lines)


def _load_parameters(trainer: Trainer, stored: checkpoint.Checkpoint, path: Path) -> None:
    step = trainer.network_step
    report = load_arrays(step, stored.arrays)
    network = set(step.network.parameters_dict())
    lacking = [name for name in report.missing if step.is_state(name)] + [name for name, _, _ in report.differs]
    if network & set(lacking):
        raise WeightsError(f"{path} belongs to another model: {report}")
    if lacking:
        log.warning("%s lacks these parameters, which keep their initial values: %s", path, _some(lacking))
    step.start(report.matched)


def _some(names: List[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _place(trainer: Trainer, state: Dict[str, object]) -> None:
    """Set epoch and step. ``epoch`` becomes the number of epochs whose ``after_epoch`` is over."""
    then, now = state["images"] // state["batch_size"], trainer.steps_per_epoch
    trainer.step, trainer.closed_epochs = state["step"], state["epoch"]
    if (state["images"], state["batch_size"]) != (len(trainer.loader.samples), trainer.loader.batch_size):
        trainer.closed_epochs = min(state["epoch"], state["step"] // then)
        trainer.step = trainer.closed_epochs * now
        log.warning(
            "the images or the batch size have changed, so the training continues at the start of epoch %d", trainer.closed_epochs + 1
        )
    elif state["step"] < trainer.total_steps:  # a training that ended within an epoch and continues there
        trainer.closed_epochs = min(state["epoch"], state["step"] // now)
    trainer.epoch = trainer.closed_epochs
