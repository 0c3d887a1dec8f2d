"""The training loop."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Dict, Optional, Sequence

import mindspore as ms
import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset, Metric
from mindpoint.contracts.detections import Detections
from mindpoint.contracts.hook import Hook
from mindpoint.engine import checkpoint
from mindpoint.engine.evaluation import Evaluation, evaluate
from mindpoint.engine.detector import Detector
from mindpoint.engine.loader import Loader
from mindpoint.engine.step import TrainStep
from mindpoint.errors import ConfigError
from mindpoint.optim.schedules import Schedule
from mindpoint.runtime.progress import track
from mindpoint.runtime.versions import versions

log = logging.getLogger("mindpoint")


class Trainer:
    """Runs the loop and calls the hooks, in the order of the configuration::

        before_train
        for each epoch:
            before_epoch
            for each batch:
                before_step
                one step: forward, gradients, update
                after_step
            after_epoch                 # hooks may call trainer.evaluate() and trainer.save()
        on_exception                    # only if something was raised
        after_train                     # always

        evaluate(): before_eval, detections of all validation images and their statistics, after_eval
        save():     on_checkpoint, then the file is written

    Attributes:
        config: the resolved configuration.
        run_dir: folder of this run; hooks write there.
        network_step: the training step, and with it network and optimizer.
        detector, val_data, metric: for evaluation; ``val_data`` is None if ``data.val`` is not configured.
        epoch: finished epochs (in ``before_epoch`` to ``after_step``: the 0-based number of the running one).
        epochs, steps_per_epoch, total_steps: length of the training.
        step: steps done.
        learning_rate: of the last step.
        batch: arrays of the current step by column; the next step's are written over them.
        losses: ``loss`` (weighted total) and every term of the last step.
        skipped_steps: steps left out because a gradient was not finite.
        data_seconds, step_seconds: time of the last step: waiting for data, computing.
        metrics: statistics of the last evaluation by name.
        detections: of the last evaluation by image id.
        stop_reason: set it to end the training after the current step.
        error: what ended the training, if it was an exception.
    """

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        network_step: TrainStep,
        loader: Loader,
        schedule: Schedule,
        hooks: Dict[str, Hook],
        detector: Detector,
        metric: Optional[Metric],
        val_data: Optional[Dataset],
    ):
        self.config, self.run_dir, self.hooks = config, run_dir, hooks
        self.network_step, self.loader, self.schedule = network_step, loader, schedule
        self.detector, self.metric, self.val_data = detector, metric, val_data
        settings = config.section("train")
        self.epochs, self.steps_per_epoch = settings.epochs, loader.steps_per_epoch
        self.total_steps = min(self.epochs * self.steps_per_epoch, settings.max_steps or self.epochs * self.steps_per_epoch)
        self.base_lr = float(network_step.optimizer.learning_rate.asnumpy())
        self.epoch = self.step = self.skipped_steps = 0
        self.learning_rate = self.data_seconds = self.step_seconds = 0.0
        self.batch: Dict[str, np.ndarray] = {}
        self.losses: Dict[str, float] = {}
        self.metrics: Dict[str, float] = {}
        self.detections: Dict[int, Detections] = {}
        self.stop_reason: Optional[str] = None
        self.error: Optional[BaseException] = None

    def train(self) -> None:
        """Train for ``epochs`` or until something sets ``stop_reason``."""
        try:
            self._call("before_train")
            for batches in self.loader.epochs(self.epochs):
                self._run_epoch(batches)
                if self.ended:
                    break
        except BaseException as error:
            self.error = error
            self._call_all("on_exception")
            raise
        finally:
            self._call_all("after_train")

    @property
    def ended(self) -> bool:
        """No further step will follow; hooks that act every so many epochs act now."""
        return self.stop_reason is not None or self.step >= self.total_steps

    def _run_epoch(self, batches) -> None:
        self.network_step.set_train()
        self._call("before_epoch")
        started = time.perf_counter()
        for self.batch in batches:
            self.data_seconds = time.perf_counter() - started
            self._call("before_step")
            self._run_step()
            self._call("after_step")
            if self.ended:
                break
            started = time.perf_counter()
        self.epoch += 1
        self._call("after_epoch")

    def _run_step(self) -> None:
        started = time.perf_counter()
        self.learning_rate = self.base_lr * self.schedule(self.step)
        targets = [ms.Tensor(self.batch[name]) for name in self.network_step.target_names]
        total, terms, finite = self.network_step(ms.Tensor(self.batch["image"]), ms.Tensor(np.float32(self.learning_rate)), *targets)
        named = zip(("loss", *self.network_step.terms), (total, *terms))
        self.losses = {name: float(value.asnumpy()) for name, value in named}
        self.skipped_steps += not bool(finite)
        self.step += 1
        self.step_seconds = time.perf_counter() - started

    def check_statistics(self, where: str, names: Sequence[str]) -> None:
        """Raise ConfigError if the metric gives no statistic of one of these names; nothing is checked where nothing is evaluated."""
        if self.metric is None:
            return
        truth = self.val_data.ground_truth()
        known = self.metric.evaluate({**truth, "images": [], "annotations": []}, [], [])
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(f"{where}: there is no statistic '{unknown[0]}'; there are {', '.join(known)}")

    def evaluate(self) -> Evaluation:
        """Evaluate on ``data.val`` and give the result to the hooks."""
        self._call("before_eval")
        result = evaluate(self.detector, self.val_data, self.metric, lambda items, total: track(items, total, "evaluating"))
        self.metrics, self.detections = result.statistics, result.detections
        self._call("after_eval")
        return result

    def save(self, name: str) -> Path:
        """Write a checkpoint of everything to ``run_dir / name``."""
        self._call("on_checkpoint")
        path = self.run_dir / name
        info = {
            "config": self.config.to_yaml(),
            "epoch": self.epoch,
            "step": self.step,
            "metrics": self.metrics,
            "versions": versions(),
        }
        checkpoint.save(path, self.network_step, info)
        return path

    def _call(self, point: str) -> None:
        for hook in self.hooks.values():
            getattr(hook, point)(self)

    def _call_all(self, point: str) -> None:
        """Call every hook, also after one has failed; its error must not hide the one that ended the training."""
        failed = None
        for name, hook in self.hooks.items():
            try:
                getattr(hook, point)(self)
            except Exception as error:
                log.warning("hook '%s' failed at %s: %s: %s", name, point, type(error).__name__, error)
                failed = failed or error
        if failed is not None and self.error is None:
            raise failed
