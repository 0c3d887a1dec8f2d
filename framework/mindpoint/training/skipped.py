"""Steps that are skipped because a gradient is not finite."""

from __future__ import annotations

import logging
from typing import Dict, List

from mindpoint.errors import TrainingError
from mindpoint.training.step import TrainStep

log = logging.getLogger("mindpoint")


class SkippedSteps:
    """Counts and reports skipped steps, and ends the training after too many in a row.

    Args:
        most: maximum number of skipped steps in a row.

    Attributes:
        total: number of skipped steps.
        in_a_row: number of skipped steps in a row, up to the last step.
    """

    def __init__(self, most: int):
        self.most = most
        self.total = self.in_a_row = 0

    def count(self, updated: bool) -> None:
        """Record whether a step has updated the network."""
        self.in_a_row = 0 if updated else self.in_a_row + 1
        self.total += not updated

    def heed(self, step: int, network_step: TrainStep, losses: Dict[str, float], rate: float, image_ids: List[int]) -> None:
        """Report that the last step was skipped.

        Raises:
            TrainingError: too many in a row.
        """
        scale = f", loss scale now {float(network_step.loss_scale):g}" if network_step.dynamic else ""
        terms = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        report = (
            f"step {step}: skipped, since a gradient is not finite: {terms}, learning rate {rate:.3g}{scale}, "
            f"image ids {', '.join(map(str, image_ids))}"
        )
        if self.in_a_row > self.most:
            raise TrainingError(
                f"{self.in_a_row} steps in a row had non-finite gradients, but train.max_skipped is {self.most}; "
                f"check the data, lower optimizer.lr or set train.clip_norm; the last step:\n{report}"
            )
        log.warning("%s", report)
