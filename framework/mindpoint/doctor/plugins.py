"""Checks of the installed parts, and the plugins' own checks."""

from __future__ import annotations

from typing import List

from mindpoint.doctor.check import Check
from mindpoint.registry import Entry, registry
from mindpoint.registry.doctor import examine


def check_plugins() -> List[Check]:
    """Return one check for all parts, one for each broken part, then the checks of the ``mindpoint.checks`` entry points."""
    findings = examine()
    broken = [finding for finding in findings if finding.problem is not None]
    sources = sorted({finding.distribution for finding in findings})
    checks = [Check("plugins", f"{len(findings) - len(broken)} of {len(findings)} parts work, from {', '.join(sources) or 'nowhere'}")]
    checks += [Check(f"{f.kind} {f.name}", f.distribution, problem=f.problem) for f in broken]
    failed = {(finding.kind, finding.name, finding.distribution) for finding in broken}
    for entry in registry("checks").entries():
        if (entry.kind.singular, entry.name, f"{entry.distribution} {entry.version}") not in failed:
            checks += _own_checks(entry)
    return checks


def _own_checks(entry: Entry) -> List[Check]:
    try:
        return list(entry.load()())
    except Exception as error:  # a plugin may raise anything
        problem = f"{entry} failed: {type(error).__name__}: {error}"
        return [Check(entry.name, f"{entry.distribution} {entry.version}", problem=problem)]
