"""Versions of the software that a result was made with."""

from __future__ import annotations

import contextlib
import platform
from functools import lru_cache
from typing import Dict

import importlib_metadata

from mindpoint.runtime.entry_points import entry_points_of

PACKAGES = ("mindpoint", "mindspore", "numpy", "opencv-python-headless", "faster-coco-eval")


@lru_cache(maxsize=None)
def versions() -> Dict[str, str]:
    """Return the versions of Python, of the framework's dependencies, and of every distribution that provides plugins; read once per
    process."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib_metadata.PackageNotFoundError, KeyError):  # not installed, or damaged metadata
            found[name] = importlib_metadata.version(name)
    for distribution in importlib_metadata.distributions():
        if any(point.group.startswith("mindpoint.") for point in entry_points_of(distribution) or ()):
            with contextlib.suppress(KeyError):
                found[distribution.name] = distribution.version
    return found
