"""Pictures of the network's detections during training."""

from __future__ import annotations

from typing import List

import numpy as np

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.image import Sample
from mindpoint.contracts.run import Run
from mindpoint.errors import ConfigError
from mindpoint.storage.files import make_folder
from mindpoint.storage.images import write_image
from mindpoint.visual.draw import captioned, draw_heatmap, grid


class Pictures(Hook):
    """Writes ``pictures/epoch-NNNN.jpg`` after every evaluation, with a column for each of the first images of ``data.val``. Its rows are
    the truth, the prediction, and each heatmap that the decoder shows, such as centres. ``test.visualizer`` draws the objects.

    Args:
        images: number of images.
        threshold: minimum score of a drawn object.
        heatmaps: include rows of heatmaps.
    """

    def __init__(self, images: int = 4, threshold: float = 0.3, heatmaps: bool = True):
        if images < 1:
            raise ConfigError("images must be at least 1")
        self.images, self.threshold, self.heatmaps = images, threshold, heatmaps

    def after_eval(self, run: Run) -> None:
        readable = [index for index, image_id in enumerate(run.val_data.ids()) if image_id in run.detections]
        samples = [run.val_data[index] for index in readable[: self.images]]
        truth = [captioned(run.visualizer.draw_objects(s.image, s.objects), "truth") for s in samples]
        drawn = [run.visualizer.draw(s.image, run.detections[s.image_id], self.threshold) for s in samples]
        found = [captioned(picture, "prediction") for picture in drawn]
        pictures = truth + found + (_heatmaps(run, samples) if self.heatmaps else [])
        write_image(make_folder(run.run_dir / "pictures") / f"epoch-{run.epoch:04d}.jpg", grid(pictures, columns=len(samples)))


def _heatmaps(run: Run, samples: List[Sample]) -> List[np.ndarray]:
    """Return the heatmaps sorted by name: all samples for the first name, then all for the next."""
    shown = run.heatmaps(samples)
    return [captioned(draw_heatmap(s.image, maps[name], view), name) for name in shown[0][0] for s, (maps, view) in zip(samples, shown)]
