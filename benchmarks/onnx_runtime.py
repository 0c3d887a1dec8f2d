"""Compare the time of a network per image: MindSpore on the CPU and the exported file in ONNX Runtime.

    python benchmarks/onnx_runtime.py [--config NAME] [--size N] [--runs N] [--rounds N] [--json]

All weights are random; the offsets of the deformable convolutions are not zero, so that they sample between pixels. One run exports the
network twice, with DeformConv and with ordinary operators only. It measures all variants in turn, each in processes of its own: MindSpore
with the compiled kernels and with its own operators only, with one image at a time; ONNX Runtime also with batches of eight. Prints median
and smallest wall-clock time and median CPU time (all threads) per image, and the ratios to MindSpore. Compilation is not counted. If the
machine also does other work, rely on ratios and CPU times instead of times.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np

VARIANTS = {  # name: (file, batch size)
    "MindSpore": ("network.ckpt", 1),
    "MindSpore, its own operators": ("network.ckpt", 1),
    "ONNX Runtime": ("network.onnx", 1),
    "ONNX Runtime, batch of 8": ("network.onnx", 8),
    "ONNX Runtime, portable": ("portable.onnx", 1),
}


def make_checkpoint(folder: Path, config_name: str, size: int) -> None:
    """Write ``network.ckpt`` with random weights."""
    from mindpoint.config import load_config
    from mindpoint.model import checkpoint
    from mindpoint.model.network import build_network
    from mindpoint.runtime import device

    config = load_config(config_name, [f"input.size=[{size}, {size}]", "test={resolution: fixed, flip: false}"])
    device.setup("CPU", 0)
    network = build_network(config)
    rng = np.random.default_rng(0)
    import mindspore as ms

    for name, parameter in network.parameters_dict().items():
        if "conv_offset_mask" in name:
            parameter.set_data(ms.Tensor(rng.normal(0, 0.5 if name.endswith("bias") else 0.01, parameter.shape).astype(np.float32)))
    checkpoint.save(folder / "network.ckpt", network, {"config": config.to_yaml()})


def make_files(folder: Path, config_name: str, size: int) -> None:
    """Write the checkpoint and the two files that are exported from it."""
    from mindpoint.exporting.request import Request
    from mindpoint.exporting.write import export

    make_checkpoint(folder, config_name, size)
    for name, portable in (("network.onnx", False), ("portable.onnx", True)):
        request = Request(folder / "network.ckpt", "onnx", str(folder / name), batch=None, portable=portable)
        print(export(request, None, []), file=sys.stderr)


def measure(file: Path, images: int, size: int, runs: int) -> List[List[float]]:
    """Return seconds and CPU seconds per image of each run, measured in this process."""
    run = forward(file)
    batch = {"image": np.random.default_rng(1).standard_normal((images, 3, size, size)).astype(np.float32)}
    run(batch)
    measured = []
    for _ in range(runs):
        started, cpu = time.perf_counter(), time.process_time()
        run(batch)
        measured.append([(time.perf_counter() - started) / images, (time.process_time() - cpu) / images])
    return measured


def forward(file: Path) -> Callable:
    """Return the file's network as a function of a dictionary of inputs."""
    if file.suffix == ".onnx":
        from mindpoint.inference.onnx_engine import OnnxEngine

        return OnnxEngine().open(file).forward
    from mindpoint.inference.mindspore_model import forward_of, open_network

    return forward_of(open_network(file, None, []).network)


def summary(runs: List[List[float]]) -> Dict[str, float]:
    wall, cpu = zip(*runs)
    return {"median_ms": 1e3 * statistics.median(wall), "smallest_ms": 1e3 * min(wall), "cpu_ms": 1e3 * statistics.median(cpu)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="dla34_dcn_coco", help="configuration of the network (default: dla34_dcn_coco)")
    parser.add_argument("--size", type=int, default=512, help="height and width of the input (default: 512)")
    parser.add_argument("--runs", type=int, default=5, help="number of runs per process (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="number of processes per variant (default: 3)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(Path(options.one[0]), int(options.one[1]), options.size, options.runs)))
        return
    measured: Dict[str, list] = {}
    with tempfile.TemporaryDirectory() as name:
        make_files(Path(name), options.config, options.size)
        for _ in range(options.rounds):
            for variant, (file, images) in VARIANTS.items():
                command = [sys.executable, __file__, *sys.argv[1:], "--one", str(Path(name) / file), str(images)]
                kernels = {"MINDPOINT_KERNELS": "portable"} if "own operators" in variant else {}
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, **kernels})
                measured.setdefault(variant, []).extend(json.loads(done.stdout.splitlines()[-1]))
    results = {variant: summary(runs) for variant, runs in measured.items()}
    if options.json:
        print(json.dumps({"config": options.config, "size": options.size, "results": results}))
        return
    for variant, row in results.items():
        ratios = [row[key] / results["MindSpore"][key] for key in ("median_ms", "smallest_ms", "cpu_ms")]
        print(
            f"{variant:28} median {row['median_ms']:7.0f} ms  smallest {row['smallest_ms']:7.0f} ms  CPU {row['cpu_ms']:7.0f} ms   "
            "ratios to MindSpore: " + ", ".join(f"{ratio:.2f}" for ratio in ratios)
        )


if __name__ == "__main__":
    main()
