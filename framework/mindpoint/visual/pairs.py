"""Pictures of ground truth and prediction: one file per image of an evaluation, and two predictions side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterable, Mapping, Sequence

import cv2
import numpy as np

from mindpoint.contracts.data import Dataset
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.storage.files import make_folder
from mindpoint.storage.images import write_image
from mindpoint.visual.draw import captioned, grid

_HEIGHT = 320  # pixels of an image side by side with others


def write_pairs(
    folder: Path,
    dataset: Dataset,
    detections: Mapping[int, Detections],
    visualizer: Visualizer,
    threshold: float,
    truth: bool,
    track: Callable[[Iterable, int], Iterable],
) -> int:
    """Write ``prediction/NAME.jpg`` for every image that has detections, and ``truth/NAME.jpg`` too if ``truth`` is set. Return the number
    of images. NAME is the image's id.

    Args:
        detections: detections by image id.
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


def side_by_side(
    dataset: Dataset,
    image_ids: Sequence[int],
    columns: Mapping[str, Mapping[int, Detections]],
    visualizer: Visualizer,
    captions: Mapping[int, str],
) -> np.ndarray:
    """Return one picture, BGR uint8, with a row for each image: the annotations, then the detections of each column.

    Args:
        columns: for each caption of a column, the detections to draw by image id.
        captions: texts by image id, added to the names of the images.
    """
    place = {image_id: index for index, image_id in enumerate(dataset.ids())}
    pictures = []
    for image_id in image_ids:
        sample = dataset[place[image_id]]
        drawn = {f"{Path(sample.name).name} {captions[image_id]}": visualizer.draw_objects(sample.image, sample.objects)}
        for caption, found in columns.items():
            drawn[caption] = visualizer.draw(sample.image, found[image_id])
        pictures += [captioned(_sized(picture), caption) for caption, picture in drawn.items()]
    return grid(pictures, columns=1 + len(columns))


def _sized(picture: np.ndarray) -> np.ndarray:
    factor = _HEIGHT / len(picture)
    return cv2.resize(picture, (max(1, round(picture.shape[1] * factor)), _HEIGHT), interpolation=cv2.INTER_AREA)
