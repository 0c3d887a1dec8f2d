"""Decoding of the detection heads' maps to boxes with classes, by the rules of the official implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, Literal, Mapping, Sequence

import numpy as np
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError

from mindpoint_centernet.decoders.centers import CenterDecoder, decode_centers
from mindpoint_centernet.decoders.centers_onnx import center_nodes

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph
    from mindspore import nn


class DetectionDecoder(CenterDecoder):
    """A decoder of boxes: objects are peaks of the centre heatmap of their class.

    The maps ``hm`` (C) and ``wh`` (2, with ``class_sizes`` 2C) are needed; ``reg`` (2) is optional.

    Args:
        classes: class names; provided by the run.
        top_k: maximum number of detections per image and scale.
        class_sizes: the head predicts width and height per class.
        limit: maximum number of detections per image, at one scale and after ``merge``.
        center_activation: activation that turns ``hm`` into scores; ``none`` for networks trained with squared error on the centre heatmap,
            whose values are the scores, clipped at 1. (The official implementation applies a sigmoid there, too, so that background scores
            0.5.)
        nms_sigma: width of the soft suppression in ``merge``; larger values suppress less.
        nms_threshold: ``merge`` drops overlapping detections whose score falls below it.
        stale_tail: keep the rows that the official implementation fails to remove in ``merge``: copies of moved rows, and
            rows beyond ``limit`` with the same score as the last one. Only for comparison with its results.
    """

    def __init__(
        self,
        classes: Sequence[str],
        top_k: int = 100,
        class_sizes: bool = False,
        limit: int = 100,
        center_activation: Literal["sigmoid", "none"] = "sigmoid",
        nms_sigma: float = 0.5,
        nms_threshold: float = 0.001,
        stale_tail: bool = False,
    ) -> None:
        if center_activation not in ("sigmoid", "none"):
            raise ConfigError(f"DetectionDecoder: center_activation is '{center_activation}'; it must be 'sigmoid' or 'none'")
        if limit < 1:
            raise ConfigError(f"DetectionDecoder: limit is {limit}; it must be at least 1")
        activated = ("hm",) if center_activation == "sigmoid" else ()
        super().__init__(min(top_k, limit), nms_sigma, nms_threshold, stale_tail, activated)
        self._limit = limit
        self.needs_maps = {"hm": len(classes), "wh": 2 * len(classes) if class_sizes else 2}
        self.optional_maps = {"reg": 2}

    def decode(self, maps: Dict[str, np.ndarray]) -> Detections:
        """See :func:`~mindpoint_centernet.decoders.centers.decode_centers`."""
        return Detections(*decode_centers(maps, self._top_k)[:3])

    def merge(self, parts: Sequence[Detections]) -> Detections:
        """Suppress overlapping detections within each class and return the best that remain, best first."""
        return self.best(super().merge(parts))

    def best(self, found: Detections) -> Detections:
        """Return the first ``limit`` of the sorted detections."""
        if self._stale_tail and len(found) > self._limit:
            return found.select(found.scores >= found.scores[self._limit - 1])
        return found.select(slice(self._limit))

    def onnx_nodes(self, graph: "OnnxGraph", maps: Mapping[str, str], strides: Mapping[str, int]) -> Dict[str, str]:
        """See :class:`OnnxDecoder`."""
        found = center_nodes(graph, maps, self._activated, self._top_k, self.needs_maps["wh"] > 2)
        boxes = graph.add("Mul", graph.add("Concat", found.first, found.last, axis=2), float(strides["hm"]))
        return dict(boxes=boxes, scores=found.scores, labels=found.labels)

    def cell(self, maps: Sequence[str], strides: Mapping[str, int]) -> "nn.Cell":
        """See :class:`MindSporeDecoder`."""
        from mindpoint_centernet.decoders.centers_cell import CenterCell

        return CenterCell(maps, self._activated, self._top_k, self.needs_maps["wh"] > 2, strides["hm"])
