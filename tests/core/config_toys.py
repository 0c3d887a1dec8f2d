"""Parts without function, for configurations in tests; named there as ``config_toys:Net`` or registered."""

from __future__ import annotations

from typing import Dict, List, Literal, Optional, Sequence

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.hook import Hook as AnyHook
from mindpoint.contracts.parts import Backbone, Head as AnyHead, Neck as AnyNeck
from mindpoint.errors import ConfigError, DataError
from mindpoint.optim.schedules import Schedule as AnySchedule


class Net(Backbone):
    def __init__(
        self,
        depth: int,
        width: float = 1.0,
        stages: Sequence[int] = (1, 2),
        mode: Literal["plain", "deformable"] = "plain",
        frozen: bool = False,
        weights: Optional[Dict[str, float]] = None,
        inner: Optional[object] = None,
        label: str = "",
        keypoints: Optional[object] = None,
    ):
        super().__init__()
        self.depth, self.width, self.stages, self.mode, self.frozen = depth, width, stages, mode, frozen
        self.weights, self.inner, self.label, self.keypoints = weights, inner, label, keypoints


class OtherNet(Backbone):
    def __init__(self, blocks: int = 2):
        super().__init__()
        self.blocks = blocks


class Neck(AnyNeck):
    def __init__(self, in_features: tuple, channels: int = 8):
        super().__init__()
        self.in_features, self.channels = in_features, channels


class Head(AnyHead):
    def __init__(self, in_features: tuple, keypoints: object, classes: List[str], width: int = 4):
        super().__init__()
        self.in_features, self.keypoints, self.classes, self.width = in_features, keypoints, classes, width


class Schedule(AnySchedule):
    def __init__(self, epochs: int, steps_per_epoch: int, lr: float = 0.5):
        self.epochs, self.steps_per_epoch, self.lr = epochs, steps_per_epoch, lr

    def factor_at(self, epoch: float) -> float:
        return 1.0


class Images(Dataset):
    def __init__(self, path: str):
        if path == "nowhere":
            raise DataError(f"{path}: no such folder")
        if path == "empty":
            raise ConfigError("data.train.dataset.path: it holds no image")
        self.length = len(path) / (path != "zero")

    def __len__(self):
        return int(self.length)

    def __getitem__(self, index):
        raise NotImplementedError

    def ground_truth(self):
        return {}


class Hook(AnyHook):
    def __init__(self, every: int = 1):
        self.every = every


BASE = """\
input: {size: [64, 96], mean: [0, 0, 0], std: [1, 1, 1]}
classes: [person]
keypoints: {names: [left_eye, right_eye]}
model:
  backbone: {type: 'config_toys:Net', depth: 3}
  heads:
    pose: {type: 'config_toys:Head'}
"""
