"""What can be added to the training loop."""

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
"""Points at which hooks are called in the first process alone: the one that writes."""


class Hook:
    """Called by the trainer at ten points; see :class:`mindpoint.training.trainer.Trainer` for when.

    Override any of them; ``after_train`` is always called, last, also after an exception. A public method that starts with ``before_``,
    ``after_`` or ``on_`` and is not one of the ten is an error when the class is defined: it would never be called.

    A hook that remembers something between calls saves it with ``state_dict`` and has it back with ``load_state_dict``, so that a resumed
    training goes on as if it had never stopped.

    Attributes:
        all_ranks: of a training in several processes: call the hook in each of them, with the same losses, statistics and detections, and
            not in the first alone. A hook that calls ``run.evaluate`` must be; one that writes or prints must not, or ask
            ``run.is_writer``. ``on_checkpoint`` and ``state_dict`` are called in the first process alone; all get back what that one
            has saved.
    """

    all_ranks = False

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        for name in vars(cls):
            if name.startswith(("before_", "after_", "on_")) and name not in POINTS:
                raise TypeError(f"{cls.__name__}.{name} looks like a hook point and is none; the points are {', '.join(POINTS)}")

    def state_dict(self) -> Dict[str, object]:
        """Return what a checkpoint must hold of this hook: JSON values by name. Called when a checkpoint is written."""
        return {}

    def load_state_dict(self, state: Dict[str, object]) -> None:
        """Take back what ``state_dict`` gave. Called before ``before_train`` of a resumed training, if the checkpoint has this hook."""

    def before_train(self, run: "Run") -> None:
        """Everything is built; nothing has run."""

    def before_epoch(self, run: "Run") -> None:
        """``run.epoch`` (0-based) is about to start."""

    def before_step(self, run: "Run") -> None:
        """``run.batch`` holds the arrays of the step to come."""

    def after_step(self, run: "Run") -> None:
        """``run.losses`` holds the step's terms as floats; ``run.step`` counts it."""

    def after_epoch(self, run: "Run") -> None:
        """The epoch's last step is done."""

    def before_eval(self, run: "Run") -> None:
        """An evaluation is about to start."""

    def after_eval(self, run: "Run") -> None:
        """``run.metrics`` holds the statistics, ``run.detections`` what was found by image id."""

    def on_checkpoint(self, run: "Run") -> None:
        """A checkpoint is about to be written. Called in the first process alone, which writes it."""

    def on_exception(self, run: "Run") -> None:
        """``run.error`` ended the training."""

    def after_train(self, run: "Run") -> None:
        """The training is over, well or not."""


def acts_at(hook: Hook, point: str) -> bool:
    """Tell whether a hook does something at one of the ten points."""
    return getattr(type(hook), point) is not getattr(Hook, point)
