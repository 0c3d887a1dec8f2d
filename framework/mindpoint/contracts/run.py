"""The view of a running training that its hooks get."""

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
    """The training as a hook sees it; the trainer is one.

    Attributes:
        run_dir: folder of this run; hooks write there.
        hooks: all hooks by name, in their order.
        epoch: finished epochs (in ``before_epoch`` to ``after_step``: the 0-based number of the running one).
        closed_epochs: epochs whose ``after_epoch`` is over, evaluation included.
        epochs, steps_per_epoch, total_steps: length of the training.
        images: number of images to train on.
        batch_size: images of a step, of all processes together.
        step: steps done.
        learning_rate: of the last step; the greatest, where parts of the network have different ones.
        batch: arrays of the current step by column; the next step's are written over them.
        losses: ``loss`` (weighted total) and every term of the last step, means over all processes.
        incidents: what went wrong in the last step, in any process: ``{"incident": "gradient not finite", "image_ids": [...]}`` or
            ``{"incident": "unreadable image", "message": ...}`` for each image that is met for the first time.
        skipped_steps: steps left out because a gradient was not finite.
        loss_scale: factor of the loss in the next step's gradients; None: the loss is not scaled.
        checkpoint_minutes: greatest age of the newest checkpoint, as ``train.checkpoint_minutes`` says; None: no limit.
        data_seconds, step_seconds: time of the last step: waiting for data, computing and waiting for other processes.
        val_data: the data set to evaluate on; None without ``data.val``.
        metrics: statistics of the last evaluation by name; NaN where undefined.
        main_statistic: the one to go by where a hook names none, see :attr:`Metric.main`; None without evaluation.
        detections: of the last evaluation by image id.
        visualizer: draws objects, as ``test.visualizer`` says.
        stop_reason: set it to end the training after the current step.
        error: what ended the training, if it was an exception.
        is_writer: whether this process may write and print: the first of all.
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
        """Tell whether no further step will follow; hooks that act every few epochs act now."""

    def evaluate(self) -> object:
        """Evaluate on ``data.val`` and give the result to the hooks. All processes must call it."""

    def heatmaps(self, samples: "Sequence[Sample]") -> "List[Tuple[Dict[str, np.ndarray], View]]":
        """Return for each sample what the decoder shows of the network's maps, ``(H, W)`` in 0..1 by name, and the part of the image
        that they cover."""

    def save(self, name: str, previous: Optional[str] = None) -> Path:
        """Write a checkpoint to ``run_dir / name``; an older file goes to ``run_dir / previous``, if that is given. Only the first process
        writes; others may call it, too."""

    def defer(self, action: Callable[[], None]) -> None:
        """Do something when all hooks have been called at the running point."""

    def check_statistics(self, where: str, names: Sequence[str]) -> None:
        """Raise ConfigError if the metric gives no statistic of one of these names."""
