"""File names that lead out of the folder of images: refused wherever images are read, unless the user allows it."""

import json

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.errors import DataError
from mindpoint_coco.datasets.coco import CocoDataset

SECRET = b"root:x:0:0 not to be read"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images" / "inner").mkdir(parents=True)
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(SECRET)
    for name in ("images/inner/good.png", "other.png"):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), 90, np.uint8))
    return tmp_path


def write(folder, *names):
    images = [{"id": 70 - number, "file_name": name, "width": 8, "height": 8} for number, name in enumerate(names)]
    boxes = [{"id": 5 + n, "image_id": 70 - n, "category_id": 3, "bbox": [1, 1, 4, 4], "area": 16, "iscrowd": 0} for n in range(len(names))]
    content = {"images": images, "annotations": boxes, "categories": [{"id": 3, "name": "cup"}]}
    (folder / "cups.json").write_text(json.dumps(content))
    return str(folder / "cups.json"), str(folder / "images")


@pytest.mark.parametrize("name", ["../secret", "inner/../../secret", "ABSOLUTE"])
def test_names_that_climb_out_are_refused_when_the_file_is_opened(folder, name):
    name = str(folder / "secret") if name == "ABSOLUTE" else name
    paths = write(folder, "inner/good.png", name)
    with pytest.raises(DataError, match=r"cups.json: 1 file names lead out of the folder of images: image 69 '.*secret'; .*outside_images"):
        CocoDataset(*paths, ["cup"])
    assert CocoDataset(*paths, ["cup"], outside_images=True).file_bytes(1) == SECRET


def test_links_are_refused_when_the_image_is_read(folder):
    dataset = CocoDataset(*write(folder, "inner/good.png", "inner/../link.png"), ["cup"])
    assert dataset[0].image.shape == (8, 8, 3)
    for read in (dataset.__getitem__, dataset.file_bytes, dataset.file_size):
        with pytest.raises(DataError, match=r"link.png: is outside the folder of images .*images: .*\(image id 69 of .*cups.json\)"):
            read(1)


def test_a_folder_that_is_a_link_itself_is_no_way_out(folder):
    annotations, _ = write(folder, "inner/good.png")
    (folder / "elsewhere").symlink_to(folder / "images")
    assert len(CocoDataset(annotations, str(folder / "elsewhere"), ["cup"]).file_bytes(0)) > 50


@pytest.mark.parametrize("name", ["../secret", "link.png"])
def test_the_check_names_them_and_prints_nothing_of_them(folder, name, capsys):
    annotations, images = write(folder, "inner/good.png", name)
    assert main(["data", "check", annotations, "--images", images]) == 1
    out = capsys.readouterr().out
    assert f"image 69 ({name}): " in out and "is outside the folder of images" in out and "root:x" not in out


@pytest.mark.parametrize("name", ["../other.png", "link.png"])
def test_nothing_of_them_is_converted(folder, name, capsys):
    annotations, images = write(folder, "inner/good.png", name)
    config = folder / "cups.yaml"
    config.write_text(
        "input: {size: [64, 64], mean: [0.5, 0.5, 0.5], std: [0.3, 0.3, 0.3]}\nclasses: [cup]\n"
        "model: {backbone: {type: ResNet, depth: 18}, heads: {pose: {type: MultiPoseHeads}}}\n"
        f"data: {{train: {{dataset: {{type: CocoDataset, annotations: '{annotations}', images: '{images}'}}}}}}\n"
    )
    command = ["data", "convert", str(config), "--split", "train", "--shards", "1", "--out", str(folder / "out")]
    assert main(command) == 2
    assert "the folder of images" in capsys.readouterr().err and not (folder / "out" / "train").exists()
    allowed = ["--set", "+data.train.dataset.outside_images=true"]
    assert main([*command, *allowed]) == 0
    assert main(["data", "check", str(config), "--split", "train", *allowed]) == (1 if name == "link.png" else 0)


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png"])
def test_names_that_no_file_can_have(folder, name):
    with pytest.raises(DataError, match="image 70: 'file_name' is .*, not a valid file name"):
        CocoDataset(*write(folder, name), ["cup"])
