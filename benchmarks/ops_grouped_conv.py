"""Compare the CPU time of depthwise and grouped convolutions: MindSpore's own operator and the compiled kernel.

    python benchmarks/ops_grouped_conv.py [--runs N]

Measures each shape with both in turn, in this process, forward and with the gradients of input and weight. Prints the median CPU time of
all runs, summed over the threads, in milliseconds. Set OMP_NUM_THREADS=1 so that no thread waits for another.
"""

from __future__ import annotations

import argparse
import statistics
import time

SHAPES = {  # batch, channels, height, width; outputs, kernel, stride, groups
    "depthwise 3x3": (1, 96, 128, 128, 96, 3, 1, 96),
    "depthwise 3x3, stride 2": (1, 96, 128, 128, 96, 3, 2, 96),
    "depthwise 5x5": (1, 96, 128, 128, 96, 5, 1, 96),
    "depthwise 7x7": (1, 96, 128, 128, 96, 7, 1, 96),
    "MobileNetV3, stride 4": (1, 64, 128, 128, 64, 3, 1, 64),
    "MobileNetV3, to stride 8": (1, 72, 128, 128, 72, 5, 2, 72),
    "MobileNetV3, stride 16": (1, 480, 32, 32, 480, 3, 1, 480),
    "MobileNetV3, stride 32": (1, 960, 16, 16, 960, 5, 1, 960),
    "ResNeXt, 32 groups": (1, 128, 128, 128, 128, 3, 1, 32),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    import mindpoint  # noqa: F401  sets the environment for MindSpore
    import mindspore as ms
    import numpy as np
    from mindpoint.native.accelerate import accelerate
    from mindspore import nn, ops

    class WithGradients(nn.Cell):
        def __init__(self, cell):
            super().__init__(auto_prefix=False)
            self.run = ops.value_and_grad(cell, 0, ms.ParameterTuple(cell.trainable_params()))

        def construct(self, x):
            return self.run(x)[1]

    def milliseconds(cell, x) -> float:
        times = []
        for _ in range(runs + 2):
            started = time.process_time()
            result = cell(x)
            while isinstance(result, tuple):
                result = result[-1]
            result.asnumpy()
            times.append(time.process_time() - started)
        return 1e3 * statistics.median(times[2:])

    ms.set_context(mode=ms.GRAPH_MODE)
    print(f"{'':28}{'forward':>20}{'with gradients':>24}\n{'':28}" + f"{'MindSpore':>12}{'kernel':>10}" * 2)
    for name, (batch, channels, height, width, outputs, kernel, stride, groups) in SHAPES.items():
        x = ms.Tensor(np.random.default_rng(0).normal(size=(batch, channels, height, width)).astype(np.float32))
        row = []
        for wrap in (lambda cell: cell, WithGradients):
            for quick in (False, True):
                cell = nn.Conv2d(channels, outputs, kernel, stride, "pad", kernel // 2, group=groups)
                if quick and accelerate(cell) != 1:
                    raise SystemExit("the kernel cannot be compiled here")
                row.append(milliseconds(wrap(cell), x))
        print(f"{name:28}" + "".join(f"{time:{width}.2f}" for time, width in zip(row, (12, 10, 12, 10))), flush=True)


if __name__ == "__main__":
    main()
