"""The official networks in PyTorch, as one function of a state dictionary: the reference for our own networks.

It uses ordinary operators in float64, and the state's own names and shapes. It is independent of our networks. Importing this module
imports PyTorch.
"""

from __future__ import annotations

from typing import Dict, List, Mapping

import numpy as np
import torch
from torch.nn import functional as F


def run_reference(state: Mapping[str, np.ndarray], images: np.ndarray) -> Dict[str, np.ndarray]:
    """Return the raw maps of normalised images ``(B, 3, H, W)`` by head, in inference mode.

    Args:
        state: arrays of an official ``dla_34``, ``resdcn``, ``res`` or ``hourglass`` by official name, without ``module.``.
    """
    net = Network({name: torch.from_numpy(np.array(value)).double() for name, value in state.items()})
    with torch.no_grad():
        x = torch.as_tensor(images).double()
        body = net.dla if "base.level0.0.weight" in state else net.hourglasses if "kps.0.up1.0.conv1.weight" in state else net.resnet
        feature = body(x)
        return {name: net.head(name, feature).numpy() for name in net.heads()}


class Network:
    """The network of a state dictionary; its methods take and return maps ``(B, C, H, W)``."""

    def __init__(self, state: Dict[str, torch.Tensor]):
        self.state = state

    def heads(self) -> List[str]:
        parts = dict.fromkeys(name.split(".")[0] for name in self.state)
        stacked = [part for part in parts if f"{part}.{self.last_stack}.0.conv.bias" in self.state]
        if stacked:
            return stacked
        two = [part for part in parts if f"{part}.2.bias" in self.state]
        return two or [part for part in parts if f"{part}.bias" in self.state and f"{part}.running_var" not in self.state]

    def conv(self, name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        weight = self.state[f"{name}.weight"]
        return F.conv2d(x, weight, self.state.get(f"{name}.bias"), stride, weight.shape[-1] // 2)

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        mean, var, weight, bias = (self.state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-5)

    @property
    def last_stack(self) -> int:
        return len({name.split(".")[1] for name in self.state if name.startswith("kps.")}) - 1

    def head(self, name: str, x: torch.Tensor) -> torch.Tensor:
        stacked = f"{name}.{self.last_stack}"
        if f"{stacked}.0.conv.weight" in self.state:
            return self.conv(f"{stacked}.1", F.relu(self.conv(f"{stacked}.0.conv", x)))
        if f"{name}.0.weight" not in self.state:
            return self.conv(name, x)
        return self.conv(f"{name}.2", F.relu(self.conv(f"{name}.0", x)))

    def deform(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return deform_conv(x, self.conv(f"{name}.conv_offset_mask", x), self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def up(self, name: str, x: torch.Tensor, groups: int = 1) -> torch.Tensor:
        weight = self.state[f"{name}.weight"]
        factor = weight.shape[-1] // 2
        return F.conv_transpose2d(x, weight, None, factor, factor // 2, groups=groups)

    # DLA-34 (pose_dla_dcn.py)

    def dla(self, x: torch.Tensor) -> torch.Tensor:
        for name, stride in (("base_layer", 1), ("level0", 1), ("level1", 2)):
            x = F.relu(self.norm(f"base.{name}.1", self.conv(f"base.{name}.0", x, stride)))
        maps = []
        for level in (2, 3, 4, 5):
            x = self.tree(f"base.level{level}", x, 2, keep_input=level > 2)
            maps.append(x)
        out = [maps[-1]]
        for i in range(3):
            maps[2 - i :] = self.ida(f"dla_up.ida_{i}", maps[2 - i :])
            out.insert(0, maps[-1])
        return self.ida("ida_up", out[:3])[-1]

    def tree(self, name: str, x: torch.Tensor, stride: int, keep_input: bool, children: tuple = ()) -> torch.Tensor:
        bottom = F.max_pool2d(x, stride, stride) if stride > 1 else x
        if keep_input:
            children = (*children, bottom)
        if f"{name}.tree1.root.conv.weight" in self.state:  # two levels; the outer projection is unused
            first = self.tree(f"{name}.tree1", x, stride, False)
            return self.tree(f"{name}.tree2", first, 1, False, (*children, first))
        residual = bottom
        if f"{name}.project.0.weight" in self.state:
            residual = self.norm(f"{name}.project.1", self.conv(f"{name}.project.0", bottom))
        first = self.block(f"{name}.tree1", x, residual, stride)
        second = self.block(f"{name}.tree2", first, first, 1)
        return F.relu(self.norm(f"{name}.root.bn", self.conv(f"{name}.root.conv", torch.cat((second, first, *children), 1))))

    def block(self, name: str, x: torch.Tensor, residual: torch.Tensor, stride: int) -> torch.Tensor:
        x = F.relu(self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x, stride)))
        return F.relu(self.norm(f"{name}.bn2", self.conv(f"{name}.conv2", x)) + residual)

    def ida(self, name: str, maps: List[torch.Tensor]) -> List[torch.Tensor]:
        maps = list(maps)
        for i in range(1, len(maps)):
            x = self.up(f"{name}.up_{i}", self.neck_conv(f"{name}.proj_{i}", maps[i]), groups=len(self.state[f"{name}.up_{i}.weight"]))
            maps[i] = self.neck_conv(f"{name}.node_{i}", x + maps[i - 1])
        return maps

    def neck_conv(self, name: str, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(f"{name}.actf.0", self.deform(f"{name}.conv", x)))

    # ResNet with transposed convolutions (resnet_dcn.py, msra_resnet.py)

    def resnet(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.norm("bn1", self.conv("conv1", x, 2))), 3, 2, 1)
        for layer in (1, 2, 3, 4):
            for number in range(len({name.split(".")[1] for name in self.state if name.startswith(f"layer{layer}.")})):
                x = self.residual(f"layer{layer}.{number}", x, 2 if layer > 1 and number == 0 else 1)
        number = 0
        while f"deconv_layers.{number}.weight" in self.state:
            name = f"deconv_layers.{number}"
            deformable = f"{name}.conv_offset_mask.weight" in self.state
            x = self.deform(name, x) if deformable else self.up(name, x)
            x = F.relu(self.norm(f"deconv_layers.{number + 1}", x))
            number += 3
        return x

    def residual(self, name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
        shortcut = x
        if f"{name}.downsample.0.weight" in self.state:
            shortcut = self.norm(f"{name}.downsample.1", self.conv(f"{name}.downsample.0", x, stride))
        if f"{name}.conv3.weight" not in self.state:
            return self.block(name, x, shortcut, stride)
        x = F.relu(self.norm(f"{name}.bn1", self.conv(f"{name}.conv1", x)))
        x = F.relu(self.norm(f"{name}.bn2", self.conv(f"{name}.conv2", x, stride)))
        return F.relu(self.norm(f"{name}.bn3", self.conv(f"{name}.conv3", x)) + shortcut)

    # Hourglass-104 (large_hourglass.py)

    def hourglasses(self, x: torch.Tensor) -> torch.Tensor:
        x = self.skipped("pre.1", self.stacked_conv("pre.0", x, 2), 2)
        for stack in range(self.last_stack):
            before = self.norm(f"inters_.{stack}.1", self.conv(f"inters_.{stack}.0", x))
            after = self.norm(f"cnvs_.{stack}.1", self.conv(f"cnvs_.{stack}.0", self.hourglass(stack, x)))
            x = self.skipped(f"inters.{stack}", F.relu(before + after), 1)
        return self.hourglass(self.last_stack, x)

    def hourglass(self, stack: int, x: torch.Tensor) -> torch.Tensor:
        return self.stacked_conv(f"cnvs.{stack}", self.kp(f"kps.{stack}", x), 1)

    def stacked_conv(self, name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
        return F.relu(self.norm(f"{name}.bn", self.conv(f"{name}.conv", x, stride)))

    def skipped(self, name: str, x: torch.Tensor, stride: int) -> torch.Tensor:
        shortcut = x
        if f"{name}.skip.0.weight" in self.state:
            shortcut = self.norm(f"{name}.skip.1", self.conv(f"{name}.skip.0", x, stride))
        return self.block(name, x, shortcut, stride)

    def row(self, name: str, x: torch.Tensor, stride: int = 1) -> torch.Tensor:
        number = 0
        while f"{name}.{number}.conv1.weight" in self.state:
            x = self.skipped(f"{name}.{number}", x, 1 if number else stride)
            number += 1
        return x

    def kp(self, name: str, x: torch.Tensor) -> torch.Tensor:
        low = self.row(f"{name}.low1", x, 2)
        low = self.kp(f"{name}.low2", low) if f"{name}.low2.up1.0.conv1.weight" in self.state else self.row(f"{name}.low2", low)
        return self.row(f"{name}.up1", x) + F.interpolate(self.row(f"{name}.low3", low), scale_factor=2)


def deform_conv(x: torch.Tensor, steered: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Compute a deformable 3x3 convolution, version 2 (Zhu et al., 2019, https://arxiv.org/abs/1811.11168, equation 1), padding 1.

    Args:
        x: ``(B, I, H, W)``.
        steered: ``(B, 27, H, W)``: (dy, dx) of each tap, then the masks before their sigmoid.
        weight: ``(O, I, 3, 3)``; ``bias``: ``(O,)``.
    """
    batch, channels, height, width = x.shape
    steps, masks = steered[:, :18].reshape(batch, 9, 2, height, width), torch.sigmoid(steered[:, 18:])
    tap = torch.arange(9)
    y = torch.arange(height).view(1, 1, -1, 1) + (tap // 3 - 1).view(1, -1, 1, 1) + steps[:, :, 0]
    x_ = torch.arange(width).view(1, 1, 1, -1) + (tap % 3 - 1).view(1, -1, 1, 1) + steps[:, :, 1]
    pixels = x.reshape(batch, channels, 1, -1).expand(-1, -1, 9, -1)
    sampled = torch.zeros(batch, channels, 9, height * width, dtype=x.dtype)
    for down in (0, 1):
        for right in (0, 1):
            row, column = torch.floor(y) + down, torch.floor(x_) + right
            share = (1 - (y - row).abs()) * (1 - (x_ - column).abs()) * masks
            share = share * ((row >= 0) & (row < height) & (column >= 0) & (column < width))  # zero outside
            place = (row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long().reshape(batch, 1, 9, -1)
            sampled += pixels.gather(3, place.expand(-1, channels, -1, -1)) * share.reshape(batch, 1, 9, -1)
    taps = weight.reshape(len(weight), channels, 9)
    return torch.einsum("ock,bckp->bop", taps, sampled).reshape(batch, -1, height, width) + bias.view(1, -1, 1, 1)
