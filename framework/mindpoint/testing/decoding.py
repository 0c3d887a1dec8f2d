"""Tests of a target encoder and a decoder together: the decoder must recover the encoded objects."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

from mindpoint.contracts.data import TargetEncoder
from mindpoint.contracts.decoder import Decoder, OnnxDecoder
from mindpoint.contracts.fields import Field
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.data.sample_check import check_targets
from mindpoint.testing.samples import drawn_samples, input_spec, need, records, skip

Maps = Dict[str, np.ndarray]


class CodecTests:
    """Tests of an encoder and a decoder. Derive from it and let ``make_targets`` and ``make_decoder`` return them.

    Attributes:
        classes: names of the classes.
        input_spec: form of the network's input images.
        fields: fields of the drawn objects.
        tolerance: largest distance of a box's side from the annotated one, in pixels.
        threshold: smallest score of a detection that counts.
    """

    classes: Sequence[str] = ("one", "two")
    input_spec = input_spec()
    fields: Sequence[Field] = ()
    tolerance = 1.0
    threshold = 0.5

    def make_targets(self) -> TargetEncoder:
        """Return a new target encoder."""
        raise NotImplementedError(f"{type(self).__name__}.make_targets must return the target encoder")

    def make_decoder(self) -> Decoder:
        """Return a new decoder."""
        raise NotImplementedError(f"{type(self).__name__}.make_decoder must return the decoder")

    def samples(self) -> List[Sample]:
        """Return the samples to encode: drawn boxes, far from each other. ``view`` is set, ``image`` is the raster."""
        return drawn_samples(self.input_spec, len(self.classes), self.fields)

    def test_targets_are_named_arrays_of_fixed_shape(self):
        encoder = self.make_targets()
        need(isinstance(getattr(encoder, "strides", None), Mapping), "strides must list the stride of each map that has targets")
        forms = []
        for sample in [*self.samples(), self._empty()]:
            targets = encoder(sample)
            check_targets("the target encoder", encoder, targets, ())
            need(all(np.isfinite(values).all() for values in targets.values()), f"{sample.name}: a target is not finite")
            forms.append(records(targets))
        need(all(form == forms[0] for form in forms), f"targets of all samples must have the same names, shapes and types: {forms}")

    def test_encoding_again_gives_the_same(self):
        encoder, sample = self.make_targets(), self.samples()[-1]
        first, second = encoder(sample), encoder(sample)
        need(all(np.array_equal(first[name], second[name]) for name in first), "the targets must be a function of the sample")

    def test_perfect_maps_give_the_objects_back(self):
        decoder = self.make_decoder()
        for sample, maps in self.samples_and_maps():
            (found,) = decoder(maps, [sample.view])
            need(isinstance(found, Detections), f"a decoder must return a list of Detections, not of {type(found).__name__}")
            self._hold(sample.objects, found, sample.name, self.tolerance)

    def test_no_object_gives_no_detection(self):
        encoder = self.make_targets()
        sample = self._empty()
        maps = self._raw(encoder.perfect_outputs(sample))
        if not maps:
            skip("the encoder lacks perfect_outputs")
        (found,) = self.make_decoder()(maps, [sample.view])
        count = int((found.scores >= self.threshold).sum())
        need(count == 0, f"an image without objects has {count} detections with a score of at least {self.threshold}")

    def test_detections_are_sound(self):
        decoder, view = self.make_decoder(), self.samples()[0].view
        rng = np.random.default_rng(0)
        shapes = {name: values.shape for name, values in self.samples_and_maps()[0][1].items()}
        maps = {name: rng.normal(0, 2, shape).astype(np.float32) for name, shape in shapes.items()}
        before = {name: values.copy() for name, values in maps.items()}
        (found,) = decoder(maps, [view])
        need(all(np.array_equal(maps[name], before[name]) for name in maps), "a decoder must not change the maps")
        need((found.scores[1:] <= found.scores[:-1]).all(), "detections must come best first")
        need(((found.scores >= 0) & (found.scores <= 1)).all(), "scores must be in 0..1")
        need(np.isfinite(found.boxes).all(), "boxes must be finite for any maps")
        need(((found.labels >= 0) & (found.labels < len(self.classes))).all(), "labels must be indices of classes")
        need([field.name for field in found.fields] == [field.name for field in decoder.fields], "detections must have all fields")

    def test_needs_maps_are_those_of_the_encoder(self):
        needs, maps = self.make_decoder().needs_maps, self.samples_and_maps()[0][1]
        for name, channels in needs.items():
            need(name in maps, f"the decoder needs the map '{name}'; the encoder has {', '.join(maps)}")
            right = channels in (None, maps[name].shape[1])
            need(right, f"needs_maps: '{name}' has {channels} channels, but the encoder's map has {maps[name].shape[1]}")

    def test_a_batch_gives_what_single_images_give(self):
        decoder, pairs = self.make_decoder(), self.samples_and_maps()
        batch = {name: np.concatenate([maps[name] for _, maps in pairs]) for name in pairs[0][1]}
        together = decoder(batch, [sample.view for sample, _ in pairs])
        need(len(together) == len(pairs), "a decoder must return one entry for each image of the batch")
        for found, (sample, maps) in zip(together, pairs):
            (single,) = decoder(maps, [sample.view])
            need(np.allclose(found.boxes, single.boxes, atol=1e-3), f"{sample.name}: boxes differ between batch and single image")

    def test_another_view_moves_the_boxes_with_it(self):
        decoder = self.make_decoder()
        sample, maps = self.samples_and_maps()[0]
        view = sample.view
        (near,) = decoder(maps, [view])
        (far,) = decoder(maps, [View((view.crop_center[0] + 40, view.crop_center[1] + 24), view.crop_size)])
        moved = near.boxes + np.array([40, 24, 40, 24], np.float32)
        need(np.allclose(far.boxes, moved, atol=0.1), "detections must be in pixels of the original image; use view.motion_to_image")

    def test_mirrored_maps(self):
        decoder = self.make_decoder()
        if type(decoder).mirror is Decoder.mirror:
            skip("the decoder does not mirror maps")
        for sample, maps in self.samples_and_maps():
            back = decoder.mirror(decoder.mirror(maps))
            need(all(np.allclose(back[name], values) for name, values in maps.items()), "mirroring twice must return the original maps")
            (found,) = decoder(maps, [sample.view], decoder.mirror(maps))
            self._hold(sample.objects, found, f"{sample.name}, averaged with its mirror image", self.tolerance)
            (turned,) = decoder(decoder.mirror(maps), [sample.view])
            stride = max(self.make_targets().strides.values())  # the difference between the conventions for a cell's centre
            self._hold(sample.objects.mirror(self.input_spec.size[1]), turned, f"{sample.name}, mirrored", self.tolerance + stride)

    def test_several_scales_are_joined(self):
        decoder = self.make_decoder()
        if type(decoder).merge is Decoder.merge:
            skip("the decoder does not merge scales")
        for sample, maps in self.samples_and_maps():
            (found,) = decoder(maps, [sample.view])
            joined = decoder.merge([found, found])
            self._hold(sample.objects, joined, f"{sample.name}, the same detections merged twice", self.tolerance)

    def test_heatmaps_are_in_0_to_1(self):
        for name, heat in self.make_decoder().heatmaps(self.samples_and_maps()[0][1]).items():
            need(
                heat.ndim == 3 and 0 <= heat.min() <= heat.max() <= 1,
                f"heatmaps: '{name}' must be (B, H, W) in 0..1; its shape is {heat.shape}",
            )

    def test_decoding_in_onnx_gives_the_same(self):
        decoder = self.make_decoder()
        if not isinstance(decoder, OnnxDecoder):
            skip("the decoder is not an OnnxDecoder")
        from mindpoint.testing.onnx_decoding import decoded

        height, width = self.input_spec.size
        view = View((width / 2, height / 2), float(width))
        for sample, maps in self.samples_and_maps():
            (expected,) = decoder(maps, [view])
            found = decoded(decoder, maps, self.make_targets().strides)
            for field in (*Detections.own, *decoder.fields):
                rows, wanted = found[field.name][0], expected.values[field.name]
                rows = rows[found["scores"][0] >= self.threshold]
                wanted = wanted[expected.scores >= self.threshold]
                need(
                    rows.shape == wanted.shape,
                    f"{sample.name}: '{field.name}' has the shape {rows.shape} in ONNX, but {wanted.shape} in numpy",
                )
                need(np.allclose(rows, wanted, atol=1e-2), f"{sample.name}: '{field.name}' of onnx_nodes differs from that of __call__")

    def _empty(self) -> Sample:
        sample = self.samples()[0]
        sample.objects, sample.name = Objects.none(self.fields), "a sample without objects"
        return sample

    def samples_and_maps(self) -> List[Tuple[Sample, Maps]]:
        """Return each sample with its perfect maps in raw form, ``(1, C, H, W)``."""
        encoder = self.make_targets()
        pairs = [(sample, self._raw(encoder.perfect_outputs(sample))) for sample in self.samples()]
        if not pairs[0][1]:
            skip("the encoder lacks perfect_outputs")
        return pairs

    def _raw(self, active: Mapping[str, np.ndarray]) -> Maps:
        """Return raw maps ``(1, C, H, W)``; values that the annotations do not define are 0."""
        raw = self.make_decoder().to_logits({name: values[None] for name, values in active.items()})
        return {name: np.nan_to_num(values, nan=0.0).astype(np.float32) for name, values in raw.items()}

    def _hold(self, objects: Objects, found: Detections, name: str, tolerance: float) -> None:
        found = found.select(found.scores >= self.threshold)
        for box, label in zip(objects.boxes, objects.labels):
            same = found.boxes[found.labels == label]
            distance = np.abs(same - box).max(axis=1).min() if len(same) else np.inf
            need(
                distance <= tolerance,
                f"{name}: the nearest detection of the box {box.round(1).tolist()} of class {label} is {distance:.2f} pixels away; at most "
                f"{tolerance:g} are allowed; encoder and decoder must be inverse to each other",
            )
        count, wanted = len(found), len(objects)
        need(count == wanted, f"{name}: {count} detections with a score of at least {self.threshold} for {wanted} objects")
