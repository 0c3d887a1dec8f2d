"""Training says what `data check` knows of the boxes, and refuses when nothing is left."""

import json

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.data.build import build_samples
from mindpoint.errors import DataError
from mindpoint_coco.datasets.coco import CocoDataset


def dataset(folder, boxes, crowd=()):
    (folder / "images").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((100, 200, 3), np.uint8))
    records = [
        {"id": 90 - row, "image_id": 8, "category_id": 3, "bbox": box, "area": 1, "iscrowd": int(row in crowd)}
        for row, box in enumerate(boxes)
    ]
    images = [{"id": 8, "file_name": "a.png", "width": 200, "height": 100}]
    (folder / "cups.json").write_text(json.dumps({"images": images, "annotations": records, "categories": [{"id": 3, "name": "cup"}]}))
    return CocoDataset(str(folder / "cups.json"), str(folder / "images"), ["cup"])


GOOD = [10, 10, 20, 20]


@pytest.mark.parametrize(
    "boxes, said",
    [
        ([GOOD, [10, 10, 0, 5], [4, 4, 3, -1]], "2 of 3 objects have an empty box (annotations 89, 88) and cannot be learnt"),
        ([GOOD, [210, 10, 5, 5]], "1 of 2 objects have a box outside the image (annotations 89)"),
        ([GOOD, [0.1, 0.25, 0.5, 0.5]], "1 of 2 objects have a box in fractions of the image, not in pixels (annotations 89)"),
        ([GOOD, [-5, 10, 20, 20]], "1 of 2 objects have a box that extends beyond its image (annotations 89). List them"),
        ([[20, 10, 60, 40], [150, 20, 190, 90], [5, 5, 9, 9]], "its image (annotations 89); they seem to be left, top, right"),
    ],
)
def test_what_cannot_be_learnt_from_is_said_once(tmp_path, boxes, said, caplog):
    dataset(tmp_path, boxes).ready_to_train()
    (record,) = caplog.records
    assert said in record.getMessage() and "cups.json: " in record.getMessage() and "mindpoint data check" in record.getMessage()
    assert main(["data", "check", str(tmp_path / "cups.json"), "--no-images"]) == 1, "the check knows it too"


def test_sound_boxes_and_crowds_are_not_worth_a_word(tmp_path, caplog):
    dataset(tmp_path, [GOOD, [0, 0, 200.5, 100], [1, 1, 0, 0]], crowd=[2]).ready_to_train()
    dataset(tmp_path, []).ready_to_train()
    assert not caplog.records


@pytest.mark.parametrize("boxes", [[[10, 10, 0, 0]] * 3, [[0.1, 0.2, 0.3, 0.3], [250, 5, 9, 9]]])
def test_nothing_left_is_refused_when_training_is_built(tmp_path, boxes):
    data = dataset(tmp_path, boxes)
    block = f"{{type: CocoDataset, annotations: '{data.annotations}', images: '{data.images}'}}"
    config = load_config("quickstart", [f"data.train.dataset={block}", "classes=[cup]"])
    with pytest.raises(DataError, match="cups.json: nothing is left to train on: .*mindpoint data check --fix"):
        build_samples(config)
    assert len(data) == 1, "other uses of the data set stay"
