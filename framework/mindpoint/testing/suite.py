"""The test classes, run on all parts of an installed distribution. Importing this module imports MindSpore."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Mapping, Optional, Tuple
from unittest import SkipTest

from mindpoint.config import Config
from mindpoint.errors import ConfigError
from mindpoint.registry import Entry, registry
from mindpoint.registry.signature import inspected
from mindpoint.testing.cells import BackboneTests, HeadTests, NeckTests
from mindpoint.testing.data import DatasetTests, TransformTests
from mindpoint.testing.decoding import CodecTests
from mindpoint.testing.hook import HookTests
from mindpoint.testing.loss import LossTests
from mindpoint.testing.metric import MetricTests
from mindpoint.testing.samples import input_spec

CLASSES = ("one", "two")
KINDS = ("backbones", "necks", "heads", "losses", "datasets", "transforms", "targets", "decoders", "metrics", "hooks")
"""The kinds that have test classes."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one test.

    Attributes:
        kind, part: the tested part.
        test: its name in words; empty if making the part failed.
        problem: reason for the failure, one line; None if it passed.
        skipped: reason for skipping it; None if it ran.
    """

    kind: str
    part: str
    test: str
    problem: Optional[str] = None
    skipped: Optional[str] = None


class Suite:
    """The tests of all parts of a distribution.

    Parts are made with their defaults; with a configuration, those that it names are made with its values, and all get its classes, input
    and sections. A target encoder is tested with the first decoder of the distribution that reads its maps, a loss with the first encoder
    that provides its targets.

    Raises:
        ConfigError: the distribution is not installed, or has no parts that can be tested.
    """

    def __init__(self, distribution: str, config: Optional[Config] = None) -> None:
        self._config = config
        self._blocks = dict(_blocks(config)) if config is not None else {}
        self.entries = [e for kind in KINDS for e in registry(kind).entries() if _plain(e.distribution) == _plain(distribution)]
        if not self.entries:
            known = sorted({entry.distribution for kind in KINDS for entry in registry(kind).entries()})
            raise ConfigError(f"no distribution '{distribution}' with parts to test is installed; installed: {', '.join(known) or 'none'}")

    def run(self) -> Iterator[Outcome]:
        """Run all tests, part by part."""
        for entry in self.entries:
            tests = self._tests(entry)
            if isinstance(tests, str):
                yield Outcome(entry.kind.singular, entry.name, "", skipped=tests)
                continue
            for name in (name for name in dir(tests) if name.startswith("test_")):
                yield self._outcome(entry, tests, name)

    def _outcome(self, entry: Entry, tests: type, name: str) -> Outcome:
        words = name[len("test_") :].replace("_", " ")
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                getattr(tests(), name)()
        except SkipTest as reason:
            return Outcome(entry.kind.singular, entry.name, words, skipped=str(reason))
        except (Exception, SystemExit) as error:  # a part may raise anything
            said = str(error).strip().splitlines()
            message = (said or ["without a message"])[0]
            problem = message if isinstance(error, AssertionError) else f"{type(error).__name__}: {message}"
            return Outcome(entry.kind.singular, entry.name, words, problem=problem)
        return Outcome(entry.kind.singular, entry.name, words)

    def _tests(self, entry: Entry) -> "type | str":
        """Return the test class of a part, or the reason why it cannot be tested."""
        lacking = self._lacking(entry)
        if lacking:
            return f"its constructor needs {', '.join(lacking)}; give a configuration that has a block for it with --config"
        kind = entry.kind.plural
        if kind == "targets":
            return "tested with its decoder" if self._partners(entry) else "no decoder of the distribution reads its maps"
        if kind == "decoders":
            return self._codec_tests(entry)
        if kind == "losses":
            return self._loss_tests(entry)
        if kind == "hooks":
            return _class(HookTests, lambda run_dir: self._make(entry, run_dir=run_dir))
        bases: Mapping[str, type] = {
            "backbones": BackboneTests,
            "necks": NeckTests,
            "heads": HeadTests,
            "datasets": DatasetTests,
            "transforms": TransformTests,
            "metrics": MetricTests,
        }
        base = bases[kind]
        given = {"in_features": base.in_features} if kind in ("necks", "heads") else {}
        if kind == "metrics":
            tests = _class(MetricTests, lambda: self._make(entry), classes=self._given()["classes"])
            return self._with_fields(tests, "test_perfect_detections_are_the_best")
        return _class(base, lambda: self._make(entry, **given))

    def _codec_tests(self, entry: Entry) -> "type | str":
        pairs = [encoder for encoder in self._made("targets") if entry in self._partners(encoder)]
        if not pairs:
            return "no target encoder of the distribution provides its maps"
        given = self._given()
        methods = {
            "make_targets": lambda _: self._make(pairs[0]),
            "make_decoder": lambda _: self._make(entry),
            "classes": given["classes"],
            "input_spec": given["input_spec"],
        }
        return self._with_fields(type("Tests", (CodecTests,), methods), "samples_and_maps")

    def _loss_tests(self, entry: Entry) -> "type | str":
        given = self._given()
        for encoder in self._made("targets"):
            methods = {
                "make_targets": lambda _, encoder=encoder: self._make(encoder),
                "classes": len(given["classes"]),
                "input_spec": given["input_spec"],
            }
            tests = self._with_fields(type("Tests", (LossTests,), methods), "targets")
            try:
                targets, maps = tuple(tests().targets()), tuple(tests().outputs())
            except (Exception, SkipTest):  # the encoder does not declare its maps, or needs other objects
                continue
            loss = self._make(entry, maps=maps, targets=targets)
            if set(loss.needs_maps) <= set(maps) and set(loss.needs_targets) <= set(targets):
                tests.make = lambda _, maps=maps, targets=targets: self._make(entry, maps=maps, targets=targets)
                return tests
        return "no target encoder of the distribution provides its targets"

    def _with_fields(self, tests: type, probe: str) -> type:
        """Return the test class with the first object fields for which its method ``probe`` succeeds. It tries the fields of the
        distribution's data sets, then no fields, then the fields of its decoders."""
        owners = {kind: [self._make(entry).fields for entry in self._made(kind)] for kind in ("datasets", "decoders")}
        for fields in (*owners["datasets"], (), *owners["decoders"]):
            tests.fields = tuple(fields)
            try:
                getattr(tests(), probe)()
            except (Exception, SkipTest):
                continue
            return tests
        tests.fields = ()
        return tests

    def _partners(self, encoder: Entry) -> List[Entry]:
        strides = self._make(encoder).strides
        return [entry for entry in self._made("decoders") if set(self._make(entry).needs_maps) <= set(strides)]

    def _made(self, kind: str) -> List[Entry]:
        return [entry for entry in self.entries if entry.kind.plural == kind and not self._lacking(entry)]

    def _lacking(self, entry: Entry) -> List[str]:
        if self._key(entry) in self._blocks:
            return []
        known = {*self._given(), *_GIVEN_BY_KIND.get(entry.kind.plural, ())}
        return [p.name for p in inspected(entry.load()).parameters if p.required and p.name not in known]

    def _make(self, entry: Entry, **given: object) -> object:
        path = self._blocks.get(self._key(entry))
        if path is not None:
            return self._config.build(path, **given)
        values = {**self._given(), **given}
        make = entry.load()
        return make(**{p.name: values[p.name] for p in inspected(make).parameters if p.name in values})

    def _given(self) -> Dict[str, object]:
        if self._config is None:
            return {"classes": list(CLASSES), "input_spec": input_spec(), "vocabulary": {}}
        config = self._config
        return {**config.vocabulary, "classes": config.classes, "input_spec": config.input_spec, "vocabulary": config.vocabulary}

    @staticmethod
    def _key(entry: Entry) -> Tuple[str, str]:
        return entry.kind.plural, entry.value


_GIVEN_BY_KIND = {"necks": ("in_features",), "heads": ("in_features",), "losses": ("maps", "targets"), "hooks": ("run_dir",)}
_SLOTS = {"model.backbone": "backbones", "model.neck": "necks", "model.decoder": "decoders", "test.metric": "metrics"}
_NAMED = {"model.heads": "heads", "model.losses": "losses", "hooks": "hooks"}


def _blocks(config: Config) -> Iterator[Tuple[Tuple[str, str], str]]:
    """Yield kind and ``module:attribute`` of each part that a configuration names, with its path."""
    paths = dict(_SLOTS)
    for place, kind in _NAMED.items():
        paths.update({f"{place}.{name}": kind for name in _at(config.data, place)})
    for split, block in _at(config.data, "data").items():
        paths.update({f"data.{split}.dataset": "datasets", f"data.{split}.targets": "targets"})
        paths.update({f"data.{split}.transforms.{name}": "transforms" for name in block.get("transforms", {})})
    for path, kind in paths.items():
        if _at(config.data, path):
            yield (kind, registry(kind).find(_at(config.data, path)["type"]).value), path


def _at(data: dict, path: str) -> dict:
    for key in path.split("."):
        data = data.get(key, {})
    return data


def _class(base: type, make: Callable[..., object], **attributes: object) -> type:
    return type("Tests", (base,), {"make": lambda self, *given: make(*given), **attributes})


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")
