"""Base classes of the parts that run on the host and need numpy only."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.analysis import Analysis
from mindpoint.contracts.detections import Detections
from mindpoint.contracts.image import Sample, View
from mindpoint.errors import ConfigError

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph


class Dataset(ABC):
    """Images with annotated objects. The constructor may name ``keypoints`` and ``classes``.

    Reading is thread-safe: several workers call ``__getitem__`` of one object at once.
    """

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """The image at ``index`` with its objects, ``view`` None. Raises DataError that names file and id."""

    @abstractmethod
    def ground_truth(self) -> dict:
        """All annotations as a COCO dictionary: ``images``, ``annotations``, ``categories``; the ids are those of the samples."""

    def ids(self) -> List[int]:
        """The image ids by index; here those of the ground truth, for data sets that keep its order."""
        return [image["id"] for image in self.ground_truth()["images"]]

    @property
    def name(self) -> str:
        """A short name for files, such as ``val2017``."""
        return type(self).__name__

    def __str__(self) -> str:
        """What an evaluation on it names: the source, the number of images, and which were left out."""
        return f"{type(self).__name__}: {len(self)} images"


class Transform(ABC):
    """A change of a training sample. The constructor may name ``keypoints`` and ``input_spec``."""

    @abstractmethod
    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The changed sample. All randomness comes from ``rng``, which is a function of (seed, epoch, index)."""


class TargetEncoder(ABC):
    """Objects to training targets. The constructor may name ``keypoints``, ``classes`` and ``input_spec``.

    Attributes:
        stride: input pixels per target map pixel; must be that of the network's output.
    """

    stride: int

    @abstractmethod
    def __call__(self, sample: Sample) -> Dict[str, np.ndarray]:
        """Named arrays of fixed shape and dtype (float32 or int32), one entry a target; ``sample.view`` is set."""

    def perfect_outputs(self, sample: Sample) -> Dict[str, np.ndarray]:
        """What the heads should give for this sample: ``(C, H, W)`` float32 by head, heatmaps in 0..1.

        NaN where the annotations do not say it. ``sample.view`` is set. Used to evaluate with the truth in place of heads, which an
        encoder that leaves this out does not offer.
        """
        return {}


class Decoder(ABC):
    """Network output to detections, in numpy. The constructor may name ``keypoints`` and ``classes``."""

    @abstractmethod
    def __call__(
        self, maps: Mapping[str, np.ndarray], views: Sequence[View], mirrored: Optional[Mapping[str, np.ndarray]] = None
    ) -> List[Detections]:
        """Decode a batch.

        Args:
            maps: raw head outputs ``(B, C, H, W)`` float32, before any sigmoid; never changed.
            views: one a batch row, with ``mirror`` False.
            mirrored: the outputs for the mirrored images, to be averaged with ``maps`` (flip test).
        """

    def to_logits(self, active: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Maps as :meth:`TargetEncoder.perfect_outputs` gives them, turned into raw head outputs: the inverse of what decoding does first,
        such as a sigmoid. NaN stays NaN."""
        return dict(active)

    def mirror(self, maps: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Raw maps ``(B, C, H, W)`` of images to those of the mirrored images, and back."""
        raise ConfigError(f"{type(self).__name__} cannot mirror maps: set test.flip=false")

    def heatmaps(self, maps: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """What of the raw maps ``(B, C, H, W)`` is worth looking at: ``(B, H, W)`` float32 in 0..1 by a name such as ``joints``."""
        return {}

    @abstractmethod
    def merge(self, parts: Sequence[Detections]) -> Detections:
        """Join the detections of one image at several scales."""

    def onnx_nodes(self, graph: "OnnxGraph", maps: Mapping[str, str]) -> Dict[str, str]:
        """Add what ``__call__`` does to an exported graph, for any batch and size of maps.

        Args:
            graph: takes the nodes.
            maps: names of the tensors with the raw head outputs.

        Returns:
            Names of the results by field of :class:`Detections`, with the batch in front, the same number of rows for every image,
            coordinates in pixels of the maps. Rows with score 0 are no detections.

        Raises:
            ConfigError: this decoder has no such form.
        """
        raise ConfigError(f"{type(self).__name__} cannot be put into an exported file; export the network alone, without --decode")


class Metric(ABC):
    """Quality of detections against ground truth. The constructor may name ``keypoints`` and ``classes``."""

    @abstractmethod
    def results(self, detections: Mapping[int, Detections], ground_truth: Optional[dict] = None) -> List[dict]:
        """Detections by image id as a list of result records in COCO's format, ready for ``json.dump``.

        ``category_id`` is the one that ``ground_truth`` gives to the class's name; without ground truth it is the label plus 1.

        Raises:
            DataError: a class is none of the ground truth's categories.
        """

    @abstractmethod
    def evaluate(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Dict[str, float]:
        """Statistics by name, e.g. ``keypoints/AP``, of the given images; NaN where undefined. Never fails on empty results."""

    def table(self, stats: Mapping[str, float]) -> str:
        """The statistics for reading, several lines without a newline at the end; undefined ones as ``n/a``."""
        width = max(map(len, stats), default=0)
        return "\n".join(f"{name:<{width}}  {'n/a' if np.isnan(value) else format(value, '.4f')}" for name, value in stats.items())

    def diagnose(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> List[str]:
        """Sentences on what in this input would make the statistics zero or undefined; empty if nothing does."""
        return []

    def analyse(self, ground_truth: dict, results: Sequence[dict], image_ids: Sequence[int]) -> Analysis:
        """What lies behind the statistics, for a report; arguments as of :meth:`evaluate`."""
        return Analysis()

    def read_results(self, path: str, ground_truth: dict) -> List[dict]:
        """The records of a result file as :meth:`results` gives them. Raises DataError with file and record for what is wrong."""
        raise ConfigError(f"{type(self).__name__} cannot read result files")

    def submission(self, results: Sequence[dict], data: str) -> Tuple[str, List[dict]]:
        """File name and records as an evaluation server wants them.

        Args:
            data: name of the data set, see :attr:`Dataset.name`.
        """
        return "results.json", list(results)
