"""The environment of a run: command line, machine, versions, and the state of the code."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Dict, Optional

from mindpoint.errors import OutputError
from mindpoint.runtime import cpu
from mindpoint.runtime.versions import versions
from mindpoint.storage.files import write_text

FILE = "environment.json"
_PREFIXES = ("ASCEND_", "DEVICE_", "GLOG_", "GOMP_", "HCCL_", "KMP_", "LD_PRELOAD", "MALLOC_", "MINDPOINT_", "MKL_", "MS_", "OMP_",
             "ONEDNN_", "OPENBLAS_", "PYTHONHASHSEED", "RANK_")  # fmt: skip


def environment(device: str) -> Dict[str, object]:
    """Return everything outside the configuration that may change the results or the speed of a run.

    Args:
        device: the device of the network.
    """
    return {
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": sys.argv,
        "folder": os.getcwd(),
        "host": socket.gethostname(),
        "process": os.getpid(),
        "system": platform.platform(),
        "device": device,
        "cpu": {"model": cpu.model(), "cores": cpu.cores(), "quota": cpu.quota()},
        "memory_limit": cpu.memory_limit(),
        "threads": os.environ.get("OMP_NUM_THREADS") or str(cpu.cores()),
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_PREFIXES)},
        "versions": versions(),
        "code": {"mindpoint": git_state(Path(__file__).parent), "folder": git_state(Path.cwd())},
    }


def git_state(folder: Path) -> Optional[Dict[str, object]]:
    """Return top folder, commit, branch and the changed or new files of the git repository that contains a folder; None without one."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "HEAD")
    if top is None or commit is None:
        return None
    changed = (_git(folder, "status", "--porcelain") or "").splitlines()
    return {"top": top, "commit": commit, "branch": _git(folder, "rev-parse", "--abbrev-ref", "HEAD"), "changed": changed}


def _git(folder: Path, *arguments: str) -> Optional[str]:
    """Return the output of git, or None if it fails or is not installed."""
    try:
        # Without the option "git status" locks the index to save its result, and leaves the lock behind on a full disk.
        command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.rstrip() if done.returncode == 0 else None


def record(run_dir: Path, device: str) -> None:
    """Add the environment of this process to ``environment.json``, a list with an entry for each start of a run.

    Raises:
        OutputError: the file cannot be written, or has other content.
    """
    path = run_dir / FILE
    write_text(path, json.dumps([*starts(run_dir), environment(device)], indent=2) + "\n")


def starts(run_dir: Path) -> list:
    """Return the entries that :func:`record` has written to a run folder, oldest first; empty without any.

    Raises:
        OutputError: the file is damaged.
    """
    path = run_dir / FILE
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise OutputError(f"{path}: is damaged; move it away")
    return found
