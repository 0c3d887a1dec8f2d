"""The course of a training as a picture."""

from __future__ import annotations

from mindpoint.contracts.hook import Hook
from mindpoint.visual.history import History, panels
from mindpoint.errors import ConfigError
from mindpoint.hooks.json_lines import JsonLines
from mindpoint.visual.charts import write_chart


class Curves(Hook):
    """``curves.png`` after every evaluation: all losses, the learning rate, and the first statistic of each group, from ``log.jsonl``."""

    def before_train(self, trainer) -> None:
        names = [name for name, hook in trainer.hooks.items() if isinstance(hook, (JsonLines, Curves))]
        if not names or trainer.hooks[names[0]] is self:
            raise ConfigError("hooks: Curves draws what the hook JsonLines writes; put one before it")

    def after_eval(self, trainer) -> None:
        write_chart(trainer.run_dir / "curves.png", panels({"": History.read(trainer.run_dir)}))
