"""Saving of checkpoints during training."""

from __future__ import annotations

import math
import shutil
import time
from typing import Dict, Optional, Tuple

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.metric import gain
from mindpoint.errors import ConfigError, DataError, Interrupted
from mindpoint.storage.files import atomic_write
from mindpoint.training.run_folder import numbered_checkpoints


class Checkpoint(Hook):
    """Write ``last.ckpt`` after every epoch, within an epoch when the newest checkpoint is ``train.checkpoint_minutes`` old, at the end,
    and when a signal or a data error ends the training. Write ``best.ckpt`` after every evaluation that beats all earlier ones. The
    preceding ``last.ckpt`` is kept as ``previous.ckpt``, in case the newer one is damaged.

    Args:
        every: number of epochs between two writes of ``last.ckpt``.
        every_steps: number of steps between two writes of ``last.ckpt`` within an epoch; 0: never within an epoch.
        best: statistic that decides about ``best.ckpt``; higher is better, but for an error such as ``joints/mean_error`` lower is better.
            Not given: the metric's main statistic.
        keep: number of the newest ``epoch-N.ckpt`` and ``step-N.ckpt`` to keep, of each kind. They are written every ``every`` epochs and
            every ``every_steps`` steps. 0: write neither.
    """

    def __init__(self, every: int = 1, every_steps: int = 0, best: Optional[str] = None, keep: int = 0):
        if every < 1 or every_steps < 0 or keep < 0:
            raise ConfigError("every must be at least 1, every_steps and keep at least 0")
        self.every, self.every_steps, self.best, self.keep = every, every_steps, best, keep
        self.best_value = -math.inf
        self.saved_at = -math.inf  # time.monotonic()
        self.saved: Optional[Tuple[int, int]] = None  # (steps, closed epochs) of a complete last.ckpt

    def state_dict(self) -> Dict[str, object]:
        return {"best_value": self.best_value}

    def load_state_dict(self, state: Dict[str, object]) -> None:
        self.best_value = state["best_value"]

    def before_train(self, trainer) -> None:
        if self.best is None:
            self.best = trainer.main_statistic
        else:
            trainer.check_statistics("hooks.checkpoint.best", [self.best])
        self.saved_at = time.monotonic()
        if (trainer.run_dir / "last.ckpt").exists():
            self.saved = _progress(trainer)

    def before_epoch(self, trainer) -> None:
        if self.saved is None and trainer.step:  # an evaluation need not be repeated after a resume
            trainer.defer(lambda: self._save_last(trainer))

    def after_step(self, trainer) -> None:
        epoch = trainer.epoch + 1
        whole = trainer.step == epoch * trainer.steps_per_epoch and epoch % self.every == 0
        old = trainer.checkpoint_minutes is not None and time.monotonic() - self.saved_at >= 60 * trainer.checkpoint_minutes
        due = self.every_steps > 0 and trainer.step % self.every_steps == 0
        if whole or old or due:
            trainer.defer(lambda: self._save_last(trainer))
        if self.keep and due:
            trainer.defer(lambda: self._keep_copy(trainer, "step", f"{trainer.step:07d}"))

    def after_epoch(self, trainer) -> None:
        if self.keep and trainer.epoch % self.every == 0:
            self._keep_copy(trainer, "epoch", f"{trainer.epoch:04d}")

    def after_eval(self, trainer) -> None:
        self.saved = None
        value = gain(self.best, trainer.metrics[self.best])
        if value > self.best_value:
            self.best_value = value
            trainer.save("best.ckpt")

    def on_exception(self, trainer) -> None:
        if isinstance(trainer.error, (Interrupted, DataError)):  # between two steps, so the state is consistent
            self._save_last(trainer)

    def after_train(self, trainer) -> None:
        if trainer.error is None:
            self._save_last(trainer)

    def _save_last(self, trainer) -> None:
        if self.saved != _progress(trainer):
            trainer.save("last.ckpt", previous="previous.ckpt")
            self.saved, self.saved_at = _progress(trainer), time.monotonic()

    def _keep_copy(self, trainer, kind: str, number: str) -> None:
        self._save_last(trainer)
        with atomic_write(trainer.run_dir / f"{kind}-{number}.ckpt") as copy:
            shutil.copyfile(trainer.run_dir / "last.ckpt", copy)
        for old in numbered_checkpoints(trainer.run_dir, kind)[: -self.keep]:
            old.unlink(missing_ok=True)


def _progress(trainer) -> Tuple[int, int]:
    return trainer.step, trainer.closed_epochs
