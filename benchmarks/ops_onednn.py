"""Compare the convolutions of this project with those of oneDNN, in float32 and bfloat16, at shapes of DLA-34 for two 512x512 images.

    python benchmarks/ops_onednn.py

oneDNN is the one that PyTorch contains, in a process of its own, because MindSpore needs it limited to AVX2. Maps and weights have its
layout (channels last), so that nothing is reordered in the measured time. The last column is the time for input and output to change
between that layout and NCHW, float32, which a network of operators with NCHW maps would need around each forward pass. All times are the
least of twelve, in milliseconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Callable, List, Sequence

import numpy as np

SHAPES = [  # channels, outputs, side, kernel, stride
    (3, 16, 512, 7, 1),
    (16, 16, 512, 3, 1),
    (32, 64, 256, 3, 2),
    (64, 64, 128, 3, 1),
    (64, 256, 128, 3, 1),
    (128, 128, 64, 3, 1),
    (256, 256, 32, 3, 1),
    (512, 512, 16, 3, 1),
    (512, 256, 64, 1, 1),
]
IMAGES = 2


def arrays(channels: int, outputs: int, side: int, size: int, stride: int) -> List[np.ndarray]:
    """Return a random input, weight and gradient of the output."""
    rng = np.random.default_rng(0)
    shapes = ((IMAGES, channels, side, side), (outputs, channels, size, size), (IMAGES, outputs, side // stride, side // stride))
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def least(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(12):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1e3 * min(seconds)


def own(shape: Sequence[int], bfloat16: bool) -> List[float]:
    """Return the milliseconds of the forward pass, and of both gradients together."""
    import mindspore as ms
    from mindpoint.native.conv2d import kernel
    from mindspore import Tensor

    pad, stride = shape[3] // 2, shape[4]
    geometry = (stride, stride, pad, pad, pad, pad, 1, 1, 1, int(bfloat16))
    operator, numbers = kernel(geometry), Tensor(geometry, ms.int64)
    x, weight, dy = map(Tensor, arrays(*shape))
    bias = Tensor(np.zeros(shape[1], np.float32))

    def backward() -> None:
        for gradient in operator.bprop(x, weight, bias, numbers, dy, dy)[:2]:
            gradient.asnumpy()  # waits for it

    return [least(lambda: operator(x, weight, bias, numbers).asnumpy()), least(backward)]


def onednn(shape: Sequence[int], bfloat16: bool) -> List[float]:
    """Return the milliseconds of the forward pass, of both gradients, and of the change of layout."""
    import torch

    kind, layout = torch.bfloat16 if bfloat16 else torch.float32, torch.channels_last
    plain = [torch.from_numpy(array) for array in arrays(*shape)]
    x, weight, dy = (array.to(kind, memory_format=layout) for array in plain)
    pads, strides = [shape[3] // 2] * 2, [shape[4]] * 2
    options = (strides, pads, [1, 1], False, [0, 0], 1)
    with torch.no_grad():
        forward = least(lambda: torch.ops.aten.convolution(x, weight, None, *options))
        gradients = least(lambda: torch.ops.aten.convolution_backward(dy, x, weight, None, *options, [True, True, False]))
        there = least(lambda: plain[0].to(kind, memory_format=layout))
        back = least(lambda: dy.to(torch.float32, memory_format=torch.contiguous_format))
    return [forward, gradients, there + back]


def main() -> None:
    if sys.argv[1:]:
        print(json.dumps(onednn(*json.loads(sys.argv[1]))))
        return
    import mindpoint  # noqa: F401  sets the environment that MindSpore needs
    from mindpoint.native.conv2d import has_bfloat16
    from mindpoint.runtime import device

    device.setup("CPU", seed=0, mode="eager")
    print("| channels, outputs, side, kernel, stride | type | ours: forward | gradients | oneDNN: forward | gradients | layouts |")
    print("|---|---|---|---|---|---|---|")
    environment = {name: value for name, value in os.environ.items() if name != "ONEDNN_MAX_CPU_ISA"}
    for shape in SHAPES:
        for bfloat16 in (False, True) if has_bfloat16() else (False,):
            command = [sys.executable, __file__, json.dumps([shape, bfloat16])]
            theirs = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment).stdout)
            name = "bfloat16" if bfloat16 else "float32"
            print(
                f"| {', '.join(map(str, shape))} | {name} |", " | ".join(f"{value:.1f}" for value in [*own(shape, bfloat16), *theirs]), "|"
            )


if __name__ == "__main__":
    main()
