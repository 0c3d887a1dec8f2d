"""mindpoint doctor"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib.util import find_spec
from typing import TYPE_CHECKING, Iterator, Optional

from mindpoint.cli.launch import count
from mindpoint.runtime.tables import table

if TYPE_CHECKING:
    from mindpoint.doctor.check import Check

HELP = "check whether everything works on this machine, at full speed; exit code 1 if not"
EXAMPLES = (
    "mindpoint doctor",
    "mindpoint doctor --distributed 2",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--distributed", metavar="N", type=count, help="also check whether N processes can work together, and how fast")
    parser.add_argument("--json", action="store_true", help="print a JSON object with 'checks' and 'ok'")


def run(args: argparse.Namespace) -> int:
    checks = []
    for check in _checks(args.distributed):
        checks.append(check)
        if not args.json:
            _print(check)
    problems = sum(check.problem is not None for check in checks)
    if args.json:
        print(json.dumps({"ok": not problems, "checks": [asdict(check) for check in checks]}, indent=2))
    else:
        print("\nno problems" if not problems else f"\n{problems} problem{'s' if problems > 1 else ''}")
    return 1 if problems else 0


def _checks(processes: Optional[int]) -> Iterator[Check]:
    """Yield the checks one by one, since most of them take seconds."""
    from mindpoint.doctor.convolution import check_convolution
    from mindpoint.doctor.kernels import check_kernels
    from mindpoint.doctor.machine import check_machine
    from mindpoint.doctor.plugins import check_plugins
    from mindpoint.doctor.software import check_software

    groups = (check_software, check_machine, check_kernels, check_convolution, check_plugins)
    for group in groups if find_spec("mindspore") else groups[:2]:
        yield from group()
    if processes is not None:
        from mindpoint.doctor.distributed import check_distributed

        yield from check_distributed(processes)


def _print(check: Check) -> None:
    status = "PROBLEM" if check.problem else "note" if check.note else "ok"
    print(table(None, [(f"{status:7}", f"{check.name:24}", check.value)]), flush=True)
    for text in filter(None, (check.problem, check.note)):
        print(table(None, [(" " * 7, text)]), flush=True)
