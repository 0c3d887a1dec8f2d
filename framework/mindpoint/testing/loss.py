"""Tests of losses. Importing this module imports MindSpore."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from typing import Dict, List, Optional, Sequence, Tuple

import mindspore as ms
import numpy as np
from mindspore import Tensor

from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.fields import Field
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.parts import Loss
from mindpoint.runtime.device import operator_by_operator
from mindpoint.testing.samples import PartTests, drawn_samples, input_spec, need, skip

Arrays = Dict[str, np.ndarray]


class LossTests(PartTests):
    """Tests of a loss. Derive from it and let ``make`` return one, and ``make_targets`` its target encoder.

    Maps have the shapes of the encoder's ``perfect_outputs``. For a loss without such an encoder override ``targets`` and ``outputs``.

    Attributes:
        classes: number of the encoder's classes.
        input_spec: form of the network's input images.
        fields: fields of the drawn objects.
        images: size of the batch; an even number.
    """

    classes = 2
    input_spec = input_spec(64, 64)
    fields: Sequence[Field] = ()
    images = 4

    def make(self) -> Loss:
        return super().make()

    def make_targets(self) -> TargetEncoder:
        """Return a new target encoder."""
        raise NotImplementedError(
            f"{type(self).__name__}.make_targets must return the target encoder; without one, override targets and outputs"
        )

    def targets(self) -> Arrays:
        """Return targets ``(B, ...)`` by name for :attr:`images` images with objects."""
        return self._stacked(self.make_targets(), self._samples())

    def empty_targets(self) -> Arrays:
        """Return targets ``(B, ...)`` by name for images without any object."""
        return self._stacked(self.make_targets(), [replace(one, objects=Objects.none(self.fields)) for one in self._samples()])

    def outputs(self) -> Arrays:
        """Return raw maps ``(B, C, H, W)`` by name; by default small random numbers."""
        perfect = self.make_targets().perfect_outputs(self._samples()[0])
        if not perfect:
            skip("the encoder lacks perfect_outputs, which give the shapes of the maps; override outputs")
        rng = np.random.default_rng(2)
        return {name: rng.normal(0, 0.5, (self.images, *values.shape)).astype(np.float32) for name, values in perfect.items()}

    def _samples(self) -> List[Sample]:
        return drawn_samples(self.input_spec, self.classes, self.fields, self.images)

    @staticmethod
    def _stacked(encoder: TargetEncoder, samples: Sequence[Sample]) -> Arrays:
        every = [encoder(sample) for sample in samples]
        return {name: np.stack([targets[name] for targets in every]) for name in every[0]}

    @operator_by_operator()
    def test_names_are_declared_and_terms_finite(self):
        loss, outputs, targets = self.make(), self.outputs(), self.targets()
        for what, names, given in (("maps", loss.needs_maps, outputs), ("targets", loss.needs_targets, targets)):
            missing = [name for name in names if name not in given]
            need(not missing, f"the loss needs the {what} {', '.join(missing)}, but the test has {', '.join(given)}")
        total, terms = self._value(loss, outputs, targets)
        need(set(terms) == set(loss.terms), f"terms declares {', '.join(loss.terms)}, but construct returns {', '.join(terms)}")
        need(all(math.isfinite(value) for value in (total, *terms.values())), f"not finite: total {total}, {terms}")

    @operator_by_operator()
    def test_only_declared_maps_and_targets_are_read(self):
        loss = self.make()
        if {"maps", "targets"} & set(inspect.signature(type(loss)).parameters):
            skip("the loss depends on the existing maps and targets")
        outputs = {name: values for name, values in self.outputs().items() if name in loss.needs_maps}
        targets = {name: values for name, values in self.targets().items() if name in loss.needs_targets}
        try:
            self._value(loss, outputs, targets)
        except KeyError as error:
            raise AssertionError(f"construct reads {error}, which is missing in needs_maps and needs_targets") from error

    @operator_by_operator()
    def test_no_object_is_finite(self):
        total, terms = self._value(self.make(), self.outputs(), self.empty_targets())
        need(math.isfinite(total), f"a batch without objects must have finite values, got {total} ({terms}); guard the division")

    @operator_by_operator()
    def test_extreme_maps_are_finite(self):
        for value in (-80.0, 80.0):
            outputs = {name: np.full_like(values, value) for name, values in self.outputs().items()}
            total, terms = self._value(self.make(), outputs, self.targets())
            need(math.isfinite(total), f"maps of {value:g} give {total} ({terms}); compute with logits, or clamp")

    @operator_by_operator()
    def test_parts_of_a_batch_give_what_the_whole_gives(self):
        outputs, targets = self.outputs(), self.targets()
        whole, _ = self._value(self.make(), outputs, targets)
        loss, half = self.make(), self.images // 2
        loss.num_shards = 2
        counts = self._counts(loss, targets)
        parts = []
        for rows in (slice(0, half), slice(half, None)):
            part = [{name: values[rows] for name, values in arrays.items()} for arrays in (outputs, targets)]
            parts.append(self._value(loss, *part, counts)[0])
        need(
            math.isclose(np.mean(parts), whole, rel_tol=1e-3, abs_tol=1e-5),
            f"a batch in two parts gives {np.mean(parts):.6g}, as a whole {whole:.6g}; declare a divisor such as the number of objects "
            "in normalizers and count_normalizers, and use the factor num_shards / counts[name]",
        )

    @operator_by_operator()
    def test_gradients_reach_every_map(self):
        loss, targets = self.make(), self.targets()
        names = list(loss.needs_maps)
        outputs = {name: Tensor(values) for name, values in self.outputs().items()}
        values = [outputs[name] for name in names]
        rest = self._arguments(loss, targets, None)

        def total(*maps):
            return loss({**outputs, **dict(zip(names, maps))}, *rest)[0]

        gradients = ms.value_and_grad(total, tuple(range(len(names))))(*values)[1]
        for name, gradient in zip(names, gradients if isinstance(gradients, (tuple, list)) else (gradients,)):
            need(np.isfinite(gradient.asnumpy()).all(), f"the gradient of the map '{name}' is not finite")
            size = " x ".join(map(str, self.input_spec.size))
            need(gradient.asnumpy().any(), f"needs_maps names '{name}', but no gradient reaches it, with objects drawn in {size} pixels")

    def _value(self, loss: Loss, outputs: Arrays, targets: Arrays, counts: Optional[dict] = None) -> Tuple[float, Dict[str, float]]:
        maps = {name: Tensor(values) for name, values in outputs.items()}
        total, terms = loss(maps, *self._arguments(loss, targets, counts))
        return float(total.asnumpy()), {name: float(value.asnumpy()) for name, value in terms.items()}

    def _arguments(self, loss: Loss, targets: Arrays, counts: Optional[dict]) -> list:
        tensors = {name: Tensor(values) for name, values in targets.items()}
        if not loss.normalizers:
            return [tensors]
        return [tensors, counts or self._counts(loss, targets)]

    def _counts(self, loss: Loss, targets: Arrays) -> Dict[str, Tensor]:
        counts = loss.count_normalizers({name: Tensor(values) for name, values in targets.items()})
        need(set(loss.normalizers) == set(counts), f"normalizers declares {loss.normalizers}; count_normalizers returns {tuple(counts)}")
        return counts
