"""The construction of the configured visualizer."""

from __future__ import annotations

from mindpoint.config import Config
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.visual.objects import ObjectVisualizer


def build_visualizer(config: Config) -> Visualizer:
    """Build the block ``test.visualizer``, or the default visualizer if the block is missing."""
    return config.build("test.visualizer") or ObjectVisualizer(config.classes)
