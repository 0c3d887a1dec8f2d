"""Kill trainings with SIGKILL at random moments, resume them, and compare each with an undisturbed training.

    python benchmarks/resume_stress.py --kills 20

Checkpoints are written after every second step, and about half of the kills are aimed at this; one in ten falls into the start. Compares
all arrays of the checkpoints (last and best), the state saved with them, and the log without its times. Ends with code 1 if anything
differs. Without CONFIG, trains the toy model of the tests.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from mindpoint.model import checkpoint

TOY = Path(__file__).resolve().parents[1] / "tests" / "core"
CHANGES = (
    "+hooks.checkpoint.every_steps=2",
    "+train.ema=0.9",
    "+train.clip_norm=1.0",
    "+train.accumulate=2",
    "+train.loss_scale=dynamic",
)
TOY_CHANGES = ("train.epochs=12", "schedule={type: 'mindpoint.optim.schedules:Cosine', warmup_steps: 7}")


def command(args, out, *more):
    changes = [part for change in (*CHANGES, *args.set) for part in ("--set", change)]
    return [sys.executable, "-m", "mindpoint", "train", args.config, "--out", str(out), *changes, *more]


def start(args, out, *more):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TOY), os.environ.get("PYTHONPATH", "")])}
    with open(out.parent / f"{out.name}.txt", "a") as log:
        return subprocess.Popen(command(args, out, *more), env=env, stdout=log, stderr=subprocess.STDOUT)


def writing(out):
    """Return whether a checkpoint is being written, or was being written when the process died."""
    return any(out.glob(".*.ckpt.*.tmp"))


def steps(out):
    """Return the number of steps in the log."""
    return (out / "log.jsonl").read_bytes().count(b"\n") if (out / "log.jsonl").exists() else 0


def watch(process, out):
    """Wait for a training to end. Return the seconds until its first step, its number of steps, and the seconds to write a checkpoint."""
    began, since, starting, spans = time.perf_counter(), None, None, []
    while process.poll() is None:
        if starting is None and steps(out):
            starting = time.perf_counter() - began
        if writing(out) != (since is not None):
            spans += [time.perf_counter() - since] if since else []
            since = None if since else time.perf_counter()
        time.sleep(0.0005)
    if process.wait() != 0:
        raise SystemExit((out.parent / f"{out.name}.txt").read_text()[-3000:])
    return starting, steps(out), float(np.median(spans))


def kill_at_random(process, out, rng, starting, length, write_seconds):
    """Kill a training at a random moment. Return whether it had ``started`` to train and was ``writing``, or None if it ended before."""
    before = steps(out)
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, starting))
    else:
        further = rng.randint(1, max(1, length // 4))
        while process.poll() is None and steps(out) < before + further:
            time.sleep(0.001)
            before = min(before, steps(out))  # a resumed run removes the records of the steps that it repeats
        if rng.random() < 0.5:  # writing takes a small part of the time, so wait for it
            while process.poll() is None and not writing(out):
                time.sleep(0.0005)
        time.sleep(rng.uniform(0, write_seconds))
    if process.poll() is not None:
        return None
    process.kill()
    process.wait()
    started = steps(out) > before
    # before the first step, hidden files may be those of the previous training
    return {"writing": started and writing(out), "started": started}


def torture(args, out, rng, usual, wanted):
    """Train to the end with up to ``wanted`` kills, and return the kills."""
    kills = []
    process = start(args, out)
    while True:
        killed = kill_at_random(process, out, rng, *usual) if len(kills) < wanted else None
        if killed is None:
            if process.wait() != 0:
                raise SystemExit(f"a training failed:\n{(out.parent / f'{out.name}.txt').read_text()[-3000:]}")
            return kills
        kills.append(killed)
        can_go_on = any(out.glob("*.ckpt"))
        if not can_go_on and out.exists():
            for path in out.iterdir():  # killed before the first checkpoint: start over
                path.unlink() if path.is_file() else [file.unlink() for file in path.iterdir()] + [path.rmdir()]
        process = start(args, out, *(["--resume"] if can_go_on else []))


def differences(out, whole):
    """Return the names of arrays, states and log records that differ between two run folders."""
    found = []
    for name in sorted(path.name for path in whole.glob("*.ckpt") if path.name != "previous.ckpt"):
        ours, theirs = checkpoint.load(out / name), checkpoint.load(whole / name)
        for key in sorted({*ours.arrays, *theirs.arrays}):
            if key not in ours.arrays or key not in theirs.arrays or not np.array_equal(ours.arrays[key], theirs.arrays[key]):
                found.append(f"{name}: {key}")
        found += [f"{name}: {key}" for key in theirs.info["state"] if ours.info["state"][key] != theirs.info["state"][key]]
    logs = [[json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (out, whole)]
    kept = [[{k: v for k, v in record.items() if "seconds" not in k} for record in log] for log in logs]
    return (
        found
        + [f"log.jsonl: record {n}" for n, (a, b) in enumerate(zip(*kept)) if a != b]
        + ["log.jsonl: length"] * (len(kept[0]) != len(kept[1]))
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", default=str(TOY / "toy.yaml"))
    parser.add_argument("--set", action="append", default=[], help="change a value of the configuration")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--each", type=int, default=7, help="maximum number of kills per training (default: 7)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the moments (default: 0)")
    args = parser.parse_args()
    if args.config == str(TOY / "toy.yaml"):
        args.set = [*TOY_CHANGES, *args.set]
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole"
        usual = watch(start(args, whole), whole)
        print("training  kills  of these while starting  while writing a checkpoint  differences", flush=True)
        total, differing = 0, 0
        for number in range(1, args.kills + 1):
            out = Path(folder) / f"run-{number}"
            kills = torture(args, out, rng, usual, min(args.each, args.kills - total))
            unlike = differences(out, whole)
            total, differing = total + len(kills), differing + len(unlike)
            starting, writing = sum(not kill["started"] for kill in kills), sum(kill["writing"] for kill in kills)
            print(f"{number:8}  {len(kills):5}  {starting:23}  {writing:26}  {len(unlike):11}", *unlike[:5], flush=True)
            if total >= args.kills:
                break
        print(f"{total} kills, {differing} differences; writing a checkpoint takes {1000 * usual[2]:.0f} ms")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
