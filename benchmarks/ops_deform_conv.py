"""Compare time and memory of the deformable convolution: MindSpore's own operator and the compiled kernel.

    python benchmarks/ops_deform_conv.py [--shape B C H W] [--outputs O] [--runs N] [--json]

One run measures both in turn, each in processes of its own, forward and with the gradients of all five arguments, for a 3x3 kernel with
stride 1. Prints medians with the first and third quartile in milliseconds, the median CPU time (all threads), and by how many MiB the peak
memory exceeds the memory in use before the runs. Compilation is not counted. If the machine also does other work, rely on ratios and CPU
times instead of times.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

VARIANTS = ("portable", "native")
PASSES = ("forward", "with gradients")


def memory_kib(name: str) -> int:
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))


def measure(implementation: str, what: str, shape, outputs: int, runs: int) -> dict:
    """Return seconds and CPU seconds of each run, and the growth of peak memory in MiB, measured in this process."""
    import mindpoint  # noqa: F401  sets the environment for MindSpore
    import mindspore as ms
    import numpy as np
    from mindpoint_centernet.ops.deform_conv import deform_conv2d
    from mindspore import Tensor, nn, ops

    class Forward(nn.Cell):
        def construct(self, x, offset, mask, weight, bias):
            return deform_conv2d(x, offset, mask, weight, bias, 1, 1, 1, 1, implementation)

    class WithGradients(nn.Cell):
        def __init__(self):
            super().__init__()
            self.forward = Forward()
            self.gradient = ops.GradOperation(get_all=True)

        def loss(self, x, offset, mask, weight, bias):
            y = self.forward(x, offset, mask, weight, bias)
            return (y * y).sum()

        def construct(self, x, offset, mask, weight, bias):
            return self.gradient(self.loss)(x, offset, mask, weight, bias)

    ms.set_context(mode=ms.GRAPH_MODE)
    batch, channels, height, width = shape
    rng = np.random.RandomState(0)

    def arguments(height, width):
        arrays = (
            rng.randn(batch, channels, height, width),
            rng.randn(batch, 18, height, width),
            rng.rand(batch, 9, height, width),
            rng.randn(outputs, channels, 3, 3),
            rng.randn(outputs),
        )
        return [Tensor(array.astype(np.float32)) for array in arrays]

    network = Forward() if what == "forward" else WithGradients()

    def run(values):
        result = network(*values)
        for tensor in result if isinstance(result, tuple) else (result,):
            tensor.asnumpy()

    run(arguments(8, 8))  # load libraries, thread pools and the compiler before the baseline is taken
    values = arguments(height, width)
    before = memory_kib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak, which creating the arguments has raised
    run(values)
    run(values)
    seconds, cpu_seconds = [], []
    for _ in range(runs):
        start, cpu_start = time.perf_counter(), time.process_time()
        run(values)
        seconds.append(time.perf_counter() - start)
        cpu_seconds.append(time.process_time() - cpu_start)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "memory_mib": (memory_kib("VmHWM") - before) / 1024}


def summary(measured: list) -> dict:
    import numpy as np

    milliseconds = np.concatenate([one["seconds"] for one in measured]) * 1000
    first, median, third = np.percentile(milliseconds, [25, 50, 75])
    cpu = np.median(np.concatenate([one["cpu_seconds"] for one in measured])) * 1000
    return {
        "median_ms": round(median, 2),
        "cpu_ms": round(cpu, 2),
        "quartiles_ms": [round(first, 2), round(third, 2)],
        "runs": len(milliseconds),
        "memory_mib": round(max(one["memory_mib"] for one in measured)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=4, default=[1, 64, 128, 128], metavar=("B", "C", "H", "W"))
    parser.add_argument("--outputs", type=int, default=64)
    parser.add_argument("--runs", type=int, default=10, help="number of runs in each of three processes (default: 10)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, options.shape, options.outputs, options.runs)))
        return
    measured: dict = {}
    for _ in range(3):
        for what in PASSES:
            for variant in VARIANTS:
                done = subprocess.run(
                    [sys.executable, __file__, *sys.argv[1:], "--one", variant, what], stdout=subprocess.PIPE, text=True, check=True
                )
                measured.setdefault(what, {}).setdefault(variant, []).append(json.loads(done.stdout.splitlines()[-1]))
    results = {what: {variant: summary(runs) for variant, runs in variants.items()} for what, variants in measured.items()}
    if options.json:
        print(json.dumps({"shape": options.shape, "outputs": options.outputs, "results": results}))
        return
    print(f"{options.shape} -> {options.outputs} channels")
    for what, variants in results.items():
        for variant, row in variants.items():
            first, third = row["quartiles_ms"]
            print(
                f"{what:15} {variant:9} {row['median_ms']:9.2f} ms ({first:.2f} to {third:.2f}, {row['runs']} runs)  "
                f"CPU {row['cpu_ms']:8.2f} ms  {row['memory_mib']:5d} MiB"
            )
        portable, native = variants["portable"], variants["native"]
        ratios = [portable[key] / native[key] for key in ("median_ms", "cpu_ms")]
        print(f"{what:15} portable / native {ratios[0]:.1f}, of CPU times {ratios[1]:.1f}")


if __name__ == "__main__":
    main()
