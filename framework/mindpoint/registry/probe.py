"""Tries declared parts in a separate process, because importing one may print, exit or crash the interpreter.

Run as ``python -m mindpoint.registry.probe FD``: reads the entries from standard input and writes one line of JSON for each to the file
descriptor, null or the problem.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import List, Optional, Sequence

from mindpoint.registry.entries import Entry
from mindpoint.registry.registries import registry


def probe(entries: Sequence[Entry]) -> List[Optional[str]]:
    """Return for each entry None, or the reason why it cannot be imported or is of the wrong kind."""
    problems: List[Optional[str]] = []
    while len(problems) < len(entries):
        answers, status = _probe_until_crash(entries[len(problems) :])
        problems += answers
        if len(problems) < len(entries):
            ending = f"signal {-status}" if status < 0 else f"exit status {status}"
            problems.append(f"{entries[len(problems)]} ended the interpreter during import ({ending})")
    return problems


def _probe_until_crash(entries: Sequence[Entry]) -> "tuple[List[Optional[str]], int]":
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(writing)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[writing],
        text=True,
    )
    os.close(writing)
    with process, open(reading, encoding="utf-8") as answers:
        assert process.stdin is not None, "a pipe"
        process.stdin.write(json.dumps([[e.kind.plural, e.name, e.value, e.distribution, e.version] for e in entries]))
        process.stdin.close()
        found = [json.loads(line) for line in answers]
    return found, process.returncode


def _problem(entry: Entry) -> Optional[str]:
    try:
        entry.load()
    except Exception as error:  # importing the contract's module may fail, too
        return str(error)
    return None


def _main() -> None:
    with open(int(sys.argv[1]), "w", encoding="utf-8") as answers:
        for plural, *rest in json.load(sys.stdin):
            answers.write(json.dumps(_problem(Entry(registry(plural).kind, *rest))) + "\n")
            answers.flush()


if __name__ == "__main__":
    _main()
