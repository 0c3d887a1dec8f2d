"""Training curves as a picture."""

from __future__ import annotations

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.run import Run
from mindpoint.errors import ConfigError
from mindpoint.hooks.json_lines import JsonLines
from mindpoint.visual.charts import write_chart
from mindpoint.visual.history import History, charts


class Curves(Hook):
    """Draws ``curves.png`` after every evaluation from ``log.jsonl``: all losses, the learning rate, the main statistic, and the first
    statistic of each further group."""

    def before_train(self, run: Run) -> None:
        names = [name for name, hook in run.hooks.items() if isinstance(hook, (JsonLines, Curves))]
        if not names or run.hooks[names[0]] is self:
            raise ConfigError("hooks: Curves needs the log of the hook JsonLines; add that hook before Curves")

    def after_eval(self, run: Run) -> None:
        write_chart(run.run_dir / "curves.png", charts({"": History.read(run.run_dir)}))
