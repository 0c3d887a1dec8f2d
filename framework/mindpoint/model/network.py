"""Backbone, neck and heads as one network."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Sequence, Tuple

from mindspore import nn

from mindpoint.config import Config
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.guard import declared, mistake
from mindpoint.contracts.parts import Backbone, Head, Neck
from mindpoint.errors import ConfigError


class _Stack(nn.Cell):
    """Base class of cells with the attributes ``neck`` and ``heads``."""

    def head_maps(self, features):
        """Return the raw maps of all heads as a tuple, from a tuple of the backbone's maps."""
        if self.neck is not None:
            features = self.neck(features)
        outputs = ()
        for head in self.heads.values():
            maps = head(features)
            for name in head.out_maps:
                outputs = outputs + (maps[name],)
        return outputs


class EarlierStack(_Stack):
    """Neck and heads of a stack before the last: ``construct(tuple of maps) -> tuple of raw maps``."""

    def __init__(self, neck: Optional[Neck], heads: Dict[str, Head]):
        super().__init__()
        self.neck = neck
        self.heads = cell_dict("model.heads", heads)

    def construct(self, features):
        return self.head_maps(features)


class Network(_Stack):
    """``construct(image (B, 3, H, W), *inputs) -> tuple of raw maps (B, C, H / stride, W / stride)``, the maps of all heads.

    For a backbone with several stacks, it returns the maps of all stacks in training, with the last stack's at the end, and otherwise those
    of the last stack only. Parameters are named ``backbone.*``, ``neck.*`` and ``heads.<name>.*``; those of earlier stacks are named
    ``stacks.<i>.neck.*`` and ``stacks.<i>.heads.<name>.*``.

    Args:
        earlier: neck and heads of all stacks except the last.

    Attributes:
        maps: channels and stride of each map by name, in order.
        inputs: number of channels of further inputs by name, in order.
        divisor: heights and widths of the input must be multiples of it.
    """

    def __init__(
        self,
        backbone: Backbone,
        neck: Optional[Neck],
        heads: Dict[str, Head],
        earlier: Sequence[Tuple[Optional[Neck], Dict[str, Head]]] = (),
    ):
        super().__init__()
        if len(earlier) != backbone.stacks - 1:
            raise ValueError(f"{backbone.stacks} stacks need a neck and heads each, got those of {len(earlier) + 1}")
        self.backbone = backbone
        self.neck = neck
        self.heads = cell_dict("model.heads", heads)
        self.stacks = nn.CellList([EarlierStack(*cells) for cells in earlier])
        refuse_repeated("model.heads: more than one head returns a map", [name for head in heads.values() for name in head.out_maps])
        self.maps = {name: spec for head in heads.values() for name, spec in head.out_maps.items()}
        self.inputs = dict(backbone.inputs)
        self.divisor = backbone.divisor or max(spec.stride for spec in backbone.out_features)
        self.feature_count = len(backbone.out_features)

    def construct(self, image, *inputs):
        features = self.backbone(image, *inputs)
        outputs = ()
        if self.training and self.backbone.stacks > 1:
            for index, stack in enumerate(self.stacks):
                outputs = outputs + stack(features[index * self.feature_count : (index + 1) * self.feature_count])
        return outputs + self.head_maps(features[-self.feature_count :])


def cell_dict(where: str, cells: Dict[str, nn.Cell]) -> nn.CellDict:
    """Return the cells by name.

    Raises:
        ConfigError: a name cannot be the name of a cell's attribute.
    """
    for name in cells:
        if not name.isidentifier() or hasattr(nn.CellDict, name):
            raise ConfigError(f"{where}: '{name}' cannot be used as a name; choose another one of letters, digits and _")
    return nn.CellDict(cells)


def refuse_repeated(what: str, names: Sequence[str]) -> None:
    """Raise ConfigError if a name appears more than once."""
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ConfigError(f"{what} named {', '.join(repeated)}")


def build_network(config: Config) -> Network:
    """Build the newly initialised network of ``model.backbone``, ``model.neck`` and ``model.heads``.

    Raises:
        ConfigError: the input's size is not a multiple of the network's divisor.
    """
    backbone = config.build("model.backbone")
    _require_features("model.backbone", backbone)
    last, *earlier = [_build_stack(config, backbone) for _ in range(backbone.stacks)]
    network = Network(backbone, *last, earlier)
    sizes = {"input.size": config.input_spec.size}
    if config.has("data.train.size"):
        sizes["data.train.size"] = config.split("train").size
    for key, size in sizes.items():
        if size is not None and any(side % network.divisor for side in size):
            raise ConfigError(f"{key}: {list(size)}: height and width must be multiples of the backbone's divisor, {network.divisor}")
    return network


def _build_stack(config: Config, backbone: Backbone) -> Tuple[Optional[Neck], Dict[str, Head]]:
    neck = config.build("model.neck", in_features=backbone.out_features)
    if neck is not None:
        _require_features("model.neck", neck)
    heads = config.build_all("model.heads", in_features=(neck or backbone).out_features)
    for name, head in heads.items():
        maps = declared(f"model.heads.{name}", head, "out_maps", "the channels and stride of each map by name, FeatureSpecs")
        if not isinstance(maps, Mapping) or not all(isinstance(spec, FeatureSpec) for spec in maps.values()):
            raise mistake(f"model.heads.{name}", head, f"sets out_maps to {maps!r}; it must map the name of each map to a FeatureSpec")
    return neck, heads


def _require_features(block: str, part: nn.Cell) -> None:
    features = declared(block, part, "out_features", "the channels and stride of each map, FeatureSpecs, finest first")
    if not isinstance(features, (list, tuple)) or not features or not all(isinstance(spec, FeatureSpec) for spec in features):
        raise mistake(block, part, f"sets out_features to {features!r}; it must be a tuple of FeatureSpecs")
