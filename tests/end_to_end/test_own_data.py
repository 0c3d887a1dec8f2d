"""The commands of docs/own-data.md, one after the other, in a folder with photographs and annotations of its names."""

import json
import os
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "own-data.md"


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of a bar with a head and a tail, in ``frames``, and ``labels.json``. The bar is large: a small input will do."""
    (tmp_path / "frames").mkdir()
    rng = np.random.default_rng(1)
    images, annotations = [], []
    for key in range(1, 13):
        picture = rng.integers(0, 40, (96, 128, 3)).astype(np.uint8)
        x, y = int(rng.integers(20, 28)), int(rng.integers(20, 76))
        cv2.line(picture, (x, y), (x + 80, y), (80, 200, 240), 15)
        cv2.circle(picture, (x, y), 18, (240, 60, 60), -1)
        name = f"{key:02}.png"
        cv2.imwrite(str(tmp_path / "frames" / name), picture)
        images.append({"id": key, "file_name": name, "width": 128, "height": 96})
        joints = [x, y, 2, x + 80, y, 2]
        box = [x - 18, y - 18, 106, 36]
        annotations.append(
            {"id": key, "image_id": key, "category_id": 1, "bbox": box, "area": 900, "iscrowd": 0, "keypoints": joints, "num_keypoints": 2}
        )
    categories = [{"id": 1, "name": "bar", "keypoints": ["head", "tail"], "skeleton": [[1, 2]]}]
    (tmp_path / "labels.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return tmp_path


@pytest.mark.slow
def test_the_page_leads_from_photographs_to_a_file(folder, commands):
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL) for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == ["data", "new", "train", "predict", "eval", "data", "export", "predict"]
    mindpoint, said = commands(os.environ, folder), {}
    for line in lines:
        short = line.replace("--minutes 15", "--minutes 0.01").replace("--bootstrap 1000", "--bootstrap 20")
        more = ["--set", "runtime.mode=eager"] if line.startswith("mindpoint train") else []  # the command before has compiled it
        done = mindpoint(*shlex.split(short)[1:], *more)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said[line] = done.stdout
    mindpoint.close()
    assert "10 images for training, 2 for validation" in said[lines[1]]
    assert {path.name for path in (folder / "found").iterdir()} >= {f"{key:02}.jpg" for key in range(1, 13)}
    assert (folder / "report" / "index.html").is_file() and (folder / "mine.onnx").is_file()
    first, again = (cv2.imread(str(folder / name / "01.jpg")) for name in ("found", "found-again"))
    assert (np.abs(first.astype(int) - again) > 30).mean() < 0.02  # the same drawing; an edge may round another way
