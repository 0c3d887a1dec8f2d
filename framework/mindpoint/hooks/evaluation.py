"""Evaluating during training."""

from __future__ import annotations

from typing import Dict, Union

from mindpoint.contracts.hook import Hook
from mindpoint.errors import ConfigError
from mindpoint.inference.evaluation import save_evaluation


class Evaluation(Hook):
    """Evaluate on ``data.val`` every so many epochs and after the last one; the statistics are printed, and
    written to the run folder together with the results.

    Args:
        every: epochs between two evaluations.
        until: end the training when each of these statistics by name is reached; a number alone is for the metric's main one.
    """

    all_ranks = True

    def __init__(self, every: int = 1, until: Union[Dict[str, float], float, None] = None):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every, self.until = every, {} if until is None else until

    def before_train(self, trainer) -> None:
        if trainer.val_data is None:
            raise ConfigError("hooks: there is an evaluation hook but no data.val to evaluate on; add it or set the hook to null")
        if not isinstance(self.until, dict):
            self.until = {trainer.main_statistic: self.until}
        trainer.check_statistics("hooks.evaluation.until", list(self.until))

    def after_epoch(self, trainer) -> None:
        if trainer.epoch % self.every == 0 or trainer.ended:
            result = trainer.evaluate()
            if trainer.is_writer:
                print(f"after epoch {trainer.epoch}\n{result.table}", flush=True)
                save_evaluation(result, trainer.run_dir)
            self._stop_if_reached(trainer)

    def _stop_if_reached(self, trainer) -> None:
        if self.until and all(trainer.metrics[name] >= value for name, value in self.until.items()):
            reached = (f"{name} {trainer.metrics[name]:.3f} has reached {value:g}" for name, value in self.until.items())
            trainer.stop_reason = ", ".join(reached)
