"""A running training as its hooks see it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, List, Mapping, Optional, Protocol, Sequence, Tuple

import numpy as np

if TYPE_CHECKING:
    from mindpoint.contracts.data import Dataset
    from mindpoint.contracts.image import Sample, View
    from mindpoint.contracts.instances import Detections
    from mindpoint.contracts.visualizer import Visualizer


class Run(Protocol):
    """The running training from a hook's point of view; the trainer implements it.

    Attributes:
        run_dir: folder of this run, in which hooks write.
        hooks: all hooks by name, in configured order.
        epoch: number of finished epochs; from ``before_epoch`` to ``after_step``, this is the 0-based number of the running one.
        closed_epochs: number of epochs whose ``after_epoch`` is over, including evaluation.
        epochs, steps_per_epoch, total_steps: length of the training.
        images: number of training images.
        batch_size: images per step, over all processes.
        step: number of completed steps.
        learning_rate: learning rate of the last step; the largest if parameter groups have different ones.
        batch: arrays of the current step by name; the next step overwrites them.
        losses: ``loss`` (weighted total) and every term of the last step, averaged over all processes.
        incidents: problems of the last step, in any process: ``{"incident": "gradient not finite", "image_ids": [...]}``, or
            ``{"incident": "unreadable image", "message": ...}`` once for each image.
        skipped_steps: number of steps skipped because a gradient was not finite.
        loss_scale: loss scale of the next step; None: the loss is not scaled.
        checkpoint_minutes: maximum age of the newest checkpoint, see ``train.checkpoint_minutes``; None: no limit.
        data_seconds, step_seconds: seconds that the last step spent on waiting for data, and on computing and waiting for other processes.
        val_data: the data set for evaluation; None without ``data.val``.
        metrics: statistics of the last evaluation by name; NaN where undefined.
        main_statistic: the default statistic for hooks, see :attr:`Metric.main`; None without evaluation.
        detections: detections of the last evaluation by image id.
        visualizer: draws objects, see ``test.visualizer``.
        stop_reason: set it to end the training after the current step.
        error: the exception that ended the training, if any.
        is_writer: whether this process may write and print; True in the first one only.
    """

    run_dir: Path
    hooks: Mapping[str, object]
    epoch: int
    closed_epochs: int
    epochs: int
    steps_per_epoch: int
    total_steps: int
    images: int
    batch_size: int
    step: int
    learning_rate: float
    batch: Dict[str, np.ndarray]
    losses: Dict[str, float]
    incidents: List[Dict[str, object]]
    skipped_steps: int
    loss_scale: Optional[float]
    checkpoint_minutes: Optional[float]
    data_seconds: float
    step_seconds: float
    val_data: "Optional[Dataset]"
    metrics: Dict[str, float]
    main_statistic: Optional[str]
    detections: "Dict[int, Detections]"
    visualizer: "Visualizer"
    stop_reason: Optional[str]
    error: Optional[BaseException]
    is_writer: bool

    @property
    def ended(self) -> bool:
        """Tell whether no further step will follow; hooks that act every few epochs also act then."""

    def evaluate(self) -> object:
        """Evaluate on ``data.val`` and pass the result to the hooks. All processes must call it."""

    def heatmaps(self, samples: "Sequence[Sample]") -> "List[Tuple[Dict[str, np.ndarray], View]]":
        """Return for each sample the decoder's heatmaps of the network's maps, ``(H, W)`` in 0..1 by name, and the part of the image that
        they cover."""

    def save(self, name: str, previous: Optional[str] = None) -> Path:
        """Write a checkpoint to ``run_dir / name``. If ``previous`` is given, an older file moves to ``run_dir / previous``. Only the first
        process writes; the others may call it."""

    def defer(self, action: Callable[[], None]) -> None:
        """Run ``action`` after all hooks have been called at the current point."""

    def check_statistics(self, where: str, names: Sequence[str]) -> None:
        """Raise ConfigError if the metric lacks a statistic with one of these names. The message begins with ``where``."""
