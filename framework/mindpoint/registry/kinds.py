"""Kinds of parts: those of the core, and those that installed distributions declare."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Optional, Tuple

from mindpoint.registry import installed


@dataclass(frozen=True)
class Kind:
    """One kind of part.

    Attributes:
        plural: name of the registry; the entry-point group is ``mindpoint.<plural>``.
        singular: name of one part in messages.
        base: ``module:class`` from which every part of the kind derives, imported when a part is loaded; None if any callable is allowed.
        built_in: parts of the core by name, ``module:class``. The formats of the commands must be available without installed metadata, so
            this table declares them instead of entry points.
    """

    plural: str
    singular: str
    base: Optional[str] = None
    built_in: Tuple[Tuple[str, str], ...] = ()

    @property
    def group(self) -> str:
        return installed.PREFIX + self.plural

    @property
    def in_blocks(self) -> bool:
        """Tell whether blocks of a configuration may name parts of this kind. Parts of other kinds are run by commands."""
        return self.plural not in _NO_BLOCKS


_ENGINES = (
    ("onnxruntime", "mindpoint.inference.onnx_engine:OnnxEngine"),
    ("openvino", "mindpoint.inference.openvino_engine:OpenVinoEngine"),
    ("mindir", "mindpoint.inference.mindir_engine:MindirEngine"),
)
_EXPORTERS = tuple((name.lower(), f"mindpoint.exporting.exporters:{name}Exporter") for name in ("Onnx", "OpenVino", "Mindir", "Air"))
_WRITERS = tuple((name.lower(), f"mindpoint.inference.writers:{name}Writer") for name in ("Pictures", "Json", "Coco", "Csv"))

KINDS: Tuple[Kind, ...] = (
    Kind("backbones", "backbone", "mindpoint.contracts.parts:Backbone"),
    Kind("necks", "neck", "mindpoint.contracts.parts:Neck"),
    Kind("heads", "head", "mindpoint.contracts.parts:Head"),
    Kind("losses", "loss", "mindpoint.contracts.parts:Loss"),
    Kind("datasets", "dataset", "mindpoint.contracts.data:Dataset"),
    Kind("transforms", "transform", "mindpoint.contracts.data:Transform"),
    Kind("samplers", "sampler", "mindpoint.contracts.data:Sampler"),
    Kind("targets", "target encoder", "mindpoint.contracts.data:TargetEncoder"),
    Kind("inputs", "input encoder", "mindpoint.contracts.data:InputEncoder"),
    Kind("decoders", "decoder", "mindpoint.contracts.decoder:Decoder"),
    Kind("metrics", "metric", "mindpoint.contracts.metric:Metric"),
    Kind("visualizers", "visualizer", "mindpoint.contracts.visualizer:Visualizer"),
    Kind("hooks", "hook", "mindpoint.contracts.hook:Hook"),
    Kind("optimizers", "optimizer"),
    Kind("schedules", "schedule", "mindpoint.optim.schedules:Schedule"),
    Kind("exporters", "exporter", "mindpoint.contracts.exporter:Exporter", _EXPORTERS),
    Kind("engines", "engine", "mindpoint.contracts.engine:Engine", _ENGINES),
    Kind("writers", "prediction writer", "mindpoint.contracts.writer:PredictionWriter", _WRITERS),
    Kind("importers", "importer", "mindpoint.contracts.importer:Importer"),
    Kind("weight_rules", "weight rules", "mindpoint.contracts.weights:WeightRules"),
    Kind("commands", "command"),
    Kind("data_actions", "data action", "mindpoint.contracts.action:DataAction"),
    Kind("checks", "check"),
    Kind("sections", "section"),
    Kind("kinds", "kind"),
)
"""The kinds of the core. :func:`kinds` also includes those of plugins."""

_NO_BLOCKS = ("commands", "data_actions", "checks", "sections", "kinds")

ANY_CLASS = Kind("classes", "class")
"""The kind of nested blocks whose argument does not have the name of a kind. It has no entry points: ``module:Class`` names a part."""


def kinds() -> Tuple[Kind, ...]:
    """Return all kinds: the core's, then those of the entry-point group ``mindpoint.kinds`` (plural = ``module:Base``).

    Nothing is imported. The singular is derived from the name of the base class: ``BoxTracker`` gives "box tracker". A declared kind whose
    plural is already taken is ignored; ``plugins doctor`` reports it.
    """
    return _with_declared(installed.points())


@lru_cache(maxsize=8)
def _with_declared(points: Tuple[installed.Point, ...]) -> Tuple[Kind, ...]:
    known = {kind.plural: kind for kind in KINDS}
    for point in sorted(point for point in points if point.group == "mindpoint.kinds"):
        known.setdefault(point.name, Kind(point.name, _words(point.value.rpartition(":")[2].rpartition(".")[2]), point.value))
    return tuple(known.values())


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name.strip()).lower()


def kind_called(name: str) -> Optional[Kind]:
    """Return the kind with this plural, singular or group, as in ``backbones``, ``target_encoder``, ``mindpoint.hooks``; else None."""
    wanted = normalize(name)
    return next((kind for kind in kinds() if wanted in map(normalize, (kind.plural, kind.singular, kind.group))), None)


def normalize(name: str) -> str:
    """Return the form of a name used in lookups: case, ``-``, ``_``, ``.`` and blanks are ignored."""
    return re.sub(r"[-_.\s]", "", name).lower()
