"""The check of the compiled deformable convolution, for ``mindpoint doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import List

from mindpoint.doctor.check import Check
from mindpoint.doctor.kernels import check_kernel


def check_deform_conv() -> List[Check]:
    """Return one check, which builds the kernel as a network does."""
    return [check_kernel("deformable kernel", Path(__file__).with_name("deform_conv.cc"))]
