"""Losses, learning rate and statistics as JSON lines."""

from __future__ import annotations

import json
import math
from typing import Dict

from mindpoint.contracts.run import Run
from mindpoint.hooks.step_log import StepLog, drop_later
from mindpoint.storage.files import append
from mindpoint.visual.history import FILE


class JsonLines(StepLog):
    """Writes one JSON object per line to ``log.jsonl``: ``{"step", "epoch", "learning_rate", "loss", <terms>, "data_seconds",
    "step_seconds", "skipped_steps"}`` after a step, with ``"loss_scale"`` if used, and ``{"step", "epoch", "main", "metrics": {...}}``
    after an evaluation, where ``main`` names the main statistic. Data problems are also written, as ``{"step", "epoch", "incident",
    ...}``, see :attr:`mindpoint.contracts.run.Run.incidents`. Epochs count from 1; values that are not finite are null.

    Args:
        every: number of steps between two lines; incidents are always written.
    """

    def __init__(self, every: int = 1):
        super().__init__(every)

    def before_train(self, run: Run) -> None:
        self.path, self.main = run.run_dir / FILE, run.main_statistic
        drop_later(self.path, run, lambda line: json.loads(line)["step"], lambda line: "metrics" in json.loads(line))

    def after_step(self, run: Run) -> None:
        super().after_step(run)
        for incident in run.incidents:
            self._write({"step": run.step, "epoch": run.epoch + 1, **incident})

    def write_step(self, step: int, values: Dict[str, float]) -> None:
        self._write({"step": step, **_finite(values)})

    def write_statistics(self, step: int, epoch: int, statistics: Dict[str, float]) -> None:
        self._write({"step": step, "epoch": epoch, "main": self.main, "metrics": _finite(statistics)})

    def _write(self, record: dict) -> None:
        append(self.path, json.dumps(record) + "\n")


def _finite(values: Dict[str, float]) -> Dict[str, object]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
