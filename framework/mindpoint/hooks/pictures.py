"""Pictures of what the network finds while it learns."""

from __future__ import annotations

from mindpoint.contracts.hook import Hook
from mindpoint.contracts.keypoints import Keypoints
from mindpoint.engine.files import make_folder
from mindpoint.engine.images import write_image
from mindpoint.errors import ConfigError
from mindpoint.visual.draw import draw, draw_objects, grid


class Pictures(Hook):
    """After every evaluation ``pictures/epoch-NNNN.jpg``: truth above, prediction below, for the first images of ``data.val``.

    Args:
        images: how many.
        threshold: smallest score of a drawn object.
    """

    def __init__(self, keypoints: Keypoints, images: int = 4, threshold: float = 0.3):
        if images < 1:
            raise ConfigError("images must be at least 1")
        self.keypoints, self.images, self.threshold = keypoints, images, threshold

    def after_eval(self, trainer) -> None:
        samples = [trainer.val_data[index] for index in range(min(self.images, len(trainer.val_data)))]
        truth = [draw_objects(sample.image, sample.objects, self.keypoints) for sample in samples]
        found = [draw(s.image, trainer.detections[s.image_id], self.keypoints, score_threshold=self.threshold) for s in samples]
        write_image(make_folder(trainer.run_dir / "pictures") / f"epoch-{trainer.epoch:04d}.jpg", grid(truth + found, columns=len(samples)))
