"""Evaluating during training."""

from __future__ import annotations

from mindpoint.contracts.hook import Hook
from mindpoint.engine.files import write_text
from mindpoint.errors import ConfigError


class Evaluation(Hook):
    """Evaluate on ``data.val`` every so many epochs and after the last one; the table goes to the console and to ``evaluation.txt``.

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
        ended = trainer.epoch == trainer.epochs or trainer.step >= trainer.total_steps or trainer.stop_reason
        if trainer.epoch % self.every == 0 or ended:
            result = trainer.evaluate()
            print(f"evaluation after epoch {trainer.epoch}\n{result.table}", flush=True)
            write_text(trainer.run_dir / "evaluation.txt", result.table + "\n")
