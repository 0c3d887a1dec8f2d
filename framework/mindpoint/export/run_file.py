"""Running a MINDIR file in a process of its own, which has nothing of the network that it was made from.

Run as ``python -m mindpoint.export.run_file FILE FOLDER``: reads ``inputs.npz`` there and writes ``outputs-<n>.npz``, one for each input.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np

from mindpoint.errors import MindpointError


def run_in_new_process(place: Path, inputs: Sequence[np.ndarray]) -> List[Dict[str, np.ndarray]]:
    """Outputs by name for each input.

    Raises:
        MindpointError: the process failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.savez(folder / "inputs.npz", *inputs)
        done = subprocess.run([sys.executable, "-m", __name__, str(place), name], capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise MindpointError(f"{place.name}: cannot be run in a new process: {last}")
        return [dict(np.load(folder / f"outputs-{index}.npz")) for index in range(len(inputs))]


def _main() -> None:
    from mindpoint.inference.mindir_model import MindirFile

    place, folder = Path(sys.argv[1]), Path(sys.argv[2])
    run = MindirFile(place)
    with np.load(folder / "inputs.npz") as inputs:
        for index, name in enumerate(inputs.files):
            np.savez(folder / f"outputs-{index}.npz", **run(inputs[name]))


if __name__ == "__main__":
    _main()
