"""Interpolation and grid sampling."""

from __future__ import annotations

from typing import Optional, Sequence

import numpy as np

from mindpoint.exporting.onnx_call import Call, Tensors
from mindpoint.exporting.onnx_operators.table import converts


def _resized(call: Call, scales: Optional[Sequence[float]], **attributes: object) -> str:
    """Resize height and width by given factors, or to the height and width of the result."""
    if scales is None:
        sizes = call.vector(*(shape[2:] for shape in call.shapes()))
        return call.add("Resize", call.x, "", "", sizes, axes=[2, 3], **attributes)
    return call.add("Resize", call.x, "", np.array(scales, np.float32), axes=[2, 3], **attributes)


@converts("ResizeNearestNeighbor", "ResizeNearestNeighborV2")
def _resize_nearest(call: Call) -> Tensors:
    """Convert the arguments ``x, size, aligned corners, half pixels``."""
    if call.constant(2) or call.constant(3):
        mode = "align_corners" if call.constant(2) else "half_pixel"
        return _resized(call, None, mode="nearest", coordinate_transformation_mode=mode, nearest_mode="round_prefer_ceil")
    return _nearest(call)


def _nearest(call: Call) -> Tensors:
    """Copy pixel ``floor(i * input / output)`` to pixel i of the result. MindSpore's rounding is kept; it matters if the output size is not
    a multiple of the input size."""
    if all(out % size == 0 for of, to in zip(call.shapes(0), call.shapes()) for size, out in zip(of[2:], to[2:])):
        return _resized(call, None, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    add, y = call.add, call.x
    for axis in (2, 3):
        size, out = (call.size(*(shape[axis] for shape in shapes)) for shapes in (call.shapes(0), call.shapes()))
        factor = add("Div", add("Cast", size, to=1), add("Cast", out, to=1))
        places = add("Cast", add("Mul", add("Cast", add("Range", 0, add("Squeeze", out), 1), to=1), factor), to=7)
        y = add("Gather", y, places, axis=axis)
    return y


@converts("ResizeBilinearV2")
def _resize_bilinear(call: Call) -> Tensors:
    """Convert the arguments ``x, size, aligned corners, half pixels``."""
    mode = "align_corners" if call.constant(2) else "half_pixel" if call.constant(3) else "asymmetric"
    return _resized(call, None, mode="linear", coordinate_transformation_mode=mode)


@converts("UpsampleNearest2D")
def _upsample_nearest(call: Call) -> Tensors:
    """Convert the arguments ``x, size or None, factors or None``."""
    if not call.given(2):
        return _nearest(call)
    return _resized(call, call.constant(2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


@converts("UpsampleBilinear2D")
def _upsample_bilinear(call: Call) -> Tensors:
    """Convert the arguments ``x, size or None, factors or None, aligned corners``."""
    scales = call.constant(2) if call.given(2) else None
    return _resized(call, scales, mode="linear", coordinate_transformation_mode="align_corners" if call.constant(3) else "half_pixel")


@converts("GridSampler2D")
def _grid_sample(call: Call) -> Tensors:
    """Convert the arguments ``x, grid, interpolation, border, aligned corners``."""
    mode, border = ("bilinear", "nearest")[call.constant(2)], ("zeros", "border", "reflection")[call.constant(3)]
    return call.add("GridSample", call.x, call.tensor(1), mode=mode, padding_mode=border, align_corners=int(call.constant(4)))
