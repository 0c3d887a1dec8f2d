"""Writing checkpoints during training."""

from __future__ import annotations

import math
from typing import Dict

from mindpoint.contracts.hook import Hook
from mindpoint.errors import ConfigError


class Checkpoint(Hook):
    """``last.ckpt`` after every epoch and ``best.ckpt`` after every evaluation that is better than all before.

    Args:
        every: epochs between two writes of ``last.ckpt``; the last epoch is always written.
        best: the statistic to go by, e.g. ``keypoints/AP``; higher is better.
        keep: of the checkpoints ``epoch-N.ckpt``, written at the same times, the newest so many stay. 0: write none.
    """

    def __init__(self, every: int = 1, best: str = "keypoints/AP", keep: int = 0):
        if every < 1 or keep < 0:
            raise ConfigError("every must be at least 1 and keep at least 0")
        self.every, self.best, self.keep = every, best, keep
        self.best_value = -math.inf

    def after_epoch(self, trainer) -> None:
        if trainer.epoch % self.every and not trainer.ended:
            return
        trainer.save("last.ckpt")
        if self.keep:
            trainer.save(f"epoch-{trainer.epoch:04d}.ckpt")
            for old in sorted(trainer.run_dir.glob("epoch-*.ckpt"))[: -self.keep]:
                old.unlink()

    def after_eval(self, trainer) -> None:
        if self.best not in trainer.metrics:
            raise ConfigError(f"hooks.checkpoint.best: there is no statistic '{self.best}'; there are {', '.join(trainer.metrics)}")
        if trainer.metrics[self.best] > self.best_value:
            self.best_value = trainer.metrics[self.best]
            trainer.save("best.ckpt")

    def state(self) -> Dict[str, object]:
        return {"best_value": self.best_value}

    def restore(self, state: Dict[str, object]) -> None:
        self.best_value = state["best_value"]
