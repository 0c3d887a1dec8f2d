"""Pictures of ground truth and prediction, one file per image, for all images of an evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterable, Mapping

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.storage.files import make_folder
from mindpoint.storage.images import write_image


def write_pairs(
    folder: Path,
    dataset: Dataset,
    detections: Mapping[int, Detections],
    visualizer: Visualizer,
    threshold: float,
    truth: bool,
    track: Callable[[Iterable, int], Iterable],
) -> int:
    """Write ``prediction/NAME.jpg`` and, with ``truth``, ``truth/NAME.jpg`` for every image that has detections, and return the number of
    images. NAME is the image's id.

    Args:
        detections: by image id.
        threshold: smallest score of a drawn object.
        track: ``track(items, total)`` shows the progress.
    """
    shown = [index for index, image_id in enumerate(dataset.ids()) if image_id in detections]
    for index in track(shown, len(shown)):
        sample = dataset[index]
        name = f"{sample.image_id}.jpg"
        write_image(make_folder(folder / "prediction") / name, visualizer.draw(sample.image, detections[sample.image_id], threshold))
        if truth:
            write_image(make_folder(folder / "truth") / name, visualizer.draw_objects(sample.image, sample.objects))
    return len(shown)
