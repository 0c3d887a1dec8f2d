"""Running a MINDIR file in a separate process, which is independent of the original network.

Run as ``python -m mindpoint.exporting.run_file FILE FOLDER``, it reads the files ``inputs-<n>.npz`` in the folder, which hold inputs by
name and in order, and writes ``outputs-<n>.npz`` for each.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np

from mindpoint.contracts.engine import Inputs
from mindpoint.errors import MindpointError
from mindpoint.storage.files import temporary_folder


def run_in_new_process(place: Path, inputs: Sequence[Inputs]) -> List[Dict[str, np.ndarray]]:
    """Return outputs by name for each of the inputs.

    Raises:
        MindpointError: the process failed.
    """
    with temporary_folder() as folder:
        for index, batch in enumerate(inputs):
            np.savez(folder / f"inputs-{index}.npz", **batch)
        done = subprocess.run([sys.executable, "-m", __name__, str(place), str(folder)], capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            raise MindpointError(f"{place.name}: cannot run in a new process: {last}")
        return [dict(np.load(folder / f"outputs-{index}.npz")) for index in range(len(inputs))]


def _main() -> None:
    from mindpoint.inference.mindir_engine import MindirEngine

    place, folder = Path(sys.argv[1]), Path(sys.argv[2])
    forward = MindirEngine().open(place).forward
    for path in folder.glob("inputs-*.npz"):
        with np.load(path) as batch:
            np.savez(path.with_name(path.name.replace("inputs", "outputs")), **forward({name: batch[name] for name in batch.files}))


if __name__ == "__main__":
    _main()
