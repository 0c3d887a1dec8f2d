"""Evaluating during training."""

from __future__ import annotations

from mindpoint.contracts.hook import Hook
from mindpoint.engine.evaluation import save_evaluation
from mindpoint.errors import ConfigError


class Evaluation(Hook):
    """Evaluate on ``data.val`` every so many epochs and after the last one; the statistics are printed, and
    written to the run folder together with the results.

    Args:
        every: epochs between two evaluations.
    """

    def __init__(self, every: int = 1):
        if every < 1:
            raise ConfigError("every must be at least 1")
        self.every = every

    def before_train(self, trainer) -> None:
        if trainer.val_data is None:
            raise ConfigError("hooks: there is an evaluation hook but no data.val to evaluate on; add it or set the hook to null")

    def after_epoch(self, trainer) -> None:
        if trainer.epoch % self.every == 0 or trainer.ended:
            result = trainer.evaluate()
            print(f"after epoch {trainer.epoch}\n{result.table}", flush=True)
            save_evaluation(result, trainer.run_dir)
