"""What an exported file says about itself, for whoever runs it. Importing this module does not import MindSpore."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

from mindpoint._version import __version__
from mindpoint.config import Config
from mindpoint.contracts.fields import Field, Points
from mindpoint.errors import WeightsError

if TYPE_CHECKING:
    from mindpoint.model.network import Network

KEY = "mindpoint"
FORMAT = 1


@dataclass(frozen=True)
class ExportMetadata:
    """ExportMetadata about an exported model; each field is a key of the file's metadata, in JSON but for ``config``, with ``mindpoint.`` in front.

    Attributes:
        config: the whole configuration, YAML.
        classes: names by label.
        fields: what detections have beyond boxes, scores and labels: ``name``, ``shape``, ``type``, and ``names`` of points.
        preprocessing: how a picture becomes the input ``image``: ``color`` (channel order), ``mean`` and ``std`` of values in 0..1,
            ``layout``, ``size`` (height, width), ``resize``.
        maps: channels of each raw map by name.
        stride: input pixels per pixel of the maps.
        divisor: what heights and widths must be multiples of.
        decoded: the outputs are detections, in pixels of the input, and not the maps.
        batch: images that a run takes; None: any number.
        dynamic_size: any height and width, else that of ``preprocessing``.
    """

    config: str
    classes: List[str]
    fields: List[Dict[str, object]]
    preprocessing: Dict[str, object]
    maps: Dict[str, int]
    stride: int
    divisor: int
    decoded: bool
    batch: Optional[int]
    dynamic_size: bool

    @property
    def size(self) -> Tuple[int, int]:
        """``(height, width)`` of the input that was exported."""
        height, width = self.preprocessing["size"]
        return height, width

    def to_metadata(self) -> Dict[str, str]:
        """Texts by key."""
        texts = {name: value if name == "config" else json.dumps(value) for name, value in asdict(self).items()}
        return {f"{KEY}.{name}": text for name, text in {"format": str(FORMAT), "version": __version__, **texts}.items()}

    @staticmethod
    def from_metadata(metadata: Mapping[str, str], place: Path) -> "ExportMetadata":
        """Read them back.

        Raises:
            WeightsError: the file was not written by ``mindpoint export``, or by a later version.
        """
        texts = {key[len(KEY) + 1 :]: text for key, text in metadata.items() if key.startswith(f"{KEY}.")}
        if "format" not in texts:
            raise WeightsError(f"{place}: was not written by 'mindpoint export': it says nothing about its input and its output")
        if texts.pop("format") != str(FORMAT):
            raise WeightsError(f"{place}: was written by mindpoint {texts.get('version')}, in a form that this version does not know")
        texts.pop("version", None)
        try:
            return ExportMetadata(**{name: text if name == "config" else json.loads(text) for name, text in texts.items()})
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{place}: its metadata are incomplete or changed; export it again") from error

    def configuration(self, place: Path, override: Optional[Config], overrides: List[str]) -> Config:
        """The configuration that the file carries, with changes, or ``override``, which must have the same classes.

        Raises:
            ConfigError: the changed configuration is wrong.
            WeightsError: it is one of another model, or asks for an input that the file does not take.
        """
        config = override or Config.from_text(self.config, str(place), overrides)
        if config.classes != list(self.classes):
            raise WeightsError(
                f"{place}: the model's classes are {', '.join(self.classes)}; those of the configuration are {', '.join(config.classes)}"
            )
        settings = config.section("test")
        if not self.dynamic_size and (settings.resolution != "fixed" or tuple(config.input_spec.size) != self.size):
            raise WeightsError(
                f"{place}: takes images of {self.size[0]}x{self.size[1]} pixels only; leave input.size and test.resolution: fixed as they "
                "are, or export it with --dynamic size"
            )
        if any(side % self.divisor for side in config.input_spec.size):
            raise WeightsError(f"{place}: input.size: height and width must be multiples of {self.divisor}, not {config.input_spec.size}")
        if self.decoded and settings.flip:
            raise WeightsError(f"{place}: decodes inside, so test.flip cannot be used; export the network alone, without --decode")
        return config


def export_metadata(config: Config, network: "Network", fields: Sequence[Field], decoded: bool, batch: Optional[int], dynamic_size: bool) -> ExportMetadata:
    """The facts of a model about to be exported; ``config`` is one that the file can keep to (see :func:`fitting`)."""
    spec = config.input_spec
    return ExportMetadata(
        config=config.to_yaml(),
        classes=config.classes,
        fields=[_declaration(field) for field in fields],
        preprocessing={
            "size": list(spec.size),
            "color": spec.channel_order,
            "mean": list(spec.mean),
            "std": list(spec.std),
            "layout": "NCHW float32: (value / 255 - mean) / std",
            "resize": "bilinear, aspect ratio kept, centred, border 0 before normalisation",
        },
        maps={name: spec.channels for name, spec in network.maps.items()},
        stride=next(iter(network.maps.values())).stride,
        divisor=network.divisor,
        decoded=decoded,
        batch=batch,
        dynamic_size=dynamic_size,
    )


def _declaration(field: Field) -> Dict[str, object]:
    names = {"names": list(field.names)} if isinstance(field, Points) else {}
    return {"name": field.name, "shape": list(field.shape), "type": str(field.dtype), **names}


def fitting(config: Config, decoded: bool, dynamic_size: bool) -> Tuple[Config, List[str]]:
    """The configuration without what the file cannot do, and the changes."""
    settings = config.section("test")
    changes = []
    if decoded and settings.flip:
        changes.append("test.flip=false")
    if not dynamic_size and settings.resolution != "fixed":
        changes.append("test.resolution=fixed")
    return Config.from_text(config.to_yaml(), config.name, changes), changes
