"""Compare the speed of the same network for one image on this CPU: ours, PyTorch, ONNX Runtime, OpenVINO.

    python benchmarks/peers.py [--size N] [--runs N] [--rounds N] [--only WORD ...] [--json]

The network is DLA-34 with deformable convolutions and random weights; the offsets of the deformable convolutions are not zero, so that
they sample between pixels. Every measurement has a process of its own, and rounds alternate between the variants. Variants that are not
installed are named and left out. PyTorch uses torchvision's deformable convolution.

Prints the median time of an image for each variant, its ratio to the first variant measured, and the peak memory of the process. The
speed is given in GFLOP/s and as a fraction of the speed of a matrix product on this machine. Compilation is not counted.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np

GFLOP, SIDE = 80.4, 512  # GFLOP of one SIDE x SIDE image; a multiply-add counts as two operations
HEADS = {"hm": 1, "wh": 2, "hps": 34, "reg": 2, "hm_hp": 17, "hp_offset": 2}
VARIANTS = {  # name: (required package, file or mode of PyTorch)
    "PyTorch, torchvision": ("torchvision", "plain"),
    "PyTorch, channels_last": ("torchvision", "channels_last"),
    "PyTorch, compiled": ("torchvision", "compiled"),
    "MindSpore with the kernels": ("mindspore", "network.ckpt"),
    "ONNX Runtime": ("onnxruntime", "network.onnx"),
    "ONNX Runtime, int8": ("onnxruntime", "int8.onnx"),
    "OpenVINO": ("openvino", "float32.xml"),
    "OpenVINO, bfloat16": ("openvino", "bfloat16.xml"),
    "OpenVINO, int8": ("openvino", "int8.xml"),
}


def make_files(folder: Path, size: int, names: List[str]) -> None:
    """Write the checkpoint and the files that are exported from it."""
    from mindpoint.exporting.request import Request
    from mindpoint.exporting.write import export
    from onnx_runtime import make_checkpoint

    make_checkpoint(folder, "dla34_dcn_coco", size)
    picture = str(folder / "picture.png")
    import cv2
    from mindpoint.exporting.verify import synthetic_images

    cv2.imwrite(picture, synthetic_images()[0])
    for name in names:
        path = folder / name
        if path.suffix in (".onnx", ".xml"):
            precision = path.stem if path.stem in ("bfloat16", "int8") else "float32"
            kind = "onnx" if path.suffix == ".onnx" else "openvino"
            request = Request(folder / "network.ckpt", kind, str(path), precision=precision, verify=False, images=[picture])
            print(export(request, None, []), file=sys.stderr)


def forward(what: str, size: int) -> Callable[[], object]:
    """Return a function that runs the network on one image."""
    image = np.random.default_rng(1).standard_normal((1, 3, size, size)).astype(np.float32)
    if "." not in what:
        return _pytorch(what, image)
    if what.endswith(".ckpt"):
        from mindpoint.inference.mindspore_model import forward_of, open_network

        run = forward_of(open_network(Path(what), None, []).network)
    elif what.endswith(".onnx"):
        from mindpoint.inference.onnx_engine import OnnxEngine

        run = OnnxEngine().open(Path(what)).forward
    else:
        from mindpoint.inference.openvino_engine import OpenVinoEngine

        run = OpenVinoEngine().open(Path(what)).forward
    return lambda: run({"image": image})


def _pytorch(way: str, image: np.ndarray) -> Callable[[], object]:
    import torch
    from pytorch_network import OfficialNetwork

    torch.manual_seed(0)
    network = OfficialNetwork(HEADS, torchvision=True).eval()
    for name, value in network.steps.state.items():
        if "conv_offset_mask" in name:
            torch.nn.init.normal_(value, std=0.5 if name.endswith("bias") else 0.01)
    pixels = torch.from_numpy(image)
    if way == "channels_last":
        network, pixels = network.to(memory_format=torch.channels_last), pixels.to(memory_format=torch.channels_last)
    run = torch.compile(network) if way == "compiled" else network

    def once() -> object:
        with torch.no_grad():
            return run(pixels)

    return once


def measure(what: str, size: int, runs: int) -> Dict[str, object]:
    """Return the seconds of each run and the peak memory in MiB, measured in this process."""
    run = forward(what, size)
    run()
    run()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds, "peak_MiB": _peak_memory()}


def _peak_memory() -> float:
    """Return the peak memory of this process in MiB; ``getrusage`` would include that of the parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def peak() -> float:
    """Return GFLOP/s of a float32 matrix product, the best of several."""
    side = 2048
    first, second = (np.random.default_rng(seed).standard_normal((side, side)).astype(np.float32) for seed in (0, 1))
    seconds = []
    for _ in range(8):
        started = time.perf_counter()
        first @ second
        seconds.append(time.perf_counter() - started)
    return 2e-9 * side**3 / min(seconds)


def _works(package: str) -> bool:
    """Return whether a package can be imported. An installed one may still fail, such as torchvision with a PyTorch of another build."""
    return subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True).returncode == 0


def _child(*arguments: object) -> object:
    done = subprocess.run([sys.executable, __file__, "--one", *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=SIDE, help="height and width of the input (default: 512)")
    parser.add_argument("--runs", type=int, default=5, help="number of runs per process (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="number of processes per variant (default: 3)")
    parser.add_argument("--only", nargs="+", metavar="WORD", default=[""], help="only variants whose names contain one of these words")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, *rest = options.one
        if what == "files":  # mindpoint and MindSpore change their process, which the others would inherit
            print(json.dumps(make_files(Path(rest[0]), int(rest[1]), rest[2:])))
        else:
            print(json.dumps(peak() if what == "peak" else measure(what, *map(int, rest))))
        return
    wanted = {name: value for name, value in VARIANTS.items() if any(word in name for word in options.only)}
    chosen = {name: what for name, (package, what) in wanted.items() if _works(package)}
    for name in wanted.keys() - chosen.keys():
        print(f"left out: {name} ({wanted[name][0]} cannot be imported)", file=sys.stderr)
    if not chosen:
        raise SystemExit("nothing to measure: no variant is installed, or no name contains a word of --only")
    measured: Dict[str, list] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as folder:
        _child("files", folder, options.size, *chosen.values())
        best = _child("peak")
        for _ in range(options.rounds):
            for name, what in chosen.items():
                measured[name].append(_child(Path(folder) / what if "." in what else what, options.size, options.runs))
    work = GFLOP * (options.size / SIDE) ** 2
    results = {}
    for name, rounds in measured.items():
        median = statistics.median(second for one in rounds for second in one["seconds"])
        results[name] = {"median_ms": 1e3 * median, "peak_MiB": max(one["peak_MiB"] for one in rounds), "gflops": work / median}
    if options.json:
        print(json.dumps({"size": options.size, "matrix_product_gflops": best, "results": results}))
        return
    print(f"matrix product in float32: {best:.0f} GFLOP/s")
    first = next(iter(results.values()))["median_ms"]
    for name, row in results.items():
        print(
            f"{name:28} {row['median_ms']:7.0f} ms  ratio {row['median_ms'] / first:5.3f}  {row['peak_MiB']:6.0f} MiB  "
            f"{row['gflops']:5.0f} GFLOP/s  {row['gflops'] / best:4.2f} of the matrix product's speed"
        )


if __name__ == "__main__":
    main()
