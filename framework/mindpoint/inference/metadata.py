"""The metadata of an exported file. Importing this module does not import MindSpore."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from mindpoint._version import __version__
from mindpoint.config import Config, load_config
from mindpoint.config.node import Trust
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.fields import Field, Points
from mindpoint.errors import WeightsError
from mindpoint.storage.json_file import parse_json

KEY = "mindpoint"
FORMAT = 2
FLOAT32 = "float32"
REDUCED = ("float16", "bfloat16", "int8")
_LONGEST, _MOST_CHANNELS, MOST_IMAGES = 32766, 1 << 16, 1024  # largest side in pixels that a file may declare


@dataclass(frozen=True)
class ExportMetadata:
    """Facts about an exported model. The file's metadata stores each under its name with the prefix ``mindpoint.``, in JSON except
    ``config``.

    Attributes:
        config: the whole configuration, YAML.
        classes: names by label.
        category_ids: the data set's category id of each class, by label.
        fields: fields of detections besides boxes, scores and labels: ``name``, ``shape``, ``type``, and ``names`` of points;
            where classes have points of their own, ``points_of_classes``, the indices of each class's points.
        preprocessing: conversion of a picture to the input ``image``: ``color`` (channel order), ``mean`` and ``std`` of values in 0..1,
            ``layout``, ``size`` (height, width), ``resize``.
        maps: ``channels`` and ``stride`` of each raw map by name.
        inputs: channels of each further input by name.
        divisor: heights and widths must be multiples of it.
        decoded: the outputs are detections, in pixels of the input, instead of maps.
        batch: images per run; None: any number.
        dynamic_size: any height and width instead of the size in ``preprocessing``.
        precision: precision of the computation: ``float32``, or one of :data:`REDUCED`.
    """

    config: str
    classes: List[str]
    category_ids: List[int]
    fields: List[Dict[str, object]]
    preprocessing: Dict[str, object]
    maps: Dict[str, Dict[str, int]]
    inputs: Dict[str, int]
    divisor: int
    decoded: bool
    batch: Optional[int]
    dynamic_size: bool
    precision: str = FLOAT32

    @property
    def specs(self) -> Dict[str, FeatureSpec]:
        """Return channels and stride of each raw map by name, in order."""
        return {name: FeatureSpec(**spec) for name, spec in self.maps.items()}

    @property
    def size(self) -> Tuple[int, int]:
        """Return ``(height, width)`` of the exported input."""
        height, width = self.preprocessing["size"]
        return height, width

    def to_metadata(self) -> Dict[str, str]:
        """Return texts by key."""
        texts = {name: value if name == "config" else json.dumps(value) for name, value in asdict(self).items()}
        return {f"{KEY}.{name}": text for name, text in {"format": str(FORMAT), "version": __version__, **texts}.items()}

    @staticmethod
    def from_metadata(metadata: Mapping[str, str], place: Path) -> "ExportMetadata":
        """Return the facts in these texts.

        Raises:
            WeightsError: the file was not written by ``mindpoint export``, or by a later version.
        """
        texts = {key[len(KEY) + 1 :]: text for key, text in metadata.items() if key.startswith(f"{KEY}.")}
        if "format" not in texts:
            raise WeightsError(f"{place}: was not written by 'mindpoint export': its description of input and output is missing")
        if texts.pop("format") != str(FORMAT):
            writer = f"mindpoint {texts.get('version')}"
            raise WeightsError(f"{place}: was written by {writer}, in a format that this version cannot read; export it again")
        texts.pop("version", None)
        try:
            values = {name: text if name == "config" else parse_json(text, str(place), name, WeightsError) for name, text in texts.items()}
            facts = ExportMetadata(**values)
            strange = facts._strange()
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise WeightsError(f"{place}: its metadata are incomplete or modified; export it again") from error
        if strange:
            raise WeightsError(f"{place}: its metadata are modified: '{strange}' is {str(values[strange])[:60]}; export it again")
        return facts

    def _strange(self) -> Optional[str]:
        """Return the name of an invalid value, or None: the file may be damaged or forged."""
        specs = [(spec.channels, spec.stride) for spec in self.specs.values()]
        sound = {
            "classes": isinstance(self.classes, list) and all(isinstance(name, str) for name in self.classes),
            "category_ids": len(self.category_ids) == len(self.classes) and all(type(number) is int for number in self.category_ids),
            "fields": all(isinstance(field["name"], str) and isinstance(field["shape"], list) for field in self.fields),
            "preprocessing": len(self.preprocessing["size"]) == 2 and all(_within(side, _LONGEST) for side in self.preprocessing["size"]),
            "maps": all(_within(value, _MOST_CHANNELS) for spec in specs for value in spec),
            "inputs": all(_within(count, _MOST_CHANNELS) for count in self.inputs.values()),
            "divisor": _within(self.divisor, _LONGEST),
            "decoded": isinstance(self.decoded, bool),
            "batch": self.batch is None or _within(self.batch, MOST_IMAGES),
            "dynamic_size": isinstance(self.dynamic_size, bool),
            "precision": self.precision in (FLOAT32, *REDUCED),
        }
        return next((name for name, well in sound.items() if not well), None)

    def configuration(
        self, place: Path, config_path: Optional[str], overrides: Sequence[str], parts: Sequence[str], trust: Trust
    ) -> Config:
        """Return the file's configuration, or the one at ``config_path``, with changes.

        Args:
            parts: dotted paths of the slots that will be built; the others need not be installed.
            trust: how far the file's configuration is trusted.

        Raises:
            ConfigError: the changed configuration is invalid.
            WeightsError: the configuration belongs to another model, or needs an input that the file does not support.
        """
        if config_path is None:
            config = Config.from_text(self.config, str(place), overrides, parts, trust)
        else:
            config = load_config(config_path, overrides, parts)
        if config.classes != list(self.classes):
            raise WeightsError(
                f"{place}: the model's classes are {', '.join(self.classes)}; those of the configuration are {', '.join(config.classes)}"
            )
        self._check_input(place, config)
        return config

    def _check_input(self, place: Path, config: Config) -> None:
        settings = config.section("test")
        if not self.dynamic_size and (settings.resolution != "fixed" or tuple(config.input_spec.size) != self.size):
            raise WeightsError(
                f"{place}: accepts images of {self.size[0]}x{self.size[1]} pixels only; keep input.size and test.resolution: fixed, "
                "or export it with --dynamic size"
            )
        if any(side % self.divisor for side in config.input_spec.size):
            raise WeightsError(f"{place}: input.size: height and width must be multiples of {self.divisor}, not {config.input_spec.size}")
        if self.decoded and settings.flip:
            raise WeightsError(f"{place}: includes the decoder, so test.flip cannot be used; export without --decode")

    def check_fields(self, place: Path, fields: Sequence[Field]) -> None:
        """Raise WeightsError if the fields of a file with a decoder differ from those of the configured decoder."""
        declared = declarations(fields)
        if self.decoded and declared != self.fields:
            ours, theirs = (", ".join(map(_said, of)) or "nothing" for of in (self.fields, declared))
            raise WeightsError(f"{place}: returns boxes with {ours}, but the decoder declares {theirs}; use the model's own settings")


def _within(value: object, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def preprocessing_of(config: Config) -> Dict[str, object]:
    """Return :attr:`ExportMetadata.preprocessing` for a configuration."""
    spec = config.input_spec
    return {
        "size": list(spec.size),
        "color": spec.channel_order,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "layout": "NCHW float32: (value / 255 - mean) / std",
        "resize": "bilinear, aspect ratio kept, centred, border 0 before normalisation",
    }


def declarations(fields: Sequence[Field]) -> List[Dict[str, object]]:
    """Return :attr:`ExportMetadata.fields` for the fields of a decoder."""
    return [_declaration(field) for field in fields]


def _said(declaration: Dict[str, object]) -> str:
    return f"{declaration['name']} {declaration['shape']}"


def _declaration(field: Field) -> Dict[str, object]:
    names: Dict[str, object] = {"names": list(field.names)} if isinstance(field, Points) else {}
    if isinstance(field, Points) and field.sets is not None:
        names["points_of_classes"] = [list(each.places) for each in field.sets]
    return {"name": field.name, "shape": list(field.shape), "type": str(field.dtype), **names}


def fitting(config: Config, decoded: bool, dynamic_size: bool, parts: Sequence[str]) -> Tuple[Config, List[str]]:
    """Return the configuration without the features that the file does not support, and the changes made."""
    settings = config.section("test")
    changes = []
    if decoded and settings.flip:
        changes.append("test.flip=false")
    if not dynamic_size and settings.resolution != "fixed":
        changes.append("test.resolution=fixed")
    return config.changed(changes, parts), changes
