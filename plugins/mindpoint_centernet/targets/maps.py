"""Training maps of located objects: heatmaps and their weights, dense regression, values of the nearest object."""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

import numpy as np

from mindpoint_centernet.heatmaps import gaussian, gaussian32, sigma_of, stamp, window
from mindpoint_centernet.targets.located import Located, Size


def _kernels(located: Located, sigma: Optional[float] = None, kernel: Callable[[int, float], np.ndarray] = gaussian32) -> List[np.ndarray]:
    """Return the peak of each object: of the object's radius, or if ``sigma`` is set, of this standard deviation in map pixels."""
    if sigma is not None:
        return [kernel(int(3 * sigma), sigma)] * len(located.radii)
    return [kernel(radius, sigma_of(radius)) for radius in located.radii]


def center_heatmap(located: Located, classes: int, size: Size, sigma: Optional[float] = None) -> np.ndarray:
    """Return a map ``(classes, H, W)`` float32 with a peak at each object's centre, on its class's channel.

    Args:
        sigma: standard deviation in map pixels; None: derived from the object's radius.
    """
    heatmap, kernels = np.zeros((classes, *size), np.float32), _kernels(located, sigma)
    for row in located.rows.tolist():
        stamp(heatmap[located.labels[row]], *located.pixels[row].tolist(), kernels[row])
    return heatmap


def joint_heatmap(located: Located, size: Size, sigma: Optional[float]) -> np.ndarray:
    """Return a map ``(J, H, W)`` float32 with a peak at each joint.

    Args:
        sigma: standard deviation in map pixels; None: as wide as the centre's peak.
    """
    heatmap, kernels = np.zeros((located.joint_seen.shape[1], *size), np.float32), _kernels(located, sigma)
    rows, joints = np.nonzero(located.joint_seen)
    pixels = located.joint_pixels[rows, joints].tolist()
    for row, joint, (x, y) in zip(rows.tolist(), joints.tolist(), pixels):
        stamp(heatmap[joint], x, y, kernels[row])
    return heatmap


def dense_joints(located: Located, classes: int, size: Size) -> Tuple[np.ndarray, np.ndarray]:
    """Return dense regression and its weight, ``(2J, H, W)`` float32: around each centre, the joints relative to each pixel.

    Where peaks of one class overlap, the higher one wins; of equal peaks, the later one.
    """
    joints = located.joint_seen.shape[1]
    values, weight = np.zeros((joints, 2, *size), np.float32), np.zeros((joints, *size), np.float32)
    heatmap = np.zeros((classes, *size), np.float32)  # peaks of the previous objects
    kernels = _kernels(located)
    for row in located.rows.tolist():
        _stamp_dense(values, weight, heatmap[located.labels[row]], located, row)
        stamp(heatmap[located.labels[row]], *located.pixels[row].tolist(), kernels[row])
    return values.reshape(2 * joints, *size), np.repeat(weight, 2, axis=0)


def _stamp_dense(values: np.ndarray, weight: np.ndarray, heatmap: np.ndarray, located: Located, row: int) -> None:
    """Write the displacements of one object's joints around its centre, in place, where its peak is at least as high as ``heatmap``."""
    seen, radius = located.joint_seen[row], located.radii[row]
    height, width = heatmap.shape
    x, y = located.pixels[row].tolist()
    (rows, columns), in_kernel = window(x, y, radius, width, height)
    peak = gaussian(radius, sigma_of(radius))[in_kernel]
    wins = peak >= heatmap[rows, columns]
    steps = np.mgrid[columns, rows].transpose(0, 2, 1) - located.pixels[row][:, None, None]
    vectors = (located.joints[row, seen] - located.pixels[row]).astype(np.float32)[:, :, None, None] - steps
    part = values[:, :, rows, columns]
    part[seen] = np.where(wins, vectors, part[seen])
    part = weight[:, rows, columns]
    part[seen] = np.maximum(part[seen], peak)


def dense_sizes(located: Located, size: Size, sigma: Optional[float], official: bool) -> np.ndarray:
    """Return a map ``(2, H, W)`` float32. Each pixel has the width and height of the object, of any class, with the highest peak there; of
    equal peaks, the later object's. Pixels away from peaks are 0.

    Args:
        sigma: see :func:`center_heatmap`.
        official: compare each peak with a map that already contains it, as the official implementation does. This leaves out the pixels
            where rounding to float32 raises the peak, about half of them.
    """
    values, highest = np.zeros((2, *size), np.float32), np.zeros(size, np.float32)
    kernels = _kernels(located, sigma, gaussian if official else gaussian32)
    for row in located.rows.tolist():
        kernel = kernels[row]
        on_map, in_kernel = window(*located.pixels[row].tolist(), kernel.shape[0] // 2, size[1], size[0])
        peak, before = kernel[in_kernel], highest[on_map]
        after = np.maximum(before, peak.astype(np.float32))
        left, top, right, bottom = located.boxes[row]
        values[(slice(None), *on_map)][:, peak >= (after if official else before)] = [[right - left], [bottom - top]]
        highest[on_map] = after
    return values


def ignoring(boxes: np.ndarray, heatmap: np.ndarray) -> np.ndarray:
    """Return the weight ``(1, H, W)`` float32 of a heatmap ``(C, H, W)``: 0 inside the boxes ``(N, 4)`` except on peaks, otherwise 1."""
    weight = np.ones((1, *heatmap.shape[1:]), np.float32)
    for left, top, right, bottom in boxes.tolist():
        if left < right and top < bottom:
            weight[0, int(top) : int(bottom) + 1, int(left) : int(right) + 1] = 0
    return np.maximum(weight, (heatmap > 0).any(0, keepdims=True))


def of_nearest(values: np.ndarray, pixels: np.ndarray, size: Size) -> np.ndarray:
    """Return maps ``(C, H, W)`` float32. Each pixel has the row of ``values`` ``(N, C)`` that belongs to the nearest of ``pixels`` ``(N,
    2)``, x before y; NaN without pixels."""
    if not len(pixels):
        return np.full((values.shape[1], *size), np.nan, np.float32)
    across = (pixels[:, 0, None] - np.arange(size[1])) ** 2
    down = (pixels[:, 1, None] - np.arange(size[0])) ** 2
    nearest = (down[:, :, None] + across[:, None, :]).argmin(axis=0)
    return values.astype(np.float32)[nearest].transpose(2, 0, 1)
