"""The contract of hooks, which extend the training loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict

if TYPE_CHECKING:
    from mindpoint.contracts.run import Run

POINTS = (
    "before_train",
    "before_epoch",
    "before_step",
    "after_step",
    "after_epoch",
    "before_eval",
    "after_eval",
    "on_checkpoint",
    "on_exception",
    "after_train",
)

WRITER_POINTS = ("on_checkpoint",)
"""Points at which hooks are called in the first process alone, which writes the files."""


class Hook:
    """Called by the trainer at ten points; see :class:`mindpoint.training.trainer.Trainer` for their order. Override any of these methods.
    ``after_train`` is always called, last, even after an exception. A public method whose name starts with ``before_``, ``after_`` or
    ``on_`` must be one of the ten. Defining a class with any other such method raises an error, because the method would never be called.

    A hook that keeps state between calls returns it from ``state_dict`` and restores it in ``load_state_dict``, so that a resumed training
    continues as if it had not been interrupted.

    Attributes:
        all_ranks: in a training with several processes, call the hook in each of them, with the same losses, statistics and detections,
            instead of only in the first. A hook that calls ``run.evaluate`` must set it. A hook that writes or prints must either leave
            it unset or check ``run.is_writer``. ``on_checkpoint`` and ``state_dict`` are called in the first process alone; all processes
            restore the state that it saved.
    """

    all_ranks = False

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith(("before_", "after_", "on_")) and name not in POINTS:
                raise TypeError(f"{cls.__name__}.{name} looks like a hook point but is not one; the points are {', '.join(POINTS)}")

    def state_dict(self) -> Dict[str, object]:
        """Return the state to save in a checkpoint: JSON values by name. Called when a checkpoint is written."""
        return {}

    def load_state_dict(self, state: Dict[str, object]) -> None:
        """Restore the result of ``state_dict``. Called before ``before_train`` of a resumed training, if the checkpoint has this hook."""

    def before_train(self, run: "Run") -> None:
        """Called when everything is built and nothing has run."""

    def before_epoch(self, run: "Run") -> None:
        """Called when ``run.epoch`` (0-based) is about to start."""

    def before_step(self, run: "Run") -> None:
        """Called before a step; ``run.batch`` holds its arrays."""

    def after_step(self, run: "Run") -> None:
        """Called after a step; ``run.losses`` holds the step's loss terms as floats, and ``run.step`` includes the step."""

    def after_epoch(self, run: "Run") -> None:
        """Called after the epoch's last step."""

    def before_eval(self, run: "Run") -> None:
        """Called when an evaluation is about to start."""

    def after_eval(self, run: "Run") -> None:
        """Called after an evaluation; ``run.metrics`` holds the statistics, ``run.detections`` the detections by image id."""

    def on_checkpoint(self, run: "Run") -> None:
        """Called when a checkpoint is about to be written, in the first process alone."""

    def on_exception(self, run: "Run") -> None:
        """Called when an exception, ``run.error``, ended the training."""

    def after_train(self, run: "Run") -> None:
        """Called when the training is over, successful or not."""


def acts_at(hook: Hook, point: str) -> bool:
    """Tell whether a hook overrides one of the ten points."""
    return getattr(type(hook), point) is not getattr(Hook, point)
