"""The training loop."""

from __future__ import annotations

import itertools
import logging
import math
import signal
import time
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.guard import declared
from mindpoint.contracts.hook import Hook
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.metric import Metric
from mindpoint.data.loader import Loader
from mindpoint.data.workers import Arrays
from mindpoint.errors import ConfigError, DataError, Interrupted
from mindpoint.inference.detector import Detector
from mindpoint.inference.evaluation import Evaluation, evaluate
from mindpoint.model import checkpoint
from mindpoint.optim.schedules import Schedule
from mindpoint.registry import local
from mindpoint.runtime import activity, distributed
from mindpoint.runtime.progress import track
from mindpoint.runtime.signals import Signals
from mindpoint.runtime.versions import versions
from mindpoint.training.agreement import agree_before_step, agree_on_end, check_same_start
from mindpoint.training.hook_calls import HookCalls
from mindpoint.training.sink import Sunk
from mindpoint.training.skipped import SkippedSteps
from mindpoint.training.step import TrainStep
from mindpoint.training.surroundings import machine, random_state
from mindpoint.visual.build import build_visualizer

log = logging.getLogger("mindpoint")


class Trainer:
    """Runs the loop and calls the hooks, in the order of the configuration::

        before_train
        for each epoch:
            before_epoch
            for each batch:
                                        # a received signal ends the training here, or in an evaluation
                before_step
                one step: forward, gradients, update
                after_step
            after_epoch                 # hooks may call trainer.evaluate() and trainer.save()
        on_exception                    # only if something was raised
        after_train                     # always

        evaluate(): before_eval, detections of all validation images and their statistics, after_eval
        save():     on_checkpoint, then the file is written; both in the first process alone

    Several processes (:mod:`mindpoint.runtime.distributed`) each run the loop on their part of every batch; hooks are called in the first
    process, those with ``all_ranks`` in every process. They exchange a few numbers before each step, to use the same divisors of losses and
    to end after the same step; the losses travel with the gradients.

    A resumed training (:mod:`mindpoint.training.resume`) begins with ``before_train`` and the ``before_epoch`` of the interrupted epoch.

    It has the attributes of :class:`mindpoint.contracts.run.Run`, and the following.

    Attributes:
        config: the resolved configuration.
        name: name of the configuration.
        network_step: the training step, which holds network and optimizer.
        loader, schedule: the batches, and the factor of the learning rate by step.
        counts: divisors of the losses of the current step, see :meth:`TrainStep.count`.
        detector, metric: find objects in an evaluation, and measure their quality.
        skipped: counter of steps skipped because a gradient was not finite.
        signals: signals that the process has received.
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
        self.config, self.name, self.run_dir, self.hooks = config, Path(config.name).stem, run_dir, hooks
        self.network_step, self.loader, self.schedule = network_step, loader, schedule
        self.detector, self.metric, self.val_data = detector, metric, val_data
        self.visualizer = build_visualizer(config)
        self.images, self.batch_size = len(loader.samples), loader.batch_size
        settings = config.section("train")
        self.steps_per_epoch = loader.steps_per_epoch
        length = settings.length(self.steps_per_epoch)
        self.epochs, self.total_steps = math.ceil(length / self.steps_per_epoch), min(length, settings.max_steps or length)
        self.checkpoint_minutes = settings.checkpoint_minutes
        self.skipped = SkippedSteps(settings.max_skipped)
        self.base_lr = max(float(rate.asnumpy()) for rate in network_step.rates)
        if settings.lr_batch_size is not None:
            self.base_lr *= loader.batch_size / settings.lr_batch_size
        self.sunk = None if settings.sink is None else Sunk(network_step, loader, self._rate, settings.sink, self.total_steps)
        self.epoch = self.closed_epochs = self.step = 0
        self.learning_rate = self.data_seconds = self.step_seconds = 0.0
        self.batch: Arrays = {}
        self.counts = np.zeros(0, np.float32)
        self.losses: Dict[str, float] = {}
        self.incidents: List[Dict[str, object]] = []
        self.metrics: Dict[str, float] = {}
        self.detections: Dict[int, Detections] = {}
        self.stop_reason: Optional[str] = None
        self.error: Optional[BaseException] = None
        self.signals = Signals()
        self.is_writer = distributed.is_writer()
        self._hook_calls = HookCalls(self, self._agree)

    def train(self) -> None:
        """Train for ``epochs`` or until something sets ``stop_reason``.

        Raises:
            Interrupted: SIGINT or SIGTERM was received; hooks have seen it at ``on_exception``.
            TrainingError: more than ``train.max_skipped`` steps in a row had a gradient that is not finite.
        """
        try:
            with self.signals.noted():
                check_same_start(self.config, len(self.loader.samples), self.network_step)
                self._hook_calls.call("before_train")
                source = self.sunk or self.loader
                for batches in source.epochs(self.epochs, self.epoch, self.step - self.epoch * self.steps_per_epoch):
                    self._run_epoch(batches)
                    if self.ended:
                        break
        except BaseException as error:
            self.error = error
            # A signal to the whole group also ends the processes that read data, perhaps before it is heeded here.
            if isinstance(error, DataError) and self.signals.received is not None:
                self.error = self._interrupted(self.signals.received)
            self._hook_calls.call_all("on_exception")
            if self.error is not error:
                raise self.error from error
            raise
        finally:
            self._hook_calls.call_all("after_train")

    @property
    def skipped_steps(self) -> int:
        """Return the number of steps skipped because a gradient was not finite."""
        return self.skipped.total

    @property
    def loss_scale(self) -> Optional[float]:
        """Return the loss scale of the next step; None: the loss is not scaled."""
        scaler = self.network_step.scaler
        return None if scaler is None else float(scaler.scale_value.asnumpy())

    @property
    def ended(self) -> bool:
        """Tell whether no further step will follow; hooks that act every few epochs also act then."""
        return self.stop_reason is not None or self.step >= self.total_steps

    @property
    def finished(self) -> bool:
        """Tell whether everything is done, including the last ``after_epoch``."""
        return self.ended and (self.stop_reason is not None or self.closed_epochs * self.steps_per_epoch >= self.step)

    def _run_epoch(self, batches) -> None:
        self.network_step.set_train()
        self._hook_calls.call("before_epoch")
        while self._fetch(batches):
            self._hook_calls.call("before_step")
            self._run_step()
            self._hook_calls.call("after_step")
            self._heed_skipped()
        self.epoch += 1
        self._hook_calls.call("after_epoch")
        self.closed_epochs = self.epoch
        self._heed_signals()

    def _fetch(self, batches: Iterator[Arrays]) -> bool:
        """Fetch the next batch and agree with the other processes on its step; return False at the end of the epoch or the training.

        A process that wants to end does not wait for a batch; the others learn of it before they use theirs.
        """
        activity.announce(f"waiting for the batch of step {self.step + 1}")
        started = time.perf_counter()
        ending = self.ended or self.signals.received is not None
        batch = None if ending else next(batches, None)
        fetched = time.perf_counter()
        activity.announce(f"agreeing on step {self.step + 1}")
        left_out = self.sunk is None and batch is not None and bool(self.loader.left_out)
        self.counts, (ending, left_out) = agree_before_step(self.network_step.count(batch), (ending, left_out))
        if ending:
            self._heed_signals()
        if ending or batch is None:
            return False
        self.batch, self.incidents = batch, []
        if left_out:
            self._exchange_unreadable()
        self.data_seconds, self.step_seconds = fetched - started, time.perf_counter() - fetched
        return True

    def _exchange_unreadable(self) -> None:
        """Share unreadable images among all processes: the first one writes the log, and all count them."""
        found = dict(distributed.collect(list((self.sunk or self.loader).left_out.items())))
        self.incidents = [{"incident": "unreadable image", "message": message} for message in found.values()]
        self.loader.leave_out(found)

    def _run_step(self) -> None:
        activity.announce(f"step {self.step + 1}")
        started = time.perf_counter()
        steps = self.sunk.size if self.sunk else 1
        self.learning_rate = self._rate(self.step + steps - 1)
        if self.sunk is None:
            self.losses, updated = self.network_step.run(self.batch, self.learning_rate, self.counts)
        else:
            self.losses, updated = self.sunk.run()
            self._exchange_unreadable()  # its batches are read during the run
        self.step += steps
        self.step_seconds += time.perf_counter() - started
        if self.loader.order.follows_losses:
            pairs = zip(self.batch["image_id"].tolist(), self.network_step.image_losses.tolist())
            self.loader.order.observe(*zip(*itertools.chain(*distributed.gather(list(pairs)))))
        self.skipped.count(updated)
        if not updated:
            images = [] if self.sunk else self.batch["image_id"].tolist()
            self.incidents.append({"incident": "gradient not finite", "image_ids": distributed.collect(images)})

    def _rate(self, step: int) -> float:
        """Return the learning rate of the next step after ``step`` completed steps."""
        return self.base_lr * self.schedule(step)

    def _heed_skipped(self) -> None:
        if self.skipped.in_a_row:
            self.skipped.heed(self.step, self.network_step, self.losses, self.learning_rate, self.incidents[-1]["image_ids"])

    def _heed_signals(self) -> None:
        """Act on a signal that any process has received; this also shares decisions of hooks of the first process."""
        self.stop_reason, received = agree_on_end(self.stop_reason, self.signals.received)
        if received is not None:
            raise self._interrupted(received)

    def _interrupted(self, received: signal.Signals) -> Interrupted:
        return Interrupted(f"{received.name} ended the training at step {self.step}", received)

    def _agree(self) -> None:
        """Inform all processes of decisions by hooks of the first process."""
        self.stop_reason = distributed.agree(self.stop_reason)

    def _heeding(self, items: Iterable) -> Iterator:
        """Yield the items until a signal arrives. All processes must reach the end before they act on the signal."""
        for item in items:
            if self.signals.received is not None:
                break
            yield item
        self._heed_signals()

    @property
    def main_statistic(self) -> Optional[str]:
        """Return the metric's main statistic; None without evaluation."""
        return self.metric and declared("test.metric", self.metric, "main", "the name of its main statistic")

    def check_statistics(self, where: str, names: Sequence[str]) -> None:
        """Raise ConfigError if the metric lacks a statistic with one of these names; do nothing without evaluation."""
        if self.metric is None or not names:
            return
        known = declared("test.metric", self.metric, "statistics", "the names of all statistics, in their order")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ConfigError(f"{where}: unknown statistic '{unknown[0]}'; the metric has {', '.join(known)}")

    def evaluate(self) -> Evaluation:
        """Evaluate on ``data.val``, with averaged weights if ``train.ema`` is set, and pass the result to the hooks."""
        self._hook_calls.call("before_eval")
        with self.network_step.averaged_weights():
            result = evaluate(
                self.detector, self.val_data, self.metric, lambda items, total: track(self._heeding(items), total, "evaluating")
            )
        self.metrics, self.detections = result.statistics, result.detections
        self._hook_calls.call("after_eval")
        return result

    def heatmaps(self, samples: Sequence[Sample]) -> List[Tuple[Dict[str, np.ndarray], View]]:
        """Return the decoder's heatmaps for the image of each sample, with averaged weights if ``train.ema`` is set; see
        :meth:`mindpoint.inference.detector.Detector.heatmaps`."""
        with self.network_step.averaged_weights():
            return [self.detector.heatmaps(sample) for sample in samples]

    def save(self, name: str, previous: Optional[str] = None) -> Path:
        """Write a full checkpoint to ``run_dir / name``. If ``previous`` is given, an older file moves to ``run_dir / previous``.

        Only the first process writes; the others do nothing.
        """
        path = self.run_dir / name
        if not self.is_writer:
            return path
        self._hook_calls.call("on_checkpoint")
        info = {
            "config": self.config.to_yaml(),
            "categories": self.loader.samples.dataset.categories(),
            "name": self.name,
            "epoch": self.step // self.steps_per_epoch,
            "step": self.step,
            "metrics": self.metrics,
            "versions": versions(),
            "state": self.state(),
        }
        kept = None if previous is None else self.run_dir / previous
        checkpoint.save(path, self.network_step, info, self.network_step.is_state, kept)
        return path

    def state(self) -> Dict[str, object]:
        """Return the training's state as JSON values.

        The order of the samples and their augmentation are functions of (seed, epoch, index) and need no state, except that of a sampler
        that follows losses.
        """
        return {
            "epoch": self.closed_epochs,
            "step": self.step,
            "images": len(self.loader.samples),
            "batch_size": self.loader.batch_size,
            "stop_reason": self.stop_reason,
            "skipped_steps": self.skipped.total,
            "skipped_in_a_row": self.skipped.in_a_row,
            "unreadable": self.loader.unreadable,
            "sampling": self.loader.order.state(),
            "hooks": {name: hook.state_dict() for name, hook in self.hooks.items()},
            "random": random_state(),
            "machine": machine(),
            "files": local.digests(),
        }

    def defer(self, action: Callable[[], None]) -> None:
        """Run ``action`` after all hooks have been called at the current point, so that a checkpoint holds the state of all of them."""
        self._hook_calls.defer(action)
