"""Ends a training that no longer improves."""

from __future__ import annotations

import math
from typing import Optional

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.metric import gain, lower_is_better
from mindpoint.errors import ConfigError


class EarlyStopping(Hook):
    """End the training when a statistic has not improved for several evaluations in a row. Counting begins when it is above ``floor``, so
    that a training without any detections yet continues.

    Args:
        statistic: name of the statistic; higher is better, but for an error such as ``joints/mean_error`` lower is better. Not given: the
            metric's main statistic.
        patience: number of evaluations to wait for a better value.
        min_delta: minimum change from the best value that counts as an improvement.
        floor: value of the statistic without detections; errors are undefined then and have no floor.
    """

    all_ranks = True  # all processes must stop at the same step

    def __init__(self, statistic: Optional[str] = None, patience: int = 5, min_delta: float = 0.0, floor: float = 0.0):
        if patience < 1 or min_delta < 0:
            raise ConfigError("patience must be at least 1 and min_delta at least 0")
        self.statistic, self.patience, self.min_delta = statistic, patience, min_delta
        self.floor, self.best, self.waited = floor, -math.inf, 0

    def before_train(self, trainer) -> None:
        if self.statistic is None:
            self.statistic = trainer.main_statistic
        else:
            trainer.check_statistics("hooks: EarlyStopping.statistic", [self.statistic])

    def after_eval(self, trainer) -> None:
        value = gain(self.statistic, trainer.metrics[self.statistic])
        if value > self.best + self.min_delta:
            self.best, self.waited = value, 0
            return
        floor = -math.inf if lower_is_better(self.statistic) else self.floor
        if not self.best > floor:
            return
        self.waited += 1  # also if the value is undefined
        if self.waited >= self.patience:
            best = abs(self.best) if lower_is_better(self.statistic) else self.best
            moved = "fallen below" if lower_is_better(self.statistic) else "risen above"
            trainer.stop_reason = f"{self.statistic} has not {moved} {best:.4f} for {self.waited} evaluations"

    def state_dict(self) -> dict:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict) -> None:
        self.best, self.waited = state["best"], state["waited"]
