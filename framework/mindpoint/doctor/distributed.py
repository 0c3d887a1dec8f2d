"""Check of distributed training."""

from __future__ import annotations

import json
import sys
from typing import List

from mindpoint.doctor.check import Check
from mindpoint.errors import MindpointError
from mindpoint.launch import job as launch
from mindpoint.runtime import cpu
from mindpoint.storage.files import temporary_folder

SILENCE = 120.0  # seconds


def check_distributed(processes: int) -> List[Check]:
    """Check that several processes on this host can join and sum arrays of the size of gradients."""
    with temporary_folder() as folder:
        result = folder / "result.json"
        try:
            host, port = launch.address(None, listen=True)
            command = [sys.executable, "-m", "mindpoint.launch.preflight", str(result)]
            launch.run(launch.Job(command, launch.worker_command(), processes, host, port, folder, silence=SILENCE, show=False))
        except MindpointError as error:
            return [Check(f"{processes} processes", "cannot work together", problem=str(error).partition("\nall processes")[0])]
        found = json.loads(result.read_text())
    crowded = f"they share {cpu.cores()} cores; use at most one process per core" if processes > cpu.cores() else None
    checks = [Check(f"{processes} processes", f"joined in {found['joined']:.1f} s", note=crowded)]
    for count, seconds in found["sums"]:
        checks.append(Check(f"sum of {count:,} float32", f"{1000 * seconds:.1f} ms, {count * 4 / seconds / 1e6:,.0f} MB/s"))
    return checks
