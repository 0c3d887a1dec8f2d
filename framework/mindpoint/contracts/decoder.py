"""Decoders turn the raw maps of a network into detections."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from mindpoint.contracts.fields import Field
from mindpoint.contracts.image import View
from mindpoint.contracts.instances import Detections
from mindpoint.errors import ConfigError

if TYPE_CHECKING:
    from mindspore import nn

    from mindpoint.contracts.onnx_graph import OnnxGraph


class Decoder(ABC):
    """Turns network outputs into detections, in numpy. The constructor may take ``classes``.

    Attributes:
        fields: fields of its detections beyond boxes, scores and labels.
        needs_maps: number of channels of each map that it reads, by name; None: any number.
        optional_maps: number of channels of each map that it reads only if the map is present, by name; None: any number.
    """

    fields: Tuple[Field, ...] = ()
    needs_maps: Mapping[str, Optional[int]] = {}
    optional_maps: Mapping[str, Optional[int]] = {}

    @abstractmethod
    def __call__(
        self, maps: Mapping[str, np.ndarray], views: Sequence[View], mirrored: Optional[Mapping[str, np.ndarray]] = None
    ) -> List[Detections]:
        """Decode a batch.

        Args:
            maps: raw head outputs ``(B, C, H, W)`` float32, before any sigmoid; never changed.
            views: the views, one for each image of the batch, with ``mirror`` False; ``view.meta`` holds the sample's ``meta``.
            mirrored: the outputs for the mirrored images, to be averaged with ``maps`` (flip test).

        Returns:
            The detections of each image with :attr:`fields`, in pixels of the original image.
        """

    def to_logits(self, active: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Turn maps as returned by :meth:`TargetEncoder.perfect_outputs` into raw head outputs: the inverse of the decoder's first
        operation, such as a sigmoid. NaN stays NaN."""
        return dict(active)

    def mirror(self, maps: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Turn raw maps ``(B, C, H, W)`` of images into those of the mirrored images, and back."""
        raise ConfigError(f"{type(self).__name__} cannot mirror maps; set test.flip=false")

    def heatmaps(self, maps: Mapping[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """Return the maps to display, made from raw maps ``(B, C, H, W)``: ``(B, H, W)`` float32 in 0..1, by a name such as
        ``centres``."""
        return {}

    def merge(self, parts: Sequence[Detections]) -> Detections:
        """Merge the detections of one image at several scales."""
        raise ConfigError(f"{type(self).__name__} cannot merge several scales; set test.scales=[1.0] and test.nms=false")


class OnnxDecoder(Decoder):
    """A decoder that can be put into an exported ONNX file."""

    @abstractmethod
    def onnx_nodes(self, graph: "OnnxGraph", maps: Mapping[str, str], strides: Mapping[str, int]) -> Dict[str, str]:
        """Add the operations of ``__call__`` to a graph, for any batch size and any size of maps.

        Args:
            graph: receives the nodes.
            maps: names of the tensors with the raw head outputs, by map.
            strides: input pixels per pixel of each map.

        Returns:
            Names of the results ``boxes``, ``scores``, ``labels`` and each of :attr:`fields`. The batch is the first axis, and every image
            has the same number of rows. Coordinates are in pixels of the network's input. Rows with score 0 are not detections.

        Raises:
            ConfigError: these settings cannot be expressed in ONNX.
        """


class MindSporeDecoder(Decoder):
    """A decoder that can be put into an exported MINDIR or AIR file."""

    @abstractmethod
    def cell(self, maps: Sequence[str], strides: Mapping[str, int]) -> "nn.Cell":
        """Return a MindSpore cell that does the same as ``__call__``, for any number of images and one size of maps.

        Args:
            maps: names of the raw head outputs, in the order of the cell's arguments.
            strides: input pixels per pixel of each map.

        Returns:
            A cell that returns ``boxes``, ``scores``, ``labels`` (int64) and each of :attr:`fields`, in this order, as described in
            :meth:`OnnxDecoder.onnx_nodes`.

        Raises:
            ConfigError: these settings cannot be expressed as a cell.
        """


def check_maps(decoder: Decoder, channels: Mapping[str, int]) -> None:
    """Check that a network provides the maps that a decoder needs.

    Args:
        channels: number of channels of each map of the network, by name.

    Raises:
        ConfigError: a map is missing or has the wrong number of channels.
    """
    name = type(decoder).__name__
    missing = [need for need in decoder.needs_maps if need not in channels]
    if missing:
        raise ConfigError(f"{name} needs the map '{missing[0]}'; the heads return {', '.join(channels) or 'nothing'}")
    for need, count in {**decoder.needs_maps, **decoder.optional_maps}.items():
        if count is not None and channels.get(need, count) != count:
            raise ConfigError(f"{name}: the map '{need}' has {channels[need]} channels; it must have {count}")
