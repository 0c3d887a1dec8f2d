"""Check of the C++ kernels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

from mindpoint.doctor.check import Check
from mindpoint.native.build import HEADERS, NativeBuildError, build, find_compilers

SMALL = 50 * 2**20  # bytes; a library has well under one million


def check_kernels() -> List[Check]:
    """Check the compiler by building the convolution kernel, as a network does."""
    compilers = [" ".join(command) for command in find_compilers()]
    checks = [Check("c++ compiler", ", ".join(compilers) or "none found"), check_kernel("convolution kernel", HEADERS / "conv2d.cc")]
    if checks[-1].note:
        return checks
    folder = Path(checks[-1].value).parent
    free = shutil.disk_usage(folder).free
    few = f"only {free // 2**20} MiB are free in {folder}" if free < SMALL else None
    return [*checks, Check("cache", f"{free / 2**30:.1f} GiB free in {folder}", note=few)]


def check_kernel(name: str, source: Path) -> Check:
    """Check whether a source can be compiled, and build it if necessary. The value is the library's path."""
    try:
        return Check(name, str(build(source)))
    except NativeBuildError as error:
        return Check(name, "cannot be built", note=f"{error}. MindSpore's own, slower operator is used")
