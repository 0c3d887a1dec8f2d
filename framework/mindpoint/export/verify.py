"""An exported file against the network that it was made from, on images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Dict, Iterator, List, Sequence, Tuple

import cv2
import numpy as np

from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.instances import BOXES, Detections
from mindpoint.contracts.image import InputSpec, View
from mindpoint.inference.detector import Forward
from mindpoint.data.preprocess import prepare
from mindpoint.errors import MindpointError
from mindpoint.inference.decoded import DecodedOutputs, with_size
from mindpoint.inference.metadata import ExportMetadata

HEADS = 1e-3  # largest difference of a map, relative to its largest value if that is above 1
PIXELS, SCORE = 0.05, 1e-3  # of a detection; pixels of the input
UNMATCHED = 0.02  # share of the detections that rounding may change, such as the last of a hundred

RunAll = Callable[[Sequence[np.ndarray]], List[Dict[str, np.ndarray]]]


@dataclass(frozen=True)
class Comparison:
    """How near the file is to the network.

    Attributes:
        images: how many were compared.
        sizes: of the input at which they were.
        maps: largest difference of each map, relative to its largest value if that is above 1; empty if the file decodes.
        detections: of the network in all of them.
        unmatched: share of the detections of both sides without a partner on the other.
    """

    images: int
    sizes: int
    maps: Dict[str, float]
    detections: int
    unmatched: float

    def check(self) -> None:
        """Raise MindpointError if the file is not the network."""
        wrong = [f"{name} by {difference:.2g}" for name, difference in self.maps.items() if not difference <= HEADS]
        if wrong:
            raise MindpointError(f"the exported file differs from the network: {', '.join(wrong)} ({HEADS:g} is allowed)")
        if self.unmatched > UNMATCHED:
            raise MindpointError(
                f"the exported file finds other things than the network: {self.unmatched:.1%} of the detections differ "
                f"({UNMATCHED:.0%} is allowed)"
            )

    def __str__(self) -> str:
        worst = f"largest difference of a map {max(self.maps.values()):.1e}, " if self.maps else ""
        same = f"{1 - self.unmatched:.1%} of {self.detections} detections the same" if self.detections else "no detections"
        at = f" at {self.sizes} sizes" if self.sizes > 1 else ""
        return f"{worst}{same} on {self.images} images{at}"


def compare(run_all: RunAll, network: Forward, decoder: Decoder, spec: InputSpec, facts: ExportMetadata, images: Sequence[np.ndarray]) -> Comparison:
    """Run file and network on images of any size and compare maps and detections.

    Args:
        run_all: the file: outputs by name for each of several inputs that it takes.
        network: raw maps of a batch of one.
        images: BGR uint8 ``(H, W, 3)``, at least one.
    """
    batches = list(_batches(spec, facts, images))
    found = run_all([batch for batch, _ in batches])
    differences = dict.fromkeys([] if facts.decoded else facts.maps, 0.0)
    count = unmatched = rows = 0
    for (batch, views), outputs in zip(batches, found):
        parts = [network(batch[row : row + 1]) for row in range(len(batch))]
        expected = {name: np.concatenate([part[name] for part in parts]) for name in facts.maps}
        for name in differences:
            differences[name] = float(np.maximum(differences[name], _difference(outputs[name], expected[name])))  # keeps a NaN
        ours_found = DecodedOutputs(decoder)(with_size(outputs, batch), views) if facts.decoded else decoder(outputs, views)
        for ours, theirs, view in zip(ours_found, decoder(expected, views), views):
            pixels = PIXELS * max(1.0, view.crop_size / batch.shape[3])
            count += len(theirs)
            rows += len(ours) + len(theirs)
            unmatched += len(ours) + len(theirs) - 2 * matches(ours, theirs, pixels)
    sizes = {batch.shape[2:] for batch, _ in batches}
    return Comparison(len(images), len(sizes), differences, count, unmatched / max(rows, 1))


def _batches(spec: InputSpec, facts: ExportMetadata, images: Sequence[np.ndarray]) -> Iterator[Tuple[np.ndarray, List[View]]]:
    """The images as inputs of every size that is to be tried, with their views."""
    sizes = [facts.size]
    if facts.dynamic_size:
        sizes.append((facts.size[0] + facts.divisor, facts.size[1] + 2 * facts.divisor))
    for size in sizes:
        prepared = [prepare(image, replace(spec, size=size)) for image in images]
        step = facts.batch or len(images)
        prepared += [prepared[-1]] * (-len(prepared) % step)
        for start in range(0, len(prepared), step):
            arrays, views = zip(*prepared[start : start + step])
            yield np.stack(arrays), list(views)


def _difference(ours: np.ndarray, expected: np.ndarray) -> float:
    if ours.shape != expected.shape:
        return np.inf
    return float(np.abs(ours - expected).max() / max(1.0, np.abs(expected).max()))


def matches(ours: Detections, theirs: Detections, pixels: float) -> int:
    """How many detections of one side have a partner of their own on the other: class, score, box and all fields but flags."""
    free = np.ones(len(ours), bool)
    count = 0
    for row in range(len(theirs)):
        near = free & (ours.labels == theirs.labels[row]) & (np.abs(ours.scores - theirs.scores[row]) <= SCORE)
        for field in (BOXES, *theirs.fields):
            near &= ~field.differs(ours.values[field.name], theirs.values[field.name][row], pixels)
        partners = np.flatnonzero(near)
        if len(partners):
            free[partners[0]] = False
            count += 1
    return count


def synthetic_images() -> List[np.ndarray]:
    """Two pictures of smooth colours and edges, the same every time."""
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
