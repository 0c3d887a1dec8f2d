"""Pictures of what the network finds while it learns."""

from __future__ import annotations

from typing import List

import numpy as np

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.image import Sample
from mindpoint.storage.files import make_folder
from mindpoint.storage.images import write_image
from mindpoint.errors import ConfigError
from mindpoint.visual.build import build_visualizer
from mindpoint.visual.draw import captioned, draw_heatmap, grid


class Pictures(Hook):
    """After every evaluation ``pictures/epoch-NNNN.jpg`` with a column for each of the first images of ``data.val``: truth, prediction, and
    a row for each heatmap that the decoder shows, such as centres and joints.

    Args:
        images: how many.
        threshold: smallest score of a drawn object.
        heatmaps: with rows of heatmaps.
    """

    def __init__(self, images: int = 4, threshold: float = 0.3, heatmaps: bool = True):
        if images < 1:
            raise ConfigError("images must be at least 1")
        self.images, self.threshold, self.heatmaps = images, threshold, heatmaps

    def after_eval(self, trainer) -> None:
        samples = [trainer.val_data[index] for index in range(min(self.images, len(trainer.val_data)))]
        visualizer = build_visualizer(trainer.config)
        truth = [captioned(visualizer.draw_objects(s.image, s.objects), "truth") for s in samples]
        drawn = [visualizer.draw(s.image, trainer.detections[s.image_id], self.threshold) for s in samples]
        found = [captioned(picture, "prediction") for picture in drawn]
        pictures = truth + found + (self._heatmaps(trainer, samples) if self.heatmaps else [])
        write_image(make_folder(trainer.run_dir / "pictures") / f"epoch-{trainer.epoch:04d}.jpg", grid(pictures, columns=len(samples)))

    def _heatmaps(self, trainer, samples: List[Sample]) -> List[np.ndarray]:
        """Those of one name for all samples, then those of the next."""
        with trainer.network_step.averaged_weights():
            shown = [trainer.detector.heatmaps(sample.image) for sample in samples]
        return [captioned(draw_heatmap(s.image, maps[name], view), name) for name in shown[0][0] for s, (maps, view) in zip(samples, shown)]
