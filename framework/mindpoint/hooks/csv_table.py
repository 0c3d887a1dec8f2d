"""Losses, learning rate and statistics as tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Dict

from mindpoint.contracts.run import Run
from mindpoint.errors import OutputError
from mindpoint.hooks.step_log import StepLog, drop_later
from mindpoint.storage.files import append


class Csv(StepLog):
    """Writes tables for spreadsheets: ``steps.csv`` with a line for each recorded step, ``statistics.csv`` with one for each evaluation.

    The columns are those of ``log.jsonl``. Epochs count from 1; values that are not finite are written as ``nan`` or ``inf``.

    Args:
        every: number of steps between two lines.
    """

    def __init__(self, every: int = 1):
        super().__init__(every)

    def before_train(self, run: Run) -> None:
        self.steps, self.statistics = run.run_dir / "steps.csv", run.run_dir / "statistics.csv"
        drop_later(self.steps, run, _step_of, lambda line: False)
        drop_later(self.statistics, run, _step_of, lambda line: True)

    def write_step(self, step: int, values: Dict[str, float]) -> None:
        _add(self.steps, {"step": step, **values})

    def write_statistics(self, step: int, epoch: int, statistics: Dict[str, float]) -> None:
        _add(self.statistics, {"step": step, "epoch": epoch, **statistics})


def _add(path: Path, row: Dict[str, float]) -> None:
    """Append a line; a new file starts with a header line."""
    titles = _line(row)
    present = _first_line(path)
    if present and present != titles:
        raise OutputError(f"{path}: its columns ({present.strip()}) differ from those of this training; move the file away")
    append(path, ("" if present else titles) + _line(row.values()))


def _step_of(line: str) -> int:
    return 0 if line.startswith("step,") else int(line.partition(",")[0])


def _first_line(path: Path) -> str:
    if not path.is_file():
        return ""
    with open(path, encoding="utf-8", newline="") as file:
        return file.readline()


def _line(cells) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()
