"""Learning-rate schedules: pure functions from the number of steps done to a factor of the optimizer's learning rate."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from typing import Literal, Sequence

from mindpoint.errors import ConfigError

log = logging.getLogger("mindpoint")


class Schedule(ABC):
    """Factor of the base learning rate.

    Args:
        epochs: length of the training; fractional if the length is given in steps.
        steps_per_epoch: optimizer steps per epoch.
        warmup_steps: number of steps over which the factor rises linearly; step ``i`` (0-based) has ``(i + 1) / (warmup_steps + 1)`` of
            the schedule's factor.
        warmup_epochs: length of the warm-up in epochs, as an alternative to ``warmup_steps``.
    """

    def __init__(self, epochs: float, steps_per_epoch: int, warmup_steps: int = 0, warmup_epochs: float = 0.0):
        if warmup_steps < 0 or warmup_epochs < 0:
            raise ConfigError("warmup_steps and warmup_epochs must be at least 0")
        if warmup_steps and warmup_epochs:
            raise ConfigError("warmup_steps and warmup_epochs are both set; set one of them to 0")
        self.epochs, self.steps_per_epoch = epochs, steps_per_epoch
        self.warmup_steps = warmup_steps or round(warmup_epochs * steps_per_epoch)
        if self.warmup_steps > round(epochs * steps_per_epoch):
            log.warning(
                "schedule: the warm-up of %d steps is longer than the training of %d", self.warmup_steps, round(epochs * steps_per_epoch)
            )

    def __call__(self, step: int) -> float:
        """Return the factor for the next step after ``step`` completed steps."""
        warm = min(1.0, (step + 1) / (self.warmup_steps + 1))
        return warm * self.factor_at(step / self.steps_per_epoch)

    @abstractmethod
    def factor_at(self, epoch: float) -> float:
        """Return the factor without warm-up; ``epoch`` counts from 0 to ``epochs`` and may be fractional."""


class Constant(Schedule):
    """A constant learning rate."""

    def factor_at(self, epoch: float) -> float:
        return 1.0


class MultiStep(Schedule):
    """Multiplies the learning rate by ``factor`` at each of the ``milestones``.

    Args:
        milestones: ascending numbers of finished epochs, or of steps with ``by: step``.
        factor: factor of the learning rate at each milestone.
        by: unit of the milestones.
    """

    def __init__(
        self,
        epochs: float,
        steps_per_epoch: int,
        milestones: Sequence[float],
        factor: float = 0.1,
        by: Literal["epoch", "step"] = "epoch",
        warmup_steps: int = 0,
        warmup_epochs: float = 0.0,
    ):
        super().__init__(epochs, steps_per_epoch, warmup_steps, warmup_epochs)
        if list(milestones) != sorted(milestones):
            raise ConfigError(f"schedule.milestones: {list(milestones)} is not allowed; it must be in ascending order")
        self.milestones = [milestone / (steps_per_epoch if by == "step" else 1) for milestone in milestones]
        self.factor = factor

    def factor_at(self, epoch: float) -> float:
        return self.factor ** sum(epoch >= milestone for milestone in self.milestones)


class Polynomial(Schedule):
    """``end + (1 - end) * (1 - epoch / epochs) ** power``.

    Args:
        power: exponent of the remaining share of the training; 1 for a straight line.
        end: factor at the end of the training.
    """

    def __init__(
        self,
        epochs: float,
        steps_per_epoch: int,
        power: float = 1.0,
        end: float = 0.0,
        warmup_steps: int = 0,
        warmup_epochs: float = 0.0,
    ):
        super().__init__(epochs, steps_per_epoch, warmup_steps, warmup_epochs)
        self.power, self.end = power, end

    def factor_at(self, epoch: float) -> float:
        return self.end + (1 - self.end) * max(0.0, 1 - epoch / self.epochs) ** self.power


class Cosine(Schedule):
    """Half a cosine from 1 to ``end`` (Loshchilov and Hutter, 2017, without restarts).

    Args:
        end: factor at the end of the training.
    """

    def __init__(self, epochs: float, steps_per_epoch: int, end: float = 0.0, warmup_steps: int = 0, warmup_epochs: float = 0.0):
        super().__init__(epochs, steps_per_epoch, warmup_steps, warmup_epochs)
        self.end = end

    def factor_at(self, epoch: float) -> float:
        return self.end + (1 - self.end) * 0.5 * (1 + math.cos(math.pi * min(1.0, epoch / self.epochs)))
