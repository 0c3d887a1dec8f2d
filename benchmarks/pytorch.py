"""Compare the official network in PyTorch with ours on a CPU: prediction of one 512x512 image, and training steps.

    python benchmarks/pytorch.py [--torch-python PYTHON] [--torchvision] [--bfloat16] [--rounds N] [--json FILE]

PyTorch may be in an environment of its own; ``--torch-python`` names its interpreter. It was tested with 2.13, and with ``--torchvision``
with 2.14; ninja and setuptools are needed to compile an extension. Its network is the official DLA-34 with deformable convolutions like
those of the public CPU ports of DCNv2 (``pytorch_deform_conv.cc``). For prediction, only our time includes decoding. For training, PyTorch
has a simple loss on all maps and Adam; ours has the real loss. Rounds alternate between the two; compilation is not counted. Prints
medians over rounds in seconds, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

CONFIG = "dla34_dcn_coco"
SIDE, IMAGES = 512, {"infer": 1, "train": 2}
HEADS = {"hm": 1, "wh": 2, "hps": 34, "reg": 2, "hm_hp": 17, "hp_offset": 2}


def ours(what: str, runs: int, precision: str = "float32") -> float:
    """Return the median seconds of a training step, or of a prediction without preparing the image, measured in a new process.

    Args:
        what: ``infer`` or ``train``.
        precision: value of ``train.precision``.
    """
    command = [sys.executable, "-m", "mindpoint", "benchmark", what, CONFIG, "--json", "--runs", str(runs), "--batch", str(IMAGES[what])]
    for change in (f"input.size=[{SIDE},{SIDE}]", "test.resolution=fixed", "test.flip=false", f"+train.precision={precision}"):
        command += ["--set", change]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    (table,) = json.loads(done.stdout)["tables"].values()
    counted = ("network", "decode", "post-process") if what == "infer" else ("step",)
    return sum(row["median_ms"] for row in table if row["part"] in counted) / 1000


def official(what: str, runs: int, python: str, torchvision: bool) -> float:
    """Return the median seconds in PyTorch, measured in a process of the interpreter ``python``; see :func:`measure`."""
    environment = {**os.environ, "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}  # finds that environment's ninja
    command = [python, __file__, "--measure", what, str(runs), *(["--torchvision"] if torchvision else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, env=environment)
    return float(done.stdout.splitlines()[-1])


def measure(what: str, runs: int, torchvision: bool) -> float:
    """Return the median seconds of a prediction without decoding (``infer``) or of a training step (``train``) in this process."""
    import torch
    from pytorch_network import OfficialNetwork

    torch.manual_seed(0)
    network = OfficialNetwork(HEADS, torchvision)
    images = torch.randn(IMAGES[what], 3, SIDE, SIDE)
    targets = {name: torch.rand(IMAGES[what], count, SIDE // 4, SIDE // 4) for name, count in HEADS.items()}
    optimizer = torch.optim.Adam(network.parameters(), 1e-5)

    def step() -> None:
        if what == "infer":
            with torch.no_grad():
                network.eval()(images)
            return
        maps = network.train()(images)
        loss = sum((torch.sigmoid(maps[name]) - target).abs().mean() for name, target in targets.items())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    step()
    seconds = []
    for _ in range(runs):
        started = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch-python", default=sys.executable, metavar="PYTHON", help="interpreter that has PyTorch (default: this one)")
    parser.add_argument("--bfloat16", action="store_true", help="also measure training steps with train.precision: bfloat16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument(
        "--torchvision", action="store_true", help="torchvision's deformable convolution instead of that of the public CPU ports"
    )
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(measure(options.measure[0], int(options.measure[1]), options.torchvision))
        return
    results = {}
    for what, runs in (("infer", 5), ("train", 2)):
        ways = {"mindpoint": "float32", **({"mindpoint in bfloat16": "bfloat16"} if what == "train" and options.bfloat16 else {})}
        seconds = {"official network in PyTorch": [], **{name: [] for name in ways}}
        for _ in range(options.rounds):
            seconds["official network in PyTorch"].append(official(what, runs, options.torch_python, options.torchvision))
            for name, precision in ways.items():
                seconds[name].append(ours(what, runs, precision))
        median = {name: statistics.median(values) for name, values in seconds.items()}
        ratios = {name: median[name] / median["official network in PyTorch"] for name in ways}
        results[what] = {"rounds": seconds, "median": median, "ratios": ratios}
        times = ", ".join(f"{name} {value:.3f} s" for name, value in median.items())
        shown = ", ".join(f"{ratio:.3f}" for ratio in ratios.values())
        print(f"{what}, {IMAGES[what]} x {SIDE}x{SIDE}: {times}, ratio {shown}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
