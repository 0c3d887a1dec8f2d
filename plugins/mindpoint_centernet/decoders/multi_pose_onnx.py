"""The multi-pose decoder as nodes of an ONNX graph, step by step as in :mod:`mindpoint_centernet.decoders.multi_pose`.

Symbols: B images, C channels, J joints, N detections, M candidates per joint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from mindpoint_centernet.decoders.centers import FAR, TINY
from mindpoint_centernet.decoders.centers_onnx import at, center_nodes, peaks

if TYPE_CHECKING:
    from mindpoint.contracts.onnx_graph import OnnxGraph

INT64, BOOL = 7, 9  # ONNX's codes for the types


def decode_nodes(
    graph: "OnnxGraph",
    maps: Mapping[str, str],
    joints: int,
    activated: Sequence[str],
    top_k: int,
    joint_threshold: float,
    distance_factor: float,
    box_margin: float,
    likely: bool = False,
    owned: Optional[np.ndarray] = None,
) -> Dict[str, str]:
    """Add the decoder's nodes. The results have the names of ``Detections``' fields, a leading batch axis, and the same N for all images.

    Rows after an image's last detection have score 0.

    Args:
        maps: tensors of the raw maps by name.
        joints: J, the number of joints.
        activated: names of the maps that a sigmoid turns into scores.
        top_k, joint_threshold, distance_factor, box_margin, likely: see ``decode_maps``.
        owned: bool (classes, J), the joints of each class; an object's other joints are NaN. None: every class has all joints.
    """
    add = graph.add
    maps, first, last, scores, labels, places, pixels = center_nodes(graph, maps, activated, top_k, class_sizes=False)
    regressed = add("Reshape", at(graph, maps["hps"], places), [0, 0, joints, 2])
    keypoints = add("Add", regressed, add("Unsqueeze", pixels, [2]))  # (B, N, J, 2)
    keypoint_scores = add("Expand", add("Unsqueeze", scores, [2]), [1, 1, joints])
    if "hm_hp" in maps:
        points, point_scores = _candidates(graph, maps["hm_hp"], maps.get("hp_offset"), joints, top_k)
        sides = add("Sub", last, first)
        margin = add("Mul", sides, box_margin)
        limits = add("Sub", first, margin), add("Add", last, margin)
        reach = add("Mul", add("ReduceMax", sides, [2], keepdims=1), distance_factor)  # (B, N, 1)
        distances = _distances(graph, keypoints, points, point_scores, joint_threshold)
        if likely:
            inside = _inside(graph, add("Unsqueeze", points, [2]), limits, [1, 3])  # (B, J, N, M)
            parts = add("Div", distances, add("Unsqueeze", add("Max", reach, TINY), [1]))
            costs = add("Sub", add("Div", add("Mul", parts, parts), 2.0), add("Log", add("Max", add("Unsqueeze", point_scores, [2]), TINY)))
            found, found_scores, least = _best(graph, add("Where", inside, add("Min", costs, FAR), FAR), points, point_scores)
            taken = add("Less", least, FAR)
        else:
            found, found_scores, least = _best(graph, distances, points, point_scores)
            taken = add("And", _inside(graph, found, limits, [2]), add("LessOrEqual", least, reach))
        keypoints = add("Where", add("Unsqueeze", taken, [3]), found, keypoints)
        keypoint_scores = add("Where", taken, found_scores, keypoint_scores)
    else:
        taken = add("Less", keypoint_scores, 0.0)
    if owned is not None:
        own = add("Gather", owned, labels, axis=0)  # (B, N, J)
        keypoints = add("Where", add("Unsqueeze", own, [3]), keypoints, float("nan"))
        keypoint_scores = add("Where", own, keypoint_scores, 0.0)
        taken = add("And", own, taken)
    boxes = add("Concat", first, last, axis=2)
    return dict(boxes=boxes, scores=scores, labels=labels, keypoints=keypoints, keypoint_scores=keypoint_scores, from_heatmap=taken)


def _candidates(graph: "OnnxGraph", heat: str, offset: Optional[str], joints: int, count: int) -> Tuple[str, str]:
    """Return points ``(B, J, M, 2)`` and scores ``(B, J, M)`` of the peaks of each joint's heatmap."""
    add = graph.add
    scores, _, places, points = peaks(graph, add("Unsqueeze", heat, [2]), count, absent=-FAR)
    shift: Union[str, float] = 0.5
    if offset is not None:
        shift = add("Reshape", at(graph, offset, add("Reshape", places, [0, -1])), add("Shape", points))
    return add("Add", points, shift), scores


def _distances(graph: "OnnxGraph", keypoints: str, points: str, scores: str, threshold: float) -> str:
    """Return the distance of each regressed joint ``(B, N, J, 2)`` to each candidate, ``(B, J, N, M)``."""
    add = graph.add

    def part(values: str, axis: int) -> List[str]:
        return [add("Unsqueeze", add("Gather", values, i, axis=3), [axis]) for i in (0, 1)]

    ours = part(add("Transpose", keypoints, perm=[0, 2, 1, 3]), 3)  # (B, J, N, 1)
    squares = [add("Mul", d, d) for d in (add("Sub", one, two) for one, two in zip(ours, part(points, 2)))]
    return add("Where", add("Unsqueeze", add("Greater", scores, threshold), [2]), add("Sqrt", add("Add", *squares)), FAR)


def _inside(graph: "OnnxGraph", points: str, limits: Tuple[str, str], axes: List[int]) -> str:
    """Return whether points ``(..., 2)`` are between the limits ``(B, N, 2)``; ``axes`` are inserted into these to match the points."""
    add = graph.add
    first, last = (add("Unsqueeze", limit, axes) for limit in limits)
    both = add("And", add("GreaterOrEqual", points, first), add("LessOrEqual", points, last))
    return add("Cast", add("ReduceMin", add("Cast", both, to=INT64), [-1], keepdims=0), to=BOOL)


def _best(graph: "OnnxGraph", costs: str, points: str, scores: str) -> Tuple[str, str, str]:
    """Return point ``(B, N, J, 2)``, score and cost ``(B, N, J)`` of each joint's cheapest candidate; ``costs`` are ``(B, J, N, M)``."""
    add = graph.add
    best = add("ArgMin", costs, axis=3, keepdims=1)  # (B, J, N, 1)
    found = add("Transpose", add("GatherND", points, best, batch_dims=2), perm=[0, 2, 1, 3])
    found_scores = add("Transpose", add("GatherND", scores, best, batch_dims=2), perm=[0, 2, 1])
    return found, found_scores, add("Transpose", add("ReduceMin", costs, [3], keepdims=0), perm=[0, 2, 1])
