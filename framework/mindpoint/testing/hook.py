"""Tests of hooks."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.hook import POINTS, Hook, acts_at
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.errors import ConfigError
from mindpoint.inference.evaluation import Evaluation
from mindpoint.testing.samples import DrawnObjects, PartTests, need, skip, whole_view
from mindpoint.visual.objects import ObjectVisualizer


class HookTests(PartTests):
    """Tests of a hook. Derive from it and let ``make(run_dir)`` return one."""

    def make(self, run_dir: Path) -> Hook:
        """Return a new hook for a run in that folder."""
        raise NotImplementedError(f"{type(self).__name__}.make must return the hook to test")

    def test_it_acts_at_some_point(self):
        hook = self._made()
        need(any(acts_at(hook, point) for point in POINTS), f"the hook must override one of {', '.join(POINTS)}")

    def test_it_lives_through_a_training(self):
        with tempfile.TemporaryDirectory() as folder:
            self._train(self.make(Path(folder)), FakeRun(Path(folder)), 0, 6)

    def test_its_state_is_json_and_comes_back(self):
        with tempfile.TemporaryDirectory() as folder:
            hook = self.make(Path(folder))
            self._train(hook, FakeRun(Path(folder)), 0, 4)
            state = hook.state_dict()
            need(isinstance(state, dict), f"state_dict must return a dictionary, not {type(state).__name__}")
            try:
                text = json.dumps(state)
            except TypeError as error:
                raise AssertionError(f"state_dict must hold JSON values only: {error}") from error
            again = self.make(Path(folder))
            again.load_state_dict(json.loads(text))
            need(json.loads(json.dumps(again.state_dict())) == json.loads(text), "load_state_dict must restore all values of state_dict")

    def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
            whole, first = self.make(Path(folder)), self.make(Path(other))
            self._train(whole, FakeRun(Path(folder)), 0, 6)
            self._train(first, FakeRun(Path(other)), 0, 4)
            second = self.make(Path(other))
            second.load_state_dict(json.loads(json.dumps(first.state_dict())))
            self._train(second, FakeRun(Path(other)), 4, 6)
            need(
                json.dumps(second.state_dict()) == json.dumps(whole.state_dict()),
                f"its state after a resumed training is {second.state_dict()}, but without interruption {whole.state_dict()}",
            )

    def _made(self) -> Hook:
        with tempfile.TemporaryDirectory() as folder:
            return self.make(Path(folder))

    @staticmethod
    def _train(hook: Hook, run: "FakeRun", start: int, stop: int) -> None:
        """Call the hook like a training with two steps per epoch and an evaluation after each epoch."""
        run.hooks, run.step = {"hook": hook}, start
        run.epoch = run.closed_epochs = start // run.steps_per_epoch
        try:
            run.act(hook.before_train)
        except ConfigError as error:
            skip(f"the hook needs more of a training than the test has: {error}")
        while run.step < stop:
            if run.step % run.steps_per_epoch == 0:
                run.act(hook.before_epoch)
            run.act(hook.before_step)
            run.step += 1
            run.losses = {"loss": 1.0 / run.step, "toy_loss": 1.0 / run.step}
            run.act(hook.after_step)
            if run.step % run.steps_per_epoch == 0:
                run.epoch += 1
                run.act(hook.after_epoch)
                run.evaluate()
                run.closed_epochs = run.epoch
        run.act(hook.on_checkpoint)
        run.act(hook.after_train)


class FakeRun:
    """A :class:`mindpoint.contracts.run.Run` without a network."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir, self.hooks = run_dir, {}
        self.epoch = self.closed_epochs = self.step = self.skipped_steps = 0
        self.epochs, self.steps_per_epoch, self.total_steps = 3, 2, 6
        self.images, self.batch_size, self.learning_rate = 8, 4, 1e-3
        self.batch: Dict[str, np.ndarray] = {"image": np.zeros((4, 3, 32, 32), np.float32), "image_id": np.arange(4)}
        self.losses: Dict[str, float] = {}
        self.incidents: List[dict] = []
        self.checkpoint_minutes: Optional[float] = 10
        self.loss_scale: Optional[float] = None
        self.data_seconds, self.step_seconds = 0.01, 0.1
        self.val_data = DrawnObjects(["one", "two"])
        self.metrics: Dict[str, float] = {}
        self.main_statistic: Optional[str] = "toy/AP"
        self.detections: Dict[int, Detections] = {}
        self.visualizer = ObjectVisualizer(["one", "two"])
        self.stop_reason: Optional[str] = None
        self.error: Optional[BaseException] = None
        self.is_writer = True
        self._deferred: List[Callable[[], None]] = []

    @property
    def ended(self) -> bool:
        """Return whether this was the last step."""
        return self.stop_reason is not None or self.step >= self.total_steps

    def act(self, point: Callable[["FakeRun"], None]) -> None:
        """Call a method of the hook, then the calls that it has deferred."""
        point(self)
        deferred, self._deferred = self._deferred, []
        for action in deferred:
            action()

    def evaluate(self) -> Evaluation:
        """Evaluate with statistics that rise from epoch to epoch."""
        for hook in self.hooks.values():
            self.act(hook.before_eval)
        self.metrics = {"toy/AP": self.epoch / 10}
        self.detections = {sample.image_id: _found(sample.objects) for sample in self.val_data}
        for hook in self.hooks.values():
            self.act(hook.after_eval)
        return Evaluation("drawn objects", self.metrics, self.detections, [], [], "toy/AP")

    def heatmaps(self, samples: Sequence[Sample]) -> List[Tuple[Dict[str, np.ndarray], View]]:
        """Return grey pictures."""
        return [({"objects": np.full((8, 8), 0.5, np.float32)}, whole_view(*sample.image.shape[1::-1], (32, 32))) for sample in samples]

    def save(self, name: str, previous: Optional[str] = None) -> Path:
        """Write an empty file instead of a checkpoint."""
        for hook in self.hooks.values():
            hook.on_checkpoint(self)
        (self.run_dir / name).write_bytes(b"")
        return self.run_dir / name

    def defer(self, action: Callable[[], None]) -> None:
        """Run a function after the current hook point."""
        self._deferred.append(action)

    def check_statistics(self, where: str, names: Sequence[str]) -> None:
        """Accept every name."""


def _found(objects: Objects) -> Detections:
    return Detections(objects.boxes, np.full(len(objects), 0.5, np.float32), objects.labels)
