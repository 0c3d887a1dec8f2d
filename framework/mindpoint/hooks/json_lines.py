"""Losses, learning rate and statistics as JSON lines."""

from __future__ import annotations

import json
import math
from typing import Dict

from mindpoint.contracts.hook import Hook
from mindpoint.errors import ConfigError, OutputError


class JsonLines(Hook):
    """One JSON object a line in ``log.jsonl``: ``{"step", "epoch", "learning_rate", "loss", <terms>, "data_seconds", "step_seconds",
    "skipped_steps"}`` after a step and ``{"step", "epoch", "metrics": {...}}`` after an evaluation. Epochs
    count from 1; values that are not finite are null.

    Args:
        every: steps between two lines.
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every = every

    def before_train(self, trainer) -> None:
        self.path = trainer.run_dir / "log.jsonl"

    def after_step(self, trainer) -> None:
        if trainer.step % self.every == 0:
            self._write(
                {
                    "step": trainer.step,
                    "epoch": trainer.epoch + 1,
                    "learning_rate": trainer.learning_rate,
                    **_finite(trainer.losses),
                    "data_seconds": round(trainer.data_seconds, 4),
                    "step_seconds": round(trainer.step_seconds, 4),
                    "skipped_steps": trainer.skipped_steps,
                }
            )

    def after_eval(self, trainer) -> None:
        self._write({"step": trainer.step, "epoch": trainer.epoch, "metrics": _finite(trainer.metrics)})

    def _write(self, record: dict) -> None:
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror}") from error


def _finite(values: Dict[str, float]) -> Dict[str, object]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
