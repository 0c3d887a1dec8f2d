"""The configured way to draw."""

from __future__ import annotations

from mindpoint.config import Config
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.visual.objects import ObjectVisualizer


def build_visualizer(config: Config) -> Visualizer:
    """Return the block ``test.visualizer``, or the usual visualizer without that block."""
    return config.build("test.visualizer") or ObjectVisualizer(config.classes)
