"""Kill conversions, predictions and exports with SIGKILL at random moments, and compare the files they leave with undisturbed runs.

    python benchmarks/kill_stress.py RUN IMAGES --config CONFIG --kills 24

RUN is a run's folder, IMAGES a folder of images, CONFIG a configuration with COCO data. Two of three kills are aimed at the writing of
files, the others fall anywhere. After a kill, every file or folder with a final name must be complete, except the folder that a
prediction fills file by file. After the next run, all files must equal those of the undisturbed run, byte by byte, and hidden files must
be gone. Ends with code 1 otherwise. For trainings, see benchmarks/resume_stress.py.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def commands(args):
    return {
        "convert": ["data", "convert", args.config, "--out", "out", "--overwrite", "--shards", "2", *_sets(args.set)],
        "predict": ["predict", args.run, args.images, "--out", "out", "--overwrite", "--threshold", "0.01"],
        "export": ["export", args.run, "--out", "out.onnx", "--no-verify"],
    }


def _sets(changes):
    return [part for change in changes for part in ("--set", change)]


def start(command, folder):
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    command = [sys.executable, "-m", "mindpoint", *command]
    with open(folder.parent / f"{folder.name}.txt", "a") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)


def content(folder):
    """Return the bytes of all files by name, except files in hidden folders and in the temporary folder."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not hidden(path, folder)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def hidden(path, folder):
    parts = path.relative_to(folder).parts
    return parts[0] == "tmp" or any(part.startswith(".") for part in parts)


def leftovers(folder):
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if hidden(path, folder) and path != folder / "tmp"]


def kill_at_random(process, folder, rng, length):
    """Kill a command and return whether it was writing; return None if it ended before the kill."""
    if rng.random() < 2 / 3:
        while process.poll() is None and not any(folder.glob("**/.*.tmp")):
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.3) * rng.random())
    else:
        time.sleep(rng.uniform(0, length))
    if process.poll() is not None:
        return None
    process.kill()
    process.wait()
    return any(folder.glob("**/.*.tmp"))


def half(found, whole, name):
    """Return the names of missing and incomplete files. Files of a prediction may be missing."""
    wrong = [file for file in found if found[file] != whole.get(file)]
    missing = [] if not found or name == "predict" else [file for file in whole if file not in found]
    return wrong + missing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("images")
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], help="change a value of the configuration")
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0, help="random seed of the moments (default: 0)")
    args = parser.parse_args()
    args.run, args.images = os.path.abspath(args.run), os.path.abspath(args.images)
    args.config = os.path.abspath(args.config) if os.path.exists(args.config) else args.config
    rng, failed, total = random.Random(args.seed), 0, 0
    print("command  kills  of these while writing  incomplete  differences  left behind", flush=True)
    for name, command in commands(args).items():
        with tempfile.TemporaryDirectory() as base:
            whole, folder = Path(base) / "whole", Path(base) / "killed"
            whole.mkdir()
            began = time.perf_counter()
            if start(command, whole).wait() != 0:
                raise SystemExit((Path(base) / "whole.txt").read_text()[-3000:])
            length, expected = time.perf_counter() - began, content(whole)
            kills, writing, halves, unlike, left = 0, 0, [], [], []
            folder.mkdir()
            while kills < args.kills // 3:
                killed = kill_at_random(start(command, folder), folder, rng, length)
                if killed is None:
                    _empty(folder)
                    continue
                kills, writing = kills + 1, writing + killed
                halves += half(content(folder), expected, name)
                if rng.random() < 0.5:  # otherwise, the next kill follows at once
                    if (folder / "out.onnx").exists():
                        (folder / "out.onnx").unlink()
                    if start(command, folder).wait() != 0:
                        raise SystemExit((Path(base) / "killed.txt").read_text()[-3000:])
                    found = content(folder)
                    unlike += [file for file in {*found, *expected} if found.get(file) != expected.get(file)]
                    left += leftovers(folder)
                    _empty(folder)
            total, failed = total + kills, failed + len(halves) + len(unlike) + len(left)
            print(
                f"{name:7}  {kills:5}  {writing:22}  {len(halves):10}  {len(unlike):11}  {len(left):11}",
                *halves[:3],
                *unlike[:3],
                *left[:3],
            )
            sys.stdout.flush()
    print(f"{total} kills, {failed} faults")
    return int(failed > 0)


def _empty(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


if __name__ == "__main__":
    sys.exit(main())
