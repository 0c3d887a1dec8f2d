"""Versions of the software that a result was made with."""

from __future__ import annotations

import contextlib
import platform
from typing import Dict

import importlib_metadata

from mindpoint.runtime.entry_points import entry_points_of

PACKAGES = ("mindpoint", "mindspore", "numpy", "opencv-python-headless", "faster-coco-eval")


def versions() -> Dict[str, str]:
    """Return the versions of Python, of the framework's dependencies, and of every distribution that provides plugins."""
    found = {"python": platform.python_version()}
    for distribution in importlib_metadata.distributions():
        with contextlib.suppress(KeyError):  # damaged metadata
            name = distribution.name
            if name in PACKAGES or any(point.group.startswith("mindpoint.") for point in entry_points_of(distribution) or ()):
                found[name] = distribution.version
    return found
