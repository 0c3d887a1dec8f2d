"""End a training that gets no better."""

from __future__ import annotations

import math
from typing import Optional

from mindpoint.contracts.hook import Hook
from mindpoint.errors import ConfigError


class EarlyStopping(Hook):
    """End the training when a statistic has not risen for several evaluations in a row. Counting begins when it is above ``floor``: a
    training that has found nothing yet goes on.

    Args:
        statistic: which; higher is better. Not given: the metric's main one.
        patience: evaluations without a better value that are waited for.
        min_delta: what a value must exceed the best one by to count as better.
        floor: the statistic of a network that finds nothing.
    """

    all_ranks = True  # all must stop at the same step

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
        value = trainer.metrics[self.statistic]
        if value > self.best + self.min_delta:
            self.best, self.waited = value, 0
            return
        if not self.best > self.floor:
            return
        self.waited += 1  # also if the value is undefined
        if self.waited >= self.patience:
            trainer.stop_reason = f"{self.statistic} has not risen above {self.best:.4f} for {self.waited} evaluations"

    def state_dict(self) -> dict:
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict) -> None:
        self.best, self.waited = state["best"], state["waited"]
