"""Output folders of trainings."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path
from typing import ContextManager, Iterator, List, Optional

from mindpoint.config import Config, load_config
from mindpoint.config.differences import differences
from mindpoint.errors import MindpointError, OutputError, WeightsError
from mindpoint.model import checkpoint
from mindpoint.runtime import distributed
from mindpoint.storage.files import make_folder, numbered_folder
from mindpoint.storage.lock import locked

RUNS = "runs"


@contextlib.contextmanager
def for_all_ranks(folder: ContextManager[Path]) -> Iterator[Path]:
    """Enter the folder in the first process of a job, which alone creates and locks it; yield it in all processes."""
    with folder if distributed.is_writer() else contextlib.nullcontext() as path:
        yield distributed.gather(path)[0]


@contextlib.contextmanager
def new_folder(out: Optional[str], name: str) -> Iterator[Path]:
    """Create and lock a new folder for this run, even if another run starts at the same time; remove it if nothing is written to it.

    Args:
        out: the folder; it must be empty if it exists. Not given: ``runs/NAME``, numbered if that is taken.
        name: name of the configuration.
    """
    path = numbered_folder(RUNS, name) if out is None else make_folder(out)
    try:
        with locked(path):
            if any(not child.name.startswith(".") for child in path.iterdir()):
                raise OutputError(f"{path}: is not an empty folder; choose another one with --out, or continue there with --resume")
            yield path
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()


def discard_run(run_dir: Path) -> None:
    """Empty a new run folder in which nothing was trained, so that the command can be repeated once its error is corrected."""
    for path in run_dir.iterdir():
        if not path.name.startswith("."):  # keeps the lock file
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def old_folder(path: Path) -> Iterator[Path]:
    """Lock and yield the folder of an earlier run; remove files that a killed process left half-written.

    Raises:
        OutputError: the folder does not exist, another process uses it, or it is not writable.
    """
    if not path.is_dir():
        raise OutputError(f"{path}: no such run folder to resume")
    with locked(path):
        for rest in path.rglob(".*.tmp"):
            shutil.rmtree(rest, ignore_errors=True)
        yield path


def latest_folder(name: str, config: Config) -> Path:
    """Return the run folder of this configuration, ``runs/NAME`` or ``runs/NAME-<number>``, that has the newest checkpoint.

    Raises:
        WeightsError: no such folder has a checkpoint.
    """
    folders = [path for path in Path(RUNS).glob("*") if re.fullmatch(rf"{re.escape(name)}(-\d+)?", path.name)]
    checkpoints = [file for folder in folders for file in folder.glob("*.ckpt")]
    by_age = sorted(checkpoints, key=lambda file: file.stat().st_mtime, reverse=True)
    for folder in dict.fromkeys(file.parent for file in by_age):
        if _belongs(folder, [file for file in by_age if file.parent == folder], name, config):
            return folder
    raise WeightsError(f"{RUNS}/{name}: no run with a checkpoint to resume from; name its folder with --out")


def _belongs(folder: Path, checkpoints: List[Path], name: str, config: Config) -> bool:
    """Tell whether a run belongs to the configuration ``name``: ``exp-2`` may be the second run of ``exp`` or the first of ``exp-2``."""
    for path in checkpoints:
        with contextlib.suppress(WeightsError):  # damaged: try the one before
            stored = checkpoint.load(path).info.get("name")
            if stored is not None:
                return stored == name
            break
    if folder.name == name:
        return True
    with contextlib.suppress(MindpointError):  # written by a version that did not store the name
        return not list(differences(load_config(str(folder), parts=(), trusted=True), config))
    return False


def numbered_checkpoints(folder: Path, kind: str) -> List[Path]:
    """Return the files ``epoch-N.ckpt`` or ``step-N.ckpt``, depending on ``kind``, in a run folder, sorted by N; ignore all others."""
    numbers = {path: re.fullmatch(rf"{kind}-([0-9]+)", path.stem) for path in folder.glob(f"{kind}-*.ckpt")}
    return sorted((path for path, number in numbers.items() if number), key=lambda path: int(numbers[path][1]))
