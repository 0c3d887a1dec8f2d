"""Evaluation during a training."""

from __future__ import annotations

import logging
from typing import Dict, Optional, Union

import numpy as np

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.image import InputSpec, letterbox_size
from mindpoint.contracts.metric import gain
from mindpoint.errors import ConfigError
from mindpoint.inference.evaluation import save_evaluation

log = logging.getLogger("mindpoint")
_FIRST, _MEMORY = 20, 0.95  # number of steps for the initial mean loss; decay of the moving average of the current loss
_FALLEN = 0.75  # share of the initial loss; below it, the network is learning
_SHORT = 1000  # steps; fewer rarely suffice from random weights
_SMALL = 32  # pixels of the network's input; smaller objects cover few pixels of a map with stride 4


class Evaluation(Hook):
    """Evaluate on ``data.val`` every few epochs and after the last one; print the statistics and write them to the run folder together
    with the results.

    Args:
        every: number of epochs between two evaluations.
        until: values of statistics by name; the training ends when all of them are reached. A single number is for the metric's main
            statistic.
    """

    all_ranks = True

    def __init__(self, every: int = 1, until: Union[Dict[str, float], float, None] = None):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every, self.until = every, {} if until is None else until
        self._losses, self._loss = [], 0.0  # the initial losses, and a moving average

    def before_train(self, trainer) -> None:
        if trainer.val_data is None:
            raise ConfigError("hooks: the evaluation hook needs data.val; add it or set the hook to null")
        if not isinstance(self.until, dict):
            self.until = {trainer.main_statistic: self.until}
        trainer.check_statistics("hooks.evaluation.until", list(self.until))

    def after_step(self, trainer) -> None:
        loss = trainer.losses["loss"]
        if len(self._losses) < _FIRST:
            self._losses.append(loss)
            self._loss = float(np.mean(self._losses))
        elif np.isfinite(loss):
            self._loss += (1 - _MEMORY) * (loss - self._loss)

    def after_epoch(self, trainer) -> None:
        if trainer.epoch % self.every == 0 or trainer.ended:
            result = trainer.evaluate()
            if trainer.is_writer:
                print(f"after epoch {trainer.epoch}\n{result.table}", flush=True)
                save_evaluation(result, trainer.run_dir)
                self._warn_if_nothing_is_found(trainer)
            self._stop_if_reached(trainer)

    def _warn_if_nothing_is_found(self, trainer) -> None:
        """Warn when the network learns but its statistic is still 0."""
        value, first = trainer.metrics[trainer.main_statistic], float(np.mean(self._losses)) if self._losses else 0.0
        if value != 0 or not self._loss < _FALLEN * first:
            return
        causes = [f"the training is short: {trainer.step} of {trainer.total_steps} steps are done"] if trainer.step < _SHORT else []
        side = median_side(trainer.val_data.ground_truth(), trainer.config.input_spec)
        if side is not None and side < _SMALL:
            causes.append(f"the median object has only {side:.0f} pixels in the network's input: raise input.size")
        causes.append("the tolerances (keypoints.sigmas) are narrow, or training and validation data differ")
        said = f"the loss has fallen from {first:.3g} to {self._loss:.3g}, but {trainer.main_statistic} is still 0; likely causes: "
        log.warning("%s", said + "; ".join(causes))

    def _stop_if_reached(self, trainer) -> None:
        if self.until and all(gain(name, trainer.metrics[name]) >= gain(name, value) for name, value in self.until.items()):
            reached = (f"{name} {trainer.metrics[name]:.3f} has reached {value:g}" for name, value in self.until.items())
            trainer.stop_reason = ", ".join(reached)


def median_side(ground_truth: dict, input_spec: InputSpec) -> Optional[float]:
    """Return the median side of the objects in the network's input, the square root of the box area, in pixels; None without boxes."""
    sizes = {record["id"]: (record["width"], record["height"]) for record in ground_truth["images"] if "width" in record}
    sides = [
        (record["bbox"][2] * record["bbox"][3]) ** 0.5 * input_spec.size[1] / letterbox_size(*sizes[record["image_id"]], input_spec.size)
        for record in ground_truth["annotations"]
        if "bbox" in record and not record.get("iscrowd") and record["image_id"] in sizes
    ]
    return float(np.median(sides)) if sides else None
