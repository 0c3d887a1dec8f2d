"""The contract of visualizers, which draw objects into images."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from mindpoint.contracts.instances import Detections, Objects


class Visualizer(ABC):
    """Draws objects into images for ``predict``, training pictures, data browsing and the report. The constructor may take
    ``classes``."""

    @abstractmethod
    def draw(self, image: np.ndarray, found: Detections, threshold: float = 0.0) -> np.ndarray:
        """Draw detections.

        Args:
            image: BGR ``(H, W, 3)``, uint8 in 0..255 or float32 in 0..1; not changed.
            found: detections in pixels of the image, best first.
            threshold: smallest score of a drawn object, 0..1.

        Returns:
            BGR uint8 ``(H, W, 3)``.
        """

    @abstractmethod
    def draw_objects(self, image: np.ndarray, objects: Objects) -> np.ndarray:
        """Draw annotated objects. Arguments and result are those of :meth:`draw`."""
