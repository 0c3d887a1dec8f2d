"""Writing checkpoints during training."""

from __future__ import annotations

import math
import shutil
from typing import List, Optional

from mindpoint.contracts.hook import Hook
from mindpoint.engine.files import replaced
from mindpoint.errors import ConfigError


class Checkpoint(Hook):
    """``last.ckpt`` after every epoch and at the end, ``best.ckpt`` after every evaluation that is better than all before.

    Args:
        every: epochs between two writes of ``last.ckpt``.
        best: the statistic to go by, e.g. ``keypoints/AP``; higher is better.
        keep: of the checkpoints ``epoch-N.ckpt``, written at the same times, the newest so many stay. 0: write none.
    """

    def __init__(self, every: int = 1, best: str = "keypoints/AP", keep: int = 0):
        if every < 1 or keep < 0:
            raise ConfigError("every must be at least 1 and keep at least 0")
        self.every, self.best, self.keep = every, best, keep
        self.best_value = -math.inf
        self.saved_step: Optional[int] = None  # of the last.ckpt that holds all there is to hold

    def before_train(self, trainer) -> None:
        trainer.check_statistics("hooks.checkpoint.best", [self.best])

    def after_epoch(self, trainer) -> None:
        if trainer.epoch % self.every == 0:
            self._save_last(trainer)

    def after_eval(self, trainer) -> None:
        self.saved_step = None
        if trainer.metrics[self.best] > self.best_value:
            self.best_value = trainer.metrics[self.best]
            trainer.save("best.ckpt")

    def after_train(self, trainer) -> None:
        if trainer.error is None and trainer.step and self.saved_step != trainer.step:
            self._save_last(trainer)

    def _save_last(self, trainer) -> None:
        last = trainer.save("last.ckpt")
        self.saved_step = trainer.step
        if self.keep:
            with replaced(trainer.run_dir / f"epoch-{trainer.epoch:04d}.ckpt") as copy:
                shutil.copyfile(last, copy)
            for old in _by_epoch(trainer.run_dir)[: -self.keep]:
                old.unlink(missing_ok=True)


def _by_epoch(folder) -> List:
    return sorted(folder.glob("epoch-*.ckpt"), key=lambda path: int(path.stem.partition("-")[2]))
