"""The training loop."""

from __future__ import annotations

import hashlib
import logging
import time
from pathlib import Path
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.metric import Metric
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.hook import Hook, acts_at
from mindpoint.model import checkpoint
from mindpoint.inference.evaluation import Evaluation, evaluate
from mindpoint.inference.detector import Detector
from mindpoint.data.loader import Loader
from mindpoint.train.step import TrainStep
from mindpoint.errors import ConfigError, Interrupted, TrainingError
from mindpoint.optim.schedules import Schedule
from mindpoint.runtime import distributed
from mindpoint.runtime.progress import track
from mindpoint.runtime.signals import Signals
from mindpoint.runtime.versions import versions
from mindpoint.train.surroundings import machine, random_state
from mindpoint.visual.build import build_visualizer

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
                                        # a signal that has come ends the training here, or in an evaluation
            after_epoch                 # hooks may call trainer.evaluate() and trainer.save()
        on_exception                    # only if something was raised
        after_train                     # always

        evaluate(): before_eval, detections of all validation images and their statistics, after_eval
        save():     on_checkpoint, then the file is written

    Several processes (:mod:`mindpoint.runtime.distributed`) each run the loop on their part of every batch; hooks act in the first, except
    those with ``all_ranks``.

    A resumed training (:mod:`mindpoint.train.resume`) begins with ``before_train`` and the ``before_epoch`` of the epoch it stopped in.

    Attributes:
        config: the resolved configuration.
        run_dir: folder of this run; hooks write there.
        network_step: the training step, and with it network and optimizer.
        detector, val_data, metric: for evaluation; ``val_data`` is None if ``data.val`` is not configured.
        epoch: finished epochs (in ``before_epoch`` to ``after_step``: the 0-based number of the running one).
        closed_epochs: epochs whose ``after_epoch`` is over, evaluation included.
        visualizer: draws objects for the hooks.
        epochs, steps_per_epoch, total_steps: length of the training.
        images, batch_size: number of images to train on, and in a step.
        step: steps done.
        learning_rate: of the last step; the greatest, where parts of the network have different ones.
        batch: arrays of the current step by column; the next step's are written over them.
        losses: ``loss`` (weighted total) and every term of the last step, means over all processes.
        incidents: what went wrong in the last step, in any process: ``{"incident": "gradient not finite", "image_ids": [...]}`` or
            ``{"incident": "unreadable image", "message": ...}`` for each image that is met for the first time.
        skipped_steps, skipped_in_a_row: steps left out because a gradient was not finite, in all and up to the last step.
        data_seconds, step_seconds: time of the last step: waiting for data, computing and waiting for other processes.
        metrics: statistics of the last evaluation by name.
        detections: of the last evaluation by image id.
        stop_reason: set it to end the training after the current step.
        error: what ended the training, if it was an exception.
        signals: those that the process was sent.
        is_writer: whether this process may write and print: the first of all.
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
        self.visualizer = build_visualizer(config)
        self.images, self.batch_size = len(loader.samples), loader.batch_size
        settings = config.section("train")
        self.epochs, self.steps_per_epoch = settings.epochs, loader.steps_per_epoch
        self.total_steps = min(self.epochs * self.steps_per_epoch, settings.max_steps or self.epochs * self.steps_per_epoch)
        self.max_skipped = settings.max_skipped
        self.base_lr = max(float(rate.asnumpy()) for rate in network_step.rates)
        if settings.lr_batch_size is not None:
            self.base_lr *= loader.batch_size / settings.lr_batch_size
        self.epoch = self.closed_epochs = self.step = self.skipped_steps = self.skipped_in_a_row = 0
        self.learning_rate = self.data_seconds = self.step_seconds = 0.0
        self.batch: Dict[str, np.ndarray] = {}
        self.losses: Dict[str, float] = {}
        self.incidents: List[Dict[str, object]] = []
        self.metrics: Dict[str, float] = {}
        self.detections: Dict[int, Detections] = {}
        self.stop_reason: Optional[str] = None
        self.error: Optional[BaseException] = None
        self.signals = Signals()
        self.is_writer = distributed.is_writer()
        self._deferred: List[Callable[[], None]] = []

    def train(self) -> None:
        """Train for ``epochs`` or until something sets ``stop_reason``.

        Raises:
            Interrupted: SIGINT or SIGTERM has come; hooks have seen it at ``on_exception``.
            TrainingError: more than ``train.max_skipped`` steps in a row had a gradient that is not finite.
        """
        try:
            with self.signals.noted():
                self._check_ranks()
                self._call("before_train")
                for batches in self.loader.epochs(self.epochs, self.epoch, self.step - self.epoch * self.steps_per_epoch):
                    self._run_epoch(batches)
                    if self.ended:
                        break
        except BaseException as error:
            self.error = error
            self._call_all("on_exception")
            raise
        finally:
            self._call_all("after_train")

    def _check_ranks(self) -> None:
        """All processes must do the same from the same beginning, or they would train different networks."""
        parameters = self.network_step.parameters_dict()
        digest = hashlib.sha256()
        for name in sorted(parameters):
            digest.update(name.encode() + parameters[name].asnumpy().tobytes())
        distributed.check_same("configuration", self.config.to_yaml())
        distributed.check_same("number of training images", len(self.loader.samples))
        distributed.check_same("initial weights and state of the optimizer", digest.hexdigest())

    @property
    def ended(self) -> bool:
        """No further step will follow; hooks that act every so many epochs act now."""
        return self.stop_reason is not None or self.step >= self.total_steps

    @property
    def finished(self) -> bool:
        """Nothing is left to do, the last ``after_epoch`` included."""
        return self.ended and (self.stop_reason is not None or self.closed_epochs * self.steps_per_epoch >= self.step)

    def _run_epoch(self, batches) -> None:
        self.network_step.set_train()
        self._call("before_epoch")
        started = time.perf_counter()
        for self.batch in () if self.ended else batches:
            self.data_seconds = time.perf_counter() - started
            self._exchange_unreadable()
            self._call("before_step")
            self._run_step()
            self._call("after_step")
            self._heed_skipped()
            self._heed_signals()
            if self.ended:
                break
            started = time.perf_counter()
        self.epoch += 1
        self._call("after_epoch")
        self.closed_epochs = self.epoch
        self._heed_signals()

    def _exchange_unreadable(self) -> None:
        """All processes know of the images that each of them does without: the first one writes the log, and all count them."""
        found = dict(distributed.collect(list(self.loader.left_out.items())))
        self.loader.unreadable.update(found)
        self.incidents = [{"incident": "unreadable image", "message": message} for message in found.values()]

    def _run_step(self) -> None:
        started = time.perf_counter()
        self.learning_rate = self.base_lr * self.schedule(self.step)
        self.losses, updated = self.network_step.run(self.batch, self.learning_rate)
        self.step += 1
        self.step_seconds = time.perf_counter() - started
        self.skipped_in_a_row = 0 if updated else self.skipped_in_a_row + 1
        if not updated:
            self.skipped_steps += 1
            self.incidents.append({"incident": "gradient not finite", "image_ids": distributed.collect(self.batch["image_id"].tolist())})

    def _heed_skipped(self) -> None:
        """Tell of a step that was left out; too many in a row end the training."""
        if not self.skipped_in_a_row:
            return
        scale = f", loss scale now {float(self.network_step.loss_scale):g}" if self.network_step.dynamic else ""
        report = (
            f"step {self.step}: a gradient is not finite, nothing was updated: {_losses(self.losses)}, "
            f"learning rate {self.learning_rate:.3g}{scale}, image ids {', '.join(map(str, self.incidents[-1]['image_ids']))}"
        )
        if self.skipped_in_a_row > self.max_skipped:
            raise TrainingError(
                f"{self.skipped_in_a_row} steps in a row gave gradients that are not finite, train.max_skipped is {self.max_skipped}; "
                f"check the data, lower optimizer.lr or set train.clip_norm; the last one:\n{report}"
            )
        log.warning("%s", report)

    def _heed_signals(self) -> None:
        """Act upon a signal that any process has received."""
        self._agree()
        received = distributed.agree(self.signals.received)
        if received is not None:
            raise Interrupted(f"{received.name} has ended the training at step {self.step}", received)

    def _agree(self) -> None:
        """Let all processes know what a hook of the first has decided."""
        self.stop_reason = distributed.agree(self.stop_reason)

    def _heeding(self, items: Iterable) -> Iterator:
        """The items until a signal comes. All processes must have come to the end before it is acted upon."""
        for item in items:
            if self.signals.received is not None:
                break
            yield item
        self._heed_signals()

    @property
    def main_statistic(self) -> Optional[str]:
        """The metric's main statistic; None where nothing is evaluated."""
        return self.metric.main if self.metric else None

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
        """Evaluate on ``data.val``, with averaged weights if ``train.ema`` asks for them, and give the result to the hooks."""
        self._call("before_eval")
        with self.network_step.averaged_weights():
            result = evaluate(
                self.detector, self.val_data, self.metric, lambda items, total: track(self._heeding(items), total, "evaluating")
            )
        self.metrics, self.detections = result.statistics, result.detections
        self._call("after_eval")
        return result

    def heatmaps(self, images: Sequence[np.ndarray]) -> List[Tuple[Dict[str, np.ndarray], View]]:
        """Return what the decoder shows of the maps of each image, with averaged weights if ``train.ema`` asks for them; see
        :meth:`mindpoint.inference.detector.Detector.heatmaps`."""
        with self.network_step.averaged_weights():
            return [self.detector.heatmaps(image) for image in images]

    def save(self, name: str, previous: Optional[str] = None) -> Path:
        """Write a checkpoint of everything to ``run_dir / name``; what was there goes to ``run_dir / previous``, if that is given."""
        self._call("on_checkpoint")
        path = self.run_dir / name
        info = {
            "config": self.config.to_yaml(),
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

        The order of the samples and their augmentation are functions of (seed, epoch, index) and need none.
        """
        return {
            "epoch": self.closed_epochs,
            "step": self.step,
            "images": len(self.loader.samples),
            "batch_size": self.loader.batch_size,
            "stop_reason": self.stop_reason,
            "skipped_steps": self.skipped_steps,
            "skipped_in_a_row": self.skipped_in_a_row,
            "unreadable": self.loader.unreadable,
            "hooks": {name: hook.state_dict() for name, hook in self.hooks.items()},
            "random": random_state(),
            "machine": machine(),
        }

    def defer(self, action: Callable[[], None]) -> None:
        """Have something done when all hooks have been called at the running point: a checkpoint holds then what all of them know."""
        self._deferred.append(action)

    def _call(self, point: str) -> None:
        """Call the hooks that act at a point, then what they deferred; points may nest, each with deferred actions of its own."""
        outer, self._deferred = self._deferred, []
        try:
            undecided = False  # a hook of the first process alone may have set stop_reason
            for hook in self.hooks.values():
                if not acts_at(hook, point):
                    continue
                if hook.all_ranks and undecided:
                    self._agree()
                    undecided = False
                undecided |= not hook.all_ranks
                if hook.all_ranks or self.is_writer:
                    getattr(hook, point)(self)
            actions = self._deferred
        finally:
            self._deferred = outer
        for action in actions:
            action()

    def _call_all(self, point: str) -> None:
        """Call every hook, also after one has failed; its error must not hide the one that ended the training."""
        failed = None
        for name, hook in self._acting(point):
            try:
                getattr(hook, point)(self)
            except Exception as error:
                log.warning("hook '%s' failed at %s: %s: %s", name, point, type(error).__name__, error)
                failed = failed or error
        if failed is not None and self.error is None:
            raise failed

    def _acting(self, point: str) -> List[Tuple[str, Hook]]:
        """The hooks that act at a point in this process."""
        acting = [(name, hook) for name, hook in self.hooks.items() if acts_at(hook, point)]
        return [(name, hook) for name, hook in acting if hook.all_ranks or self.is_writer]


def _losses(losses: Dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
