"""The official DLA-34 with deformable convolutions as a PyTorch module that can be trained, by official names and shapes."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Dict

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.cpp_extension import load

HERE = Path(__file__).parent


@lru_cache(maxsize=None)
def _kernel():
    return load("pytorch_deform_conv", [str(HERE / "pytorch_deform_conv.cc")], extra_cflags=["-O3"])


def _reference():
    """Import the plugin's PyTorch reference from its file: mindpoint need not be installed in PyTorch's environment."""
    path = HERE.parent / "plugins" / "mindpoint_centernet" / "weights" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _DeformConv(torch.autograd.Function):
    @staticmethod
    def forward(context, x, offset, mask, weight, bias):
        values = [value.contiguous() for value in (x, offset, mask, weight)]
        context.save_for_backward(*values)
        return _kernel().forward(*values, bias)

    @staticmethod
    def backward(context, gradient):
        return tuple(_kernel().backward(*context.saved_tensors, gradient.contiguous()))


class _Steps(_reference().Network):
    """The reference network with compiled deformable convolutions and a batch normalisation that can train."""

    training = torchvision = False

    def deform(self, name, x):
        offset_y, offset_x, mask = torch.chunk(self.conv(f"{name}.conv_offset_mask", x), 3, 1)
        offset = torch.cat((offset_y, offset_x), 1)
        weight, bias = (self.state[f"{name}.{part}"] for part in ("weight", "bias"))
        if self.torchvision:
            from torchvision.ops import deform_conv2d

            return deform_conv2d(x, offset, weight, bias, padding=1, mask=torch.sigmoid(mask))
        return _DeformConv.apply(x, offset, torch.sigmoid(mask), weight, bias)

    def norm(self, name, x):
        mean, var, weight, bias = (self.state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, self.training, 0.1, 1e-5)


class OfficialNetwork(nn.Module):
    """``forward(images (B, 3, H, W)) -> {head: map}``, with random weights.

    Args:
        heads: channels by head name.
        torchvision: use torchvision's deformable convolution instead of the compiled one.
    """

    def __init__(self, heads: Dict[str, int], torchvision: bool = False):
        super().__init__()
        arrays = {}
        for name, shape in _shapes(heads).items():
            if len(shape) == 4:
                arrays[name] = torch.randn(shape) * (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
            else:
                arrays[name] = torch.ones(shape) if name.endswith(("norm.weight", "running_var")) else torch.zeros(shape)
            if "conv_offset_mask" in name:
                arrays[name] = torch.zeros(shape)
        self.steps = _Steps(arrays)
        self.steps.torchvision = torchvision
        trained = {name: nn.Parameter(value) for name, value in arrays.items() if "running" not in name}
        self.steps.state = {**arrays, **trained}
        self.values = nn.ParameterList(trained.values())

    def forward(self, images):
        self.steps.training = self.training
        feature = self.steps.dla(images)
        return {name: self.steps.head(name, feature) for name in self.steps.heads()}


def _shapes(heads: Dict[str, int]) -> Dict[str, tuple]:
    """Return the shapes of the official parameters by name, without those of layers that feed no output."""
    channels = (16, 32, 64, 128, 256, 512)
    found = {}

    def conv(name, outputs, inputs, kernel=3, bias=False):
        found[f"{name}.weight"] = (outputs, inputs, kernel, kernel)
        if bias:
            found[f"{name}.bias"] = (outputs,)

    def norm(name, count):
        found.update({f"{name}.{part}": (count,) for part in ("weight", "bias", "running_mean", "running_var")})

    def tree(name, inputs, outputs, root, project):
        for number, first in ((1, inputs), (2, outputs)):
            conv(f"{name}.tree{number}.conv1", outputs, first), norm(f"{name}.tree{number}.bn1", outputs)
            conv(f"{name}.tree{number}.conv2", outputs, outputs), norm(f"{name}.tree{number}.bn2", outputs)
        conv(f"{name}.root.conv", outputs, root, 1), norm(f"{name}.root.bn", outputs)
        if project:
            conv(f"{name}.project.0", outputs, inputs, 1), norm(f"{name}.project.1", outputs)

    def neck(name, outputs, inputs):
        conv(f"{name}.conv", outputs, inputs, bias=True), conv(f"{name}.conv.conv_offset_mask", 27, inputs, bias=True)
        norm(f"{name}.actf.0", outputs)

    def ida(name, outputs, inputs, factors):
        for number, (count, factor) in enumerate(zip(inputs, factors), 1):
            neck(f"{name}.proj_{number}", outputs, count), neck(f"{name}.node_{number}", outputs, outputs)
            conv(f"{name}.up_{number}", outputs, 1, 2 * factor)

    for name, inputs, outputs, kernel in (("base_layer", 3, 16, 7), ("level0", 16, 16, 3), ("level1", 16, 32, 3)):
        conv(f"base.{name}.0", outputs, inputs, kernel), norm(f"base.{name}.1", outputs)
    for level in (2, 3, 4, 5):
        inputs, outputs, name = channels[level - 1], channels[level], f"base.level{level}"
        if level in (3, 4):
            tree(f"{name}.tree1", inputs, outputs, 2 * outputs, True)
            tree(f"{name}.tree2", outputs, outputs, 3 * outputs + inputs, False)
        else:
            tree(name, inputs, outputs, 2 * outputs + (inputs if level == 5 else 0), True)
    ida("dla_up.ida_0", 256, (512,), (2,))
    ida("dla_up.ida_1", 128, (256, 256), (2, 2))
    ida("dla_up.ida_2", 64, (128, 128, 128), (2, 2, 2))
    ida("ida_up", 64, (128, 256), (2, 4))
    for name, count in heads.items():
        conv(f"{name}.0", 256, 64, bias=True), conv(f"{name}.2", count, 256, 1, bias=True)
    return found
