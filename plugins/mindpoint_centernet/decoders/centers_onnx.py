"""The common part of CenterNet's decoders as nodes of an ONNX graph, with the same steps as :mod:`mindpoint_centernet.decoders.centers`.

Symbols: B images, C channels, N detections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, NamedTuple, Sequence, Tuple

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph

FLOAT = 1  # ONNX's code for the type


class CenterNodes(NamedTuple):
    """Names of the tensors that describe the centres.

    Attributes:
        maps: the activated maps by name.
        first, last: upper left and lower right corners ``(B, N, 2)`` in pixels of the maps.
        scores, labels, places: ``(B, N)``; places are flat indices row * W + column.
        pixels: x, y ``(B, N, 2)`` as float.
    """

    maps: Mapping[str, str]
    first: str
    last: str
    scores: str
    labels: str
    places: str
    pixels: str


def center_nodes(graph: "OnnxGraph", maps: Mapping[str, str], activated: Sequence[str], top_k: int, class_sizes: bool) -> CenterNodes:
    """Add the nodes that find centres and the boxes around them. Rows after an image's last detection have score 0.

    Args:
        maps: tensors of the raw maps by name.
        activated: names of the maps that a sigmoid turns into scores.
        top_k: maximum number of detections per image.
        class_sizes: ``wh`` has two channels per class.
    """
    add = graph.add
    maps = {name: sigmoid(graph, tensor) if name in activated else tensor for name, tensor in maps.items()}
    found = peaks(graph, add("Unsqueeze", maps["hm"], [1]), top_k, absent=0.0)
    scores, labels, places, pixels = (add("Squeeze", value, [1]) for value in found)
    if "hm" not in activated:
        scores = add("Clip", scores, 0.0, 1.0)
    sizes = at(graph, maps["wh"], places)
    if class_sizes:
        pairs = add("Reshape", sizes, [0, 0, -1, 2])
        sizes = add("GatherND", pairs, add("Unsqueeze", labels, [2]), batch_dims=2)
    half = add("Div", sizes, 2.0)
    centers = add("Add", pixels, at(graph, maps["reg"], places) if "reg" in maps else 0.5)
    return CenterNodes(maps, add("Sub", centers, half), add("Add", centers, half), scores, labels, places, pixels)


def sigmoid(graph: "OnnxGraph", tensor: str) -> str:
    """Return 1 / (1 + exp(-x)), as in the decoder: runtimes approximate their sigmoid, which merges low scores."""
    power = graph.add("Exp", graph.add("Min", graph.add("Neg", tensor), 88.0))
    return graph.add("Div", 1.0, graph.add("Add", power, 1.0))


def peaks(graph: "OnnxGraph", heat: str, count: int, absent: float) -> Tuple[str, str, str, str]:
    """Return the best ``count`` local maxima of each group ``(B, G)``.

    Args:
        heat: ``(B, G, C, H, W)``.
        absent: score of the remaining entries if there are fewer maxima.

    Returns:
        Scores, channels and places (flat indices row * W + column), each ``(B, G, N)``, and pixels x, y ``(B, G, N, 2)`` as float.
    """
    add = graph.add
    shape = add("Shape", heat)
    size = add("Slice", shape, [3], [5])
    planes = add("Reshape", heat, add("Concat", [-1, 1], size, axis=0))
    highest = add("MaxPool", planes, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    peaks = add("Where", add("Equal", planes, highest), planes, absent)
    flat = add("Reshape", peaks, add("Concat", add("Slice", shape, [0], [2]), [-1], axis=0))
    available = add("Slice", add("Shape", flat), [2], [3])
    scores, places = graph.add_many("TopK", 2, flat, add("Min", available, [count]), axis=2)
    area, width = add("ReduceProd", size, keepdims=0), add("Gather", size, 1)
    labels = add("Div", places, area)
    places = add("Mod", places, area)
    columns, rows = add("Mod", places, width), add("Div", places, width)
    pixels = add("Concat", add("Unsqueeze", columns, [3]), add("Unsqueeze", rows, [3]), axis=3)
    return scores, labels, places, add("Cast", pixels, to=FLOAT)


def at(graph: "OnnxGraph", values: str, places: str) -> str:
    """Return the values ``(B, N, C)`` of a map ``(B, C, H, W)`` at the flat indices ``places`` ``(B, N)``."""
    rows = graph.add("Transpose", graph.add("Reshape", values, [0, 0, -1]), perm=[0, 2, 1])
    return graph.add("GatherND", rows, graph.add("Unsqueeze", places, [2]), batch_dims=1)
