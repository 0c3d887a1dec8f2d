"""The time from the command to the first prediction, by part.

Run as ``python -m mindpoint.benchmark.start CHECKPOINT IMAGE``, it works like ``mindpoint predict`` and prints the parts as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List

from mindpoint.benchmark.report import Clock, Report, spread
from mindpoint.benchmark.settings import Settings
from mindpoint.storage.files import temporary_folder


def start(settings: Settings) -> Report:
    """Measure whole runs of ``mindpoint predict`` on one image, and the parts of one run, in separate processes."""
    with temporary_folder() as folder:
        checkpoint, image = _prepare(settings, folder)
        parts, commands = Clock(), []
        for number in range(settings.runs):
            out = str(folder / f"out-{number}")
            commands.append(_timed([sys.executable, "-m", "mindpoint", "predict", "--trust", checkpoint, image, "--out", out]))
            done = subprocess.run([sys.executable, "-m", __name__, checkpoint, image], stdout=subprocess.PIPE, text=True, check=True)
            parts.rounds.append(json.loads(done.stdout.splitlines()[-1]))
        help_times = [_timed([sys.executable, "-m", "mindpoint", "--help"]) for _ in range(settings.runs)]
    memory = max(times.pop("peak_memory_MiB") for times in parts.rounds)
    commands_rows = [{"command": "mindpoint predict", **spread(commands)}, {"command": "mindpoint --help", **spread(help_times)}]
    return Report({"peak_memory_MiB": memory}, {"commands": commands_rows, "parts of a prediction": parts.rows()})


def _prepare(settings: Settings, folder: Path) -> "tuple[str, str]":
    """Return a checkpoint with random weights and an image of noise, made in another process to keep this one small."""
    code = f"""
from pathlib import Path
import numpy as np
from mindpoint.benchmark.settings import Settings
from mindpoint.model import checkpoint
from mindpoint.storage.images import write_image
from mindpoint.model.network import build_network
config = Settings({settings.config!r}, {settings.overrides!r}).load()
checkpoint.save({str(folder / "random.ckpt")!r}, build_network(config), {{"config": config.to_yaml()}})
write_image(Path({str(folder / "noise.jpg")!r}), np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    return str(folder / "random.ckpt"), str(folder / "noise.jpg")


def _timed(command: List[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _measure(checkpoint_path: str, image_path: str) -> Dict[str, float]:
    import psutil

    clock = Clock()
    before = time.time() - psutil.Process().create_time()
    with clock("import MindSpore"):
        import mindspore  # noqa: F401
    with clock("import the framework"):
        from mindpoint.benchmark.report import peak_memory_mib
        from mindpoint.inference import mindspore_model as inference
        from mindpoint.inference.open import open_model
        from mindpoint.model import checkpoint
        from mindpoint.storage.images import read_image
    checkpoint.load = clock.around("read the checkpoint", checkpoint.load)
    for part, name in (
        ("build the network", "build_network"),
        ("load the weights", "load_exactly"),
        ("build the detector", "network_detector"),
    ):
        setattr(inference, name, clock.around(part, getattr(inference, name)))
    with clock("configuration, device"):
        detector = open_model(checkpoint_path, trust=True).detector
    with clock("compile and first prediction"):
        detector([read_image(image_path)])
    clock.close()
    with clock("second prediction"):
        detector([read_image(image_path)])
    return {"interpreter and command line": before, **clock.rounds[0], "peak_memory_MiB": peak_memory_mib()}


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
