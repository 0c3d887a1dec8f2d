"""Compare the training speed of two processes with one core each with that of one process with one core.

    python benchmarks/distributed.py [CONFIG] [--batch-size N] [--steps N] [--set KEY=VALUE ...]

Each process trains with the same batch size, computes with one thread and is bound to a core of its own. The first three steps, which
compile the network and fill the queues, are not counted. Prints images per second.
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

WARM = 3


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
    rates = {}
    for processes in (1, 2):
        rates[processes] = measure(args, processes, set(cores[:processes]))
        print(f"{processes} process{'es' * (processes > 1)}: {rates[processes]:.2f} images/s", flush=True)
    print(f"ratio: {rates[2] / rates[1]:.2f}")


def measure(args: argparse.Namespace, processes: int, cores: set) -> float:
    """Return images per second, from the median time of a step."""
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
    return processes * args.batch_size / statistics.median(step["data_seconds"] + step["step_seconds"] for step in steps)


if __name__ == "__main__":
    main()
