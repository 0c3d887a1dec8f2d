"""Deformable convolution by its formula, slowly and in float64, with derivatives by central differences."""

import numpy as np


def at(image, y, x):
    """image (C, H, W) at positions between pixels, y and x (Ho, Wo); zero outside: (C, Ho, Wo)."""
    _, height, width = image.shape
    total = np.zeros((len(image),) + y.shape)
    for row in (np.floor(y), np.floor(y) + 1):
        for column in (np.floor(x), np.floor(x) + 1):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            pixels = image[:, np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int)]
            total += pixels * inside * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def deform_conv(x, offset, mask, weight, bias, stride, padding, dilation, groups):
    """Arguments as deform_conv2d's, pairs where it takes pairs; float64 (B, O, Ho, Wo)."""
    x, offset, mask, weight, bias = (np.asarray(value, np.float64) for value in (x, offset, mask, weight, bias))
    outputs, channels, kh, kw = weight.shape
    batch, _, out_h, out_w = offset.shape
    rows, columns = np.mgrid[:out_h, :out_w]
    share = channels // groups
    y = np.tile(bias[None, :, None, None], (batch, 1, out_h, out_w))
    for n, g, i, j in np.ndindex(batch, groups, kh, kw):
        k = g * kh * kw + i * kw + j
        part = slice(g * share, (g + 1) * share)
        dy, dx = offset[n, 2 * k : 2 * k + 2]
        from_top = rows * stride[0] - padding[0] + i * dilation[0] + dy
        from_left = columns * stride[1] - padding[1] + j * dilation[1] + dx
        value = at(x[n, part], from_top, from_left)
        y[n] += np.tensordot(weight[:, part, i, j], value * mask[n, k], 1)
    return y


def slopes(function, arguments, which, entries, step=1e-4):
    """Derivatives of a scalar function by single entries of one of its arguments."""
    result = []
    for entry in entries:
        sides = []
        for sign in (1, -1):
            moved = [np.array(value, np.float64) for value in arguments]
            moved[which][entry] += sign * step
            sides.append(function(*moved))
        result.append((sides[0] - sides[1]) / (2 * step))
    return np.array(result)
