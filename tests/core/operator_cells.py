"""Cells of one operator each, of maps ``(B, 4, H, W)``; by name."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, mint, nn, ops


class Nearest(nn.Cell):
    """To a fixed size that is not a multiple."""

    def construct(self, x):
        return ops.interpolate(x, size=(23, 40), mode="nearest")


class NearestTwice(nn.Cell):
    def construct(self, x):
        return ops.interpolate(x, scale_factor=2.0, mode="nearest", recompute_scale_factor=True)


class MintNearest(nn.Cell):
    def construct(self, x):
        return mint.nn.functional.interpolate(x, size=(24, 40), mode="nearest")


class Bilinear(nn.Cell):
    def construct(self, x):
        return ops.interpolate(x, size=(23, 40), mode="bilinear")


class BilinearAligned(nn.Cell):
    def construct(self, x):
        return ops.interpolate(x, size=(23, 7), mode="bilinear", align_corners=True)


class BilinearTwice(nn.Cell):
    def construct(self, x):
        return ops.interpolate(x, scale_factor=(2.0, 3.0), mode="bilinear", recompute_scale_factor=True)


class BilinearFree(nn.Cell):
    def construct(self, x):
        return ops.interpolate(x, size=(x.shape[2] // 2, x.shape[3] * 2), mode="bilinear", align_corners=True)


class PyramidPooling(nn.Cell):
    """From a fixed size back to the map's."""

    def construct(self, x):
        pooled = ops.adaptive_avg_pool2d(x, (3, 2))
        return x + ops.interpolate(pooled, size=x.shape[2:], mode="bilinear", align_corners=True)


class HalfPooled(nn.Cell):
    """Bins whose number follows from the size."""

    def construct(self, x):
        return ops.adaptive_avg_pool2d(x, (x.shape[2] // 2, x.shape[3]))


class Average(nn.Cell):
    def construct(self, x):
        return ops.adaptive_avg_pool2d(x, 1)


class Largest(nn.Cell):
    def construct(self, x):
        return ops.adaptive_max_pool2d(x, (1, 1))


class PaddedPool(nn.Cell):
    def construct(self, x):
        return ops.max_pool2d(x, 3, 2, padding=1, ceil_mode=True)


class PaddedWith(nn.Cell):
    def construct(self, x):
        return ops.pad(x, (1, 2, 3, 4), "constant", 1.5)


class Reflected(nn.Cell):
    def construct(self, x):
        return ops.pad(x, (1, 2, 3, 4), "reflect")


class Replicated(nn.Cell):
    def construct(self, x):
        return ops.pad(x, (1, 0, 0, 2), "replicate")


class Split(nn.Cell):
    def construct(self, x):
        first, second = ops.split(x, 2, 1)
        return first * 2 - second


class SplitUnevenly(nn.Cell):
    def construct(self, x):
        first, second = ops.split(x, (1, 3), 1)
        return first * second


class Chunk(nn.Cell):
    def construct(self, x):
        first, second = ops.chunk(x, 3, 1)  # four channels: two and two
        return first + 2 * second


class MintChunk(nn.Cell):
    def construct(self, x):
        first, second = mint.chunk(x, 2, 1)
        return ops.concat((second, first), 1)


class MintSplit(nn.Cell):
    def construct(self, x):
        first, second = mint.split(x, [1, 3], 1)
        return ops.concat((second, first), 1)


class Rsqrt(nn.Cell):
    def construct(self, x):
        return ops.rsqrt(x * x + 1)


class GridSample(nn.Cell):
    """Along a field that leaves the map."""

    def __init__(self, mode, border, aligned):
        super().__init__()
        self.mode, self.border, self.aligned = mode, border, aligned

    def construct(self, x):
        grid = ops.transpose(x[:, :2] / 4, (0, 2, 3, 1))
        return ops.grid_sample(x, grid, self.mode, self.border, self.aligned)


class Windows(nn.Cell):
    """Attention within windows of 2x2."""

    def construct(self, x):
        batch, channels, height, width = x.shape
        windows = x.reshape(batch, channels, height // 2, 2, width // 2, 2).transpose(0, 2, 4, 3, 5, 1).reshape(-1, 4, channels)
        shares = ops.softmax(ops.matmul(windows, windows.swapaxes(1, 2)) / 9, -1)
        mixed = ops.matmul(shares, windows).reshape(batch, height // 2, width // 2, 2, 2, channels)
        return mixed.transpose(0, 5, 1, 3, 2, 4).reshape(batch, channels, height, width)


class Slices(nn.Cell):
    def construct(self, x):
        return x[:, :, 1:-1, ::2] + x[:, 0:1, :-2, 1::2] * x[:, -1, 2:, ::2].expand_dims(1)


class Normal(nn.Cell):
    """Every pixel for itself."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm((4,))

    def construct(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Height(nn.Cell):
    """A number that is the size."""

    def construct(self, x):
        return x / x.shape[2]


class Arithmetic(nn.Cell):
    def __init__(self):
        super().__init__()
        self.dense = nn.Dense(4, 4)

    def construct(self, x):
        y = self.dense(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = ops.maximum(y, 0.5) - ops.minimum(x, -0.5) + ops.abs(x) * ops.sign(x) / 2 + (x >= 0).astype(ms.float32)
        y = y + ops.logical_and(x > 0, y < 1).astype(ms.float32) + ops.broadcast_to(ops.mean(x, (2, 3), True), x.shape)
        more = (ops.gather(x, Tensor([1, 0]), 1), ops.log_softmax(x, 1), x.max(axis=1, keepdims=True), x.min(axis=1, keepdims=True))
        return ops.concat((y, ops.sum(x, 1, keepdim=True), ops.full_like(x, 2.0), 1 - x, 1 / (x * x + 1), ops.clamp(x, -1, 1), *more), 1)


class Deviation(nn.Cell):
    def construct(self, x):
        return ops.std(x, (2, 3), keepdims=True) + ops.var(x, 1, keepdims=True)


CELLS = {
    "adaptive average pooling, cell": lambda: nn.AdaptiveAvgPool2d((2, 3)),
    "adaptive average pooling, half": HalfPooled,
    "adaptive average pooling, one": Average,
    "adaptive maximum pooling": lambda: nn.AdaptiveMaxPool2d((5, 3)),
    "adaptive maximum pooling, one": Largest,
    "arithmetic": Arithmetic,
    "average pooling": lambda: nn.AvgPool2d(2, 2),
    "average pooling, padded": lambda: nn.AvgPool2d(3, 2, pad_mode="pad", padding=1),
    "bilinear": Bilinear,
    "bilinear, aligned": BilinearAligned,
    "bilinear, times 2 and 3": BilinearTwice,
    "bilinear, to a size that follows": BilinearFree,
    "chunk": Chunk,
    "chunk, mint": MintChunk,
    "constant border": PaddedWith,
    "constant border, cell": lambda: nn.ConstantPad2d((1, 0, 2, 1), -2.0),
    "depthwise convolution": lambda: nn.Conv2d(4, 8, 5, 2, "same", group=4, has_bias=True),
    "deviation": Deviation,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "grid sample": lambda: GridSample("bilinear", "zeros", False),
    "grid sample, aligned, reflection": lambda: GridSample("bilinear", "reflection", True),
    "grid sample, nearest, border": lambda: GridSample("nearest", "border", True),
    "group normalisation": lambda: nn.GroupNorm(2, 4),
    "group normalisation, mint": lambda: mint.nn.GroupNorm(2, 4),
    "hard sigmoid": nn.HSigmoid,
    "hard swish": nn.HSwish,
    "layer normalisation": Normal,
    "leaky relu": nn.LeakyReLU,
    "maximum pooling, padded": PaddedPool,
    "maximum pooling, padded, cell": lambda: nn.MaxPool2d(3, 2, pad_mode="pad", padding=1),
    "maximum pooling, same": lambda: nn.MaxPool2d(3, 2, pad_mode="same"),
    "mish": nn.Mish,
    "nearest": Nearest,
    "nearest, cell": lambda: nn.Upsample(scale_factor=(2.0, 2.0), mode="nearest", recompute_scale_factor=True),
    "nearest, mint": MintNearest,
    "nearest, twice": NearestTwice,
    "pixel shuffle": lambda: nn.PixelShuffle(2),
    "pyramid pooling": PyramidPooling,
    "reflected border": Reflected,
    "reflected border, cell": lambda: nn.ReflectionPad2d(1),
    "reflected border, pairs": lambda: nn.Pad(((0, 0), (0, 0), (1, 1), (2, 2)), "REFLECT"),
    "replicated border": Replicated,
    "prelu": lambda: nn.PReLU(4),
    "relu6": nn.ReLU6,
    "rsqrt": Rsqrt,
    "silu": nn.SiLU,
    "size as a number": Height,
    "slices": Slices,
    "split": Split,
    "split, mint": MintSplit,
    "split, unevenly": SplitUnevenly,
    "transposed convolution": lambda: nn.Conv2dTranspose(4, 6, 3, 2, "same", has_bias=True),
    "windows": Windows,
}


class Known(nn.Cell):
    """The size plus one: no product of the sides."""

    def construct(self, x):
        return x * (x.shape[2] + 1)


class Unknown(nn.Cell):
    def construct(self, x):
        return ops.cummax(x, 3)[0]


class Deciding(nn.Cell):
    """Takes another way for other values."""

    def construct(self, x):
        if x.sum() > 0:
            return x * 2
        return x


def randomize(cell: nn.Cell) -> None:
    """Give parameters random values, so that none of them is one or zero; the same to those of ``nn`` and of ``mint``."""
    for parameter in cell.get_parameters():
        name = parameter.name.replace("gamma", "weight").replace("beta", "bias").replace("moving_mean", "running_mean")
        rng = np.random.default_rng(list(name.replace("moving_variance", "running_var").encode()))
        parameter.set_data(Tensor(rng.uniform(0.2, 1.2, parameter.shape).astype(np.float32)))
