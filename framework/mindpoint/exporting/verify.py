"""The comparison of an exported file with the original network, on images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.engine import IMAGE, Inputs
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import BOXES, Detections
from mindpoint.errors import MindpointError
from mindpoint.inference.detect import FileDetection
from mindpoint.inference.detector import Detector, prepare_sample, sample_of
from mindpoint.inference.metadata import ExportMetadata

HEADS = 1e-3  # largest difference of a map, relative to its largest value if that is above 1
PIXELS, SCORE = 0.05, 1e-3  # largest difference of a detection in pixels of the input
UNMATCHED = 0.02  # share of detections that rounding may change, such as the last one of the best 100

RunAll = Callable[[Sequence[Inputs]], Optional[List[Dict[str, np.ndarray]]]]


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison of a file with the network.

    Attributes:
        images: number of compared images.
        sizes: input sizes of the comparison.
        maps: largest difference of each map, relative to its largest value if that is above 1; empty if the file decodes.
        detections: number of the network's detections in all images.
        unmatched: share of the detections of both sides that have no match on the other side.
        differing: number of differences by attribute, between the network's unmatched detections and their nearest counterparts.
    """

    images: int
    sizes: int
    maps: Dict[str, float]
    detections: int
    unmatched: float
    differing: Dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Raise MindpointError if the file differs from the network."""
        wrong = [f"{name} by {difference:.2g}" for name, difference in self.maps.items() if not difference <= HEADS]
        if wrong:
            raise MindpointError(f"the exported file differs from the network: {', '.join(wrong)} (at most {HEADS:g} is allowed)")
        if self.unmatched > UNMATCHED:
            most = max(self.differing, key=self.differing.get, default=None)
            raise MindpointError(
                f"the exported file differs from the network: {self.unmatched:.1%} of the detections differ "
                f"(at most {UNMATCHED:.0%} is allowed)" + (f", most often in '{most}'" if most else "")
            )

    def __str__(self) -> str:
        worst = f"largest difference of a map {max(self.maps.values()):.1e}, " if self.maps else ""
        same = f"{1 - self.unmatched:.1%} of {self.detections} detections the same" if self.detections else "no detections"
        at = f" at {self.sizes} sizes" if self.sizes > 1 else ""
        return f"{worst}{same} on {self.images} images{at}"


def compare(run_all: RunAll, reference: Detector, facts: ExportMetadata, images: Sequence[np.ndarray]) -> Optional[Comparison]:
    """Run file and network on images of any size and compare maps and detections.

    Args:
        run_all: function that runs the file. It takes several inputs and returns the outputs by name for each.
        reference: the network's detector.
        images: BGR uint8 ``(H, W, 3)``, at least one.

    Returns:
        The comparison; None if the format cannot be run here.
    """
    decoder, network = reference.decoder, reference.detect.forward
    batches = list(_batches(reference, facts, images))
    outputs = run_all([inputs for inputs, _ in batches])
    if outputs is None:
        return None
    differences = dict.fromkeys([] if facts.decoded else facts.maps, 0.0)
    count = unmatched = rows = 0
    differing: Counter = Counter()
    for (inputs, samples), found in zip(batches, outputs):
        parts = [network({name: array[row : row + 1] for name, array in inputs.items()}) for row in range(len(samples))]
        expected = {name: np.concatenate([part[name] for part in parts]) for name in facts.maps}
        for name in differences:
            differences[name] = float(np.maximum(differences[name], _difference(found[name], expected[name])))  # keeps a NaN
        views = [sample.view for sample in samples]
        decoded = FileDetection(lambda _, found=found: found, decoder.fields)(inputs, samples) if facts.decoded else decoder(found, views)
        for ours, theirs, view in zip(decoded, decoder(expected, views), views):
            pixels = PIXELS * max(1.0, view.crop_size / inputs[IMAGE].shape[3])
            matched, wrong = match(ours, theirs, pixels)
            differing.update(wrong)
            count += len(theirs)
            rows += len(ours) + len(theirs)
            unmatched += len(ours) + len(theirs) - 2 * matched
    sizes = {inputs[IMAGE].shape[2:] for inputs, _ in batches}
    return Comparison(len(images), len(sizes), differences, count, unmatched / max(rows, 1), dict(differing))


def _batches(reference: Detector, facts: ExportMetadata, images: Sequence[np.ndarray]) -> Iterator[Tuple[Inputs, List[Sample]]]:
    """Yield inputs of every tested size, with the samples that they show."""
    sizes = [facts.size]
    if facts.dynamic_size:
        sizes.append((facts.size[0] + 2 * facts.divisor, facts.size[1] + facts.divisor))  # a size other than that of the compilation
    for size in sizes:
        spec = replace(reference.input_spec, size=size)
        prepared = [prepare_sample(sample_of(image), spec, reference.encoder) for image in images]
        step = facts.batch or len(images)
        prepared += [prepared[-1]] * (-len(prepared) % step)
        for start in range(0, len(prepared), step):
            part = prepared[start : start + step]
            yield {name: np.stack([inputs[name] for inputs, _ in part]) for name in part[0][0]}, [sample for _, sample in part]


def _difference(ours: np.ndarray, expected: np.ndarray) -> float:
    if ours.shape != expected.shape:
        return np.inf
    return float(np.abs(ours - expected).max() / max(1.0, np.abs(expected).max()))


def match(ours: Detections, theirs: Detections, pixels: float) -> Tuple[int, Counter]:
    """Match the detections of both sides one to one: same class, and score, box and all fields equal within tolerances.

    Args:
        pixels: tolerance of values in pixels.

    Returns:
        The number of pairs, and for the rest of ``theirs`` the number of differences by attribute from the most similar one of ``ours``.
    """
    free = np.ones(len(ours), bool)
    count = 0
    differing: Counter = Counter()
    for row in range(len(theirs)):
        differs = {"score": ~(np.abs(ours.scores - theirs.scores[row]) <= SCORE)}
        for attribute in (BOXES, *theirs.fields):
            differs[attribute.name] = attribute.differs(ours.values[attribute.name], theirs.values[attribute.name][row], pixels)
        total = np.sum(list(differs.values()), axis=0)
        candidates = np.flatnonzero(free & (ours.labels == theirs.labels[row]))
        nearest = candidates[np.argsort(total[candidates], kind="stable")][:1]
        if len(nearest) and total[nearest[0]] == 0:
            free[nearest[0]] = False
            count += 1
        else:
            differing.update(name for name, rows in differs.items() if len(nearest) and rows[nearest[0]])
    return count, differing


def synthetic_images() -> List[np.ndarray]:
    """Return two deterministic pictures of smooth colours and edges."""
    rng = np.random.default_rng(0)
    pictures = []
    for height, width in ((480, 640), (600, 400)):
        layers = [
            cv2.resize(rng.uniform(0, 255, (cells, cells, 3)), (width, height), interpolation=cv2.INTER_CUBIC) for cells in (4, 16, 64)
        ]
        picture = np.clip(sum(layers) / len(layers), 0, 255).astype(np.uint8)
        for _ in range(8):
            x, y = rng.integers(0, width), rng.integers(0, height)
            cv2.ellipse(picture, (int(x), int(y)), (40, 90), int(rng.integers(180)), 0, 360, rng.integers(0, 255, 3).tolist(), -1)
        pictures.append(picture)
    return pictures
