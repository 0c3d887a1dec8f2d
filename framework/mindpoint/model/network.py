"""Backbone, neck and heads as one network."""

from __future__ import annotations

from typing import Dict, Optional, Sequence

from mindspore import nn

from mindpoint.config import Config
from mindpoint.contracts.parts import Backbone, Head, Neck
from mindpoint.errors import ConfigError
from mindpoint.native.accelerate import accelerate


class Network(nn.Cell):
    """``construct(image (B, 3, H, W)) -> tuple of raw maps (B, C, H / stride, W / stride)``, the maps of all heads.

    Parameters are named ``backbone.*``, ``neck.*`` and ``heads.<name>.*``. Cells of MindSpore for which there is a compiled kernel use it.

    Attributes:
        maps: the names of the maps, in their order.
        channels: of each map by name.
        stride: input pixels per pixel of every map.
        divisor: the largest stride inside; heights and widths of the input must be multiples of it.
    """

    def __init__(self, backbone: Backbone, neck: Optional[Neck], heads: Dict[str, Head]):
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.heads = cell_dict("model.heads", heads)
        strides = {head.stride for head in heads.values()}
        if len(strides) != 1:
            raise ConfigError(f"model.heads: all heads of a network must have one stride, these have {sorted(strides)}")
        refuse_repeated("model.heads: more than one head gives a map", [name for head in heads.values() for name in head.out_maps])
        self.channels = {name: count for head in heads.values() for name, count in head.out_maps.items()}
        self.maps = tuple(self.channels)
        self.stride = strides.pop()
        self.divisor = max(spec.stride for spec in backbone.out_features)
        accelerate(self)

    def construct(self, image):
        features = self.backbone(image)
        if self.neck is not None:
            features = self.neck(features)
        outputs = ()
        for head in self.heads.values():
            maps = head(features)
            for name in head.out_maps:
                outputs = outputs + (maps[name],)
        return outputs


def cell_dict(where: str, cells: Dict[str, nn.Cell]) -> nn.CellDict:
    """The cells under their names.

    Raises:
        ConfigError: a name that a cell's attribute cannot have.
    """
    for name in cells:
        if not name.isidentifier() or hasattr(nn.CellDict, name):
            raise ConfigError(f"{where}: '{name}' cannot be a name here; choose another word of letters, digits and _")
    return nn.CellDict(cells)


def refuse_repeated(what: str, names: Sequence[str]) -> None:
    """Raise ConfigError if a name stands more than once."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"{what} named {', '.join(repeated)}")


def build_network(config: Config) -> Network:
    """The network that ``model.backbone``, ``model.neck`` and ``model.heads`` describe, freshly initialised.

    Raises:
        ConfigError: the input's size does not divide by the network's largest stride.
    """
    backbone = config.build("model.backbone")
    neck = config.build("model.neck", in_features=backbone.out_features)
    features = backbone.out_features if neck is None else neck.out_features
    heads = config.build_all("model.heads", in_features=features)
    network = Network(backbone, neck, heads)
    size = config.input_spec.size
    if any(side % network.divisor for side in size):
        raise ConfigError(
            f"input.size: {list(size)}: height and width must be multiples of {network.divisor}, the network's largest stride"
        )
    return network
