"""Whether the compiled deformable convolution can be used here."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

from mindpoint.contracts.check import Check
from mindpoint_centernet.ops.native_build import NativeBuildError, build, find_compilers

SOURCE = Path(__file__).with_name("deform_conv.cc")
SMALL = 50 * 2**20  # bytes; a library has well under one million


def check_deform_conv() -> List[Check]:
    """Find a compiler, and build the kernel as a network would."""
    compilers = [" ".join(command) for command in find_compilers()]
    checks = [Check("c++ compiler", ", ".join(compilers) or "none found")]
    try:
        library = build(SOURCE)
    except NativeBuildError as error:
        note = f"{error}. Deformable convolutions take MindSpore's own operator, about 11 times slower"
        return [*checks, Check("deformable kernel", "cannot be built", note=note)]
    free = shutil.disk_usage(library.parent).free
    few = f"only {free // 2**20} MiB are free in {library.parent}" if free < SMALL else None
    return [*checks, Check("deformable kernel", str(library)), Check("cache", f"{free / 2**30:.1f} GiB free in {library.parent}", note=few)]
