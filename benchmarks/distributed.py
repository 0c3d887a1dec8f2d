"""Compare the training speed of two processes with one core each with that of one process with one core, and with a prediction.

    python benchmarks/distributed.py [CONFIG] [--batch-size N] [--steps N] [--set KEY=VALUE ...]

Each process trains with the same batch size, computes with one thread and is bound to a core of its own. The first three steps, which
compile the network and fill the queues, are not counted. Prints images per second, and the median time of a step, excluding the wait for
data. Then it measures exchanges of arrays between two idle processes. The prediction for two processes is the step of one, plus these
exchanges; see docs/scale.md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Tuple

import numpy as np
from mindpoint.config import load_config
from mindpoint.launch import job as launch
from mindpoint.model.network import build_network

WARM = 3
TINY = 16  # numbers in the message before a step, about


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", default="quickstart")
    parser.add_argument("--batch-size", type=int, default=32, help="images per step in each process (default: 32)")
    parser.add_argument("--steps", type=int, default=15, help="number of measured steps (default: 15)")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[])
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("this benchmark needs two cores")
    rates, steps = {}, {}
    for processes in (1, 2):
        rates[processes], steps[processes] = measure(args, processes, set(cores[:processes]))
        text = f"{rates[processes]:.2f} images/s, {1000 * steps[processes]:.1f} ms per step"
        print(f"{processes} process{'es' * (processes > 1)}: {text}", flush=True)
    print(f"ratio: {rates[2] / rates[1]:.2f}")
    sizes = messages(args)
    seconds = exchange(list(sizes.values()))
    for (name, count), time in zip(sizes.items(), seconds):
        print(f"{name}: {4 * count:,} bytes, {1000 * time:.2f} ms")
    predicted = steps[1] + sum(seconds)
    print(f"predicted: {1000 * predicted:.1f} ms per step of two processes, {100 * (predicted / steps[2] - 1):+.1f} % of the measured time")


def messages(args: argparse.Namespace) -> Dict[str, int]:
    """Return how many float32 numbers each message of a step has, by name."""
    parameters = build_network(load_config(args.config, args.set)).get_parameters()
    sizes = [(parameter.requires_grad, int(np.prod(parameter.shape))) for parameter in parameters]
    return {
        "numbers before the step": TINY,
        "gradients": sum(size for trained, size in sizes if trained),
        "moving statistics": sum(size for trained, size in sizes if not trained),
    }


def exchange(counts: List[int]) -> List[float]:
    """Return the seconds in which two processes with nothing else to do sum arrays of these numbers of float32 values."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "mindpoint.launch.preflight", str(result), *map(str, counts)]
        host, port = launch.address(None, listen=True)
        launch.run(launch.Job(command, launch.worker_command(), 2, host, port, Path(folder), show=False))
        return [seconds for _, seconds in json.loads(result.read_text())["sums"]]


def measure(args: argparse.Namespace, processes: int, cores: set) -> Tuple[float, float]:
    """Return images per second, from the median time of a step with the wait for its data, and the median time without that wait."""
    with tempfile.TemporaryDirectory() as folder:
        changes = [
            f"data.train.batch_size={args.batch_size}",
            "data.train.workers=1",
            f"train.max_steps={WARM + args.steps}",
            "hooks={_replace_: true, log: {type: JsonLines}}",
            *args.set,
        ]
        command = ["train", args.config, "--out", f"{folder}/run", *(part for change in changes for part in ("--set", change))]
        if processes > 1:
            command = ["launch", str(processes), *command, "--logs", f"{folder}/logs"]
        done = subprocess.run(
            [sys.executable, "-m", "mindpoint", *command],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        if done.returncode:
            sys.exit(done.stdout)
        steps = [json.loads(line) for line in (Path(folder) / "run" / "log.jsonl").read_text().splitlines()][WARM:]
    rate = processes * args.batch_size / statistics.median(step["data_seconds"] + step["step_seconds"] for step in steps)
    return rate, statistics.median(step["step_seconds"] for step in steps)


if __name__ == "__main__":
    main()
