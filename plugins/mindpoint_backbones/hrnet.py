"""HRNet (Sun et al., 2019, https://arxiv.org/abs/1902.09212). Parameters are named as in its authors' implementation."""

from __future__ import annotations

from typing import List

from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.parts import Backbone
from mindpoint.errors import ConfigError
from mindpoint.native import fused
from mindspore import nn, ops

from mindpoint_backbones.layers import conv, conv_norm

MODULES = {2: 1, 3: 4, 4: 3}  # number of modules in a stage, by the stage's number of branches
BLOCKS = 4  # number of blocks in each branch of a module, and in the first stage


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-5, momentum=0.9)


class BasicBlock(nn.Cell):
    """Two 3x3 convolutions plus the input: ``construct(x) -> map of the same shape``."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1, self.bn1 = conv(channels, channels, 3), _norm(channels)
        self.conv2, self.bn2 = conv(channels, channels, 3), _norm(channels)

    def construct(self, x):
        return fused.conv_norm(self.conv2, self.bn2, fused.conv_norm(self.conv1, self.bn1, x), x)


class Bottleneck(nn.Cell):
    """1x1, 3x3 and 1x1 convolution plus the input, which a 1x1 convolution projects if the channels differ: ``construct(x)``.

    The result has ``4 * width`` channels.
    """

    def __init__(self, in_channels: int, width: int):
        super().__init__()
        out_channels = 4 * width
        self.conv1, self.bn1 = conv(in_channels, width, 1), _norm(width)
        self.conv2, self.bn2 = conv(width, width, 3), _norm(width)
        self.conv3, self.bn3 = conv(width, out_channels, 1), _norm(out_channels)
        self.downsample = conv_norm(in_channels, out_channels, 1) if in_channels != out_channels else None

    def construct(self, x):
        residual = x if self.downsample is None else self.downsample(x)
        y = fused.conv_norm(self.conv2, self.bn2, fused.conv_norm(self.conv1, self.bn1, x))
        return fused.conv_norm(self.conv3, self.bn3, y, residual)


def _downs(in_channels: int, out_channels: int, count: int) -> nn.SequentialCell:
    """Return ``count`` 3x3 convolutions of stride 2. All but the last keep the number of channels and have a ReLU."""
    steps = [conv_norm(in_channels, in_channels, 3, 2, activation=nn.ReLU()) for _ in range(count - 1)]
    return nn.SequentialCell([*steps, conv_norm(in_channels, out_channels, 3, 2)])


def _fusion(channels: List[int], target: int) -> nn.CellList:
    """Return a cell per branch that converts its map for adding to the map of branch ``target``.

    Finer maps get the target's channels and size; coarser ones get its channels and must still be upsampled. The target's own cell is the
    identity.
    """
    cells: List[nn.Cell] = []
    for source, count in enumerate(channels):
        if source < target:
            cells.append(_downs(count, channels[target], target - source))
        elif source > target:
            cells.append(conv_norm(count, channels[target], 1))
        else:
            cells.append(nn.SequentialCell([]))
    return nn.CellList(cells)


class Module(nn.Cell):
    """A module of HRNet: ``construct(maps) -> maps``, one per branch, finest first.

    It applies residual blocks to each branch. Each output branch is then the sum of all branches, converted to its channels and size.

    Args:
        channels: number of channels of each branch, finest first.
        results: number of output branches, finest first.
    """

    def __init__(self, channels: List[int], results: int):
        super().__init__()
        self.branches = nn.CellList([nn.SequentialCell([BasicBlock(count) for _ in range(BLOCKS)]) for count in channels])
        self.fuse_layers = nn.CellList([_fusion(channels, target) for target in range(results)])

    def construct(self, maps):
        found = ()
        for branch, x in zip(self.branches, maps):
            found = found + (branch(x),)
        fused = ()
        for target in range(len(self.fuse_layers)):
            fused = fused + (self._fused(found, target),)
        return fused

    def _fused(self, maps, target):
        total = maps[target]
        for source in range(len(maps)):
            if source < target:
                total = total + self.fuse_layers[target][source](maps[source])
            elif source > target:
                coarse = self.fuse_layers[target][source](maps[source])
                total = total + ops.interpolate(coarse, size=maps[target].shape[2:], mode="nearest")
        return ops.relu(total)


class HRNet(Backbone):
    """HRNet: four parallel branches at strides 4, 8, 16 and 32 that repeatedly exchange information.

    Height and width of the input must be multiples of 32.

    Args:
        width: number of channels of the finest branch, such as 32 for HRNet-W32; the other branches have 2, 4 and 8 times as many.
        maps: number of output maps, 1 to 4, finest first; the pose network of the paper has 1.

    Raises:
        ConfigError: an argument is out of range.
    """

    divisor = 32

    def __init__(self, width: int = 32, maps: int = 4):
        super().__init__()
        if width < 1 or not 1 <= maps <= 4:
            raise ConfigError(f"HRNet: width must be positive and maps in 1..4, got {width} and {maps}")
        self.conv1, self.bn1 = conv(3, 64, 3, 2), _norm(64)
        self.conv2, self.bn2 = conv(64, 64, 3, 2), _norm(64)
        self.layer1 = nn.SequentialCell([Bottleneck(64 if index == 0 else 256, 64) for index in range(BLOCKS)])
        channels = [256]
        for branches, count in MODULES.items():
            wanted = [width * 2**index for index in range(branches)]
            setattr(self, f"transition{branches - 1}", nn.CellList(_transition(channels, wanted)))
            results = [branches] * (count - 1) + [maps if branches == 4 else branches]
            setattr(self, f"stage{branches}", nn.CellList([Module(wanted, each) for each in results]))
            channels = wanted
        self.out_features = tuple(FeatureSpec(width * 2**index, 4 * 2**index) for index in range(maps))

    def construct(self, image):
        x = fused.conv_norm(self.conv2, self.bn2, fused.conv_norm(self.conv1, self.bn1, image))
        maps = (self.layer1(x),)
        for transition, stage in ((self.transition1, self.stage2), (self.transition2, self.stage3), (self.transition3, self.stage4)):
            begun = ()
            for index, cell in enumerate(transition):
                begun = begun + (cell(maps[min(index, len(maps) - 1)]),)
            maps = begun
            for module in stage:
                maps = module(maps)
        return maps


def _transition(channels: List[int], wanted: List[int]) -> List[nn.Cell]:
    """Return a cell for each branch of the next stage, which computes its map from a branch of the previous stage.

    A new branch is computed from the coarsest one by a convolution of stride 2; other branches change only their channels, if necessary.
    """
    cells: List[nn.Cell] = []
    for index, count in enumerate(wanted):
        if index >= len(channels):
            cells.append(nn.SequentialCell([conv_norm(channels[-1], count, 3, 2, activation=nn.ReLU())]))
        elif channels[index] != count:
            cells.append(conv_norm(channels[index], count, 3, activation=nn.ReLU()))
        else:
            cells.append(nn.SequentialCell([]))
    return cells
