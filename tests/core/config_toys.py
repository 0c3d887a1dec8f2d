"""Parts without function, for configurations in tests; named there as ``config_toys:Net`` or registered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Literal, Optional, Sequence

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.hook import Hook as AnyHook
from mindpoint.contracts.image import InputSpec
from mindpoint.contracts.parts import Backbone
from mindpoint.contracts.parts import Head as AnyHead
from mindpoint.contracts.parts import Neck as AnyNeck
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
        points: Optional[object] = None,
    ):
        super().__init__()
        self.depth, self.width, self.stages, self.mode, self.frozen = depth, width, stages, mode, frozen
        self.weights, self.inner, self.label, self.points = weights, inner, label, points


class OtherNet(Backbone):
    def __init__(self, blocks: int = 2):
        super().__init__()
        self.blocks = blocks


class Holder(Backbone):
    """Keeps its arguments, whatever they are called."""

    def __init__(self, **arguments: object):
        super().__init__()
        self.arguments = arguments


class Neck(AnyNeck):
    def __init__(self, in_features: tuple, channels: int = 8):
        super().__init__()
        self.in_features, self.channels = in_features, channels


class Head(AnyHead):
    def __init__(self, in_features: tuple, classes: List[str], width: int = 4):
        super().__init__()
        self.in_features, self.classes, self.width = in_features, classes, width


class PointHead(AnyHead):
    def __init__(self, points: object):
        super().__init__()
        self.points = points


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
            raise ConfigError("it holds no image", key="path")
        if path == "text":
            raise ConfigError("data.train.dataset.path: it is a text")
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


class SizedHook(AnyHook):
    def __init__(self, input_spec: InputSpec, classes: List[str]):
        self.input_spec, self.classes = input_spec, classes


@dataclass(frozen=True)
class Points:
    """A section that a distribution may declare."""

    names: Sequence[str]
    sizes: Optional[Sequence[float]] = None
    pairs: Sequence[tuple] = ()

    def __post_init__(self) -> None:
        if self.sizes and len(self.sizes) != len(self.names):
            raise ConfigError(f"{len(self.sizes)} values for {len(self.names)} points", key="sizes")
        for index, pair in enumerate(self.pairs):
            unknown = set(pair) - {*self.names, *range(len(self.names))}
            if unknown:
                raise ConfigError(f"there is no point {unknown.pop()}", key=f"pairs.{index}")


BASE = """\
input: {size: [64, 96], mean: [0, 0, 0], std: [1, 1, 1]}
classes: [person]
# a comment, so that the model begins at line 4
model:
  backbone: {type: 'config_toys:Net', depth: 3}
  heads:
    pose: {type: 'config_toys:Head'}
"""
