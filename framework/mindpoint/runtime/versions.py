"""Versions of the software that a result was made with."""

from __future__ import annotations

import platform
from typing import Dict

import importlib_metadata

PACKAGES = ("mindpoint", "mindspore", "numpy", "opencv-python-headless", "faster-coco-eval")


def versions() -> Dict[str, str]:
    """Return the versions of Python, of the framework's dependencies, and of every distribution that provides plugins."""
    found = {"python": platform.python_version()}
    for distribution in importlib_metadata.distributions():
        name = distribution.name
        if name in PACKAGES or any(point.group.startswith("mindpoint.") for point in distribution.entry_points):
            found[name] = distribution.version
    return found
