"""Train a configuration with one change at a time, from several seeds, and print the effect of each change on the statistics.

    python benchmarks/ablation.py BASE.yaml CHANGES.yaml --steps 400 --seeds 0 1

CHANGES.yaml maps names to lists of KEY=VALUE as after --set. The first row is the configuration without changes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
import yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="a YAML file, or the name of a shipped configuration")
    parser.add_argument("changes", type=Path, help="a YAML file: a list of KEY=VALUE by name")
    parser.add_argument("--steps", type=int, default=400, help="steps of each training (default: 400)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="random seeds, with one training each (default: 0)")
    parser.add_argument(
        "--statistics", nargs="+", default=["keypoints/AP", "bbox/AP"], help="one column for each (default: keypoints/AP bbox/AP)"
    )
    args = parser.parse_args()
    variants = {"unchanged": [], **yaml.safe_load(args.changes.read_text(encoding="utf-8"))}
    print(f"| {args.config}, {args.steps} steps | " + " | ".join((*args.statistics, "s per training")) + " |")
    print("|---" * (len(args.statistics) + 2) + "|")
    base: Dict[str, float] = {}
    for name, changes in variants.items():
        began = time.perf_counter()
        runs = [trained(args.config, changes, args.steps, seed) for seed in args.seeds]
        seconds = (time.perf_counter() - began) / len(runs)
        cells = []
        for statistic in args.statistics:
            values = [run[statistic] for run in runs]
            base.setdefault(statistic, float(np.mean(values)))
            gain = f" ({np.mean(values) - base[statistic]:+.3f})" if changes else ""
            cells.append(f"{np.mean(values):.3f}{gain}, {min(values):.3f} to {max(values):.3f}")
        print(f"| {name} | " + " | ".join((*cells, f"{seconds:.0f}")) + " |", flush=True)


def trained(config: str, changes: Sequence[str], steps: int, seed: int) -> Dict[str, float]:
    """Return the statistics of a training's last evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings: List[str] = [*changes, f"train.steps={steps}", f"+seed={seed}", "hooks.evaluation.every=1000000"]
        command = [sys.executable, "-m", "mindpoint", "train", config, "--out", str(run)]
        done = subprocess.run(command + [word for setting in settings for word in ("--set", setting)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(settings)}: {done.stderr.strip()}")
        return json.loads((run / "statistics.json").read_text(encoding="utf-8"))["statistics"]


if __name__ == "__main__":
    main()
