"""Damaged exports: whatever is wrong with a file ends in one message that names it, or the rest is taken and sound."""

import json
import math
import random
import re
import shutil
import subprocess
import sys

import pytest
from mindpoint.errors import MindpointError
from mindpoint.registry import registry
from mindpoint_coco.importers.image_index import Images
from test_import_formats import FOLDERS, images_for, make

STRANGE = (
    None,
    "x",
    "",
    math.nan,
    math.inf,
    1e30,
    10**399,
    -5,
    0,
    3,
    [],
    {},
    True,
    "../../../etc/passwd",
    "/etc/passwd",
    [1],
    "a\0b",
    "\ud800",
)
STRANGE_TEXT = ("", "x", "nan", "inf", "1e30", "-5", "9" * 500, "../../etc/passwd", "\0", '"', "<", "3", ",", ";")
ENDINGS = (".json", ".xml", ".csv", ".txt", ".yaml", ".slp", ".h5", ".mat")
ROUNDS = 25


def places(value, place=()):
    yield place
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(child, (*place, key))


def put(value, place, new):
    if not place:
        return new
    value[place[0]] = put(value[place[0]], place[1:], new)
    return value


def damaged(path, chance):
    """Return the bytes of a file, cut off or with something else in one place."""
    data = path.read_bytes()
    if chance.random() < 0.15:
        return data[: chance.randrange(len(data))]
    if path.suffix == ".json":
        content = json.loads(data)
        text = json.dumps(put(content, chance.choice(list(places(content))), chance.choice(STRANGE)))
        return text.encode("utf-8", "surrogatepass")
    if path.suffix in (".slp", ".h5", ".mat"):
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 4, 50])):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    text = data.decode()
    found = chance.choice(list(re.finditer(r'"[^"]*"|[^\s,<>=;]+', text)))
    new = chance.choice(STRANGE_TEXT)
    new = f'"{new}"' if found.group().startswith('"') and chance.random() < 0.7 else new
    return (text[: found.start()] + new + text[found.end() :]).encode()


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_one_message_or_sound_data(folder, formats, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(formats / folder, source)
    if folder == "openpose":
        (source / "coco18_000000000000_keypoints.json").unlink()
    importer, images = make(FOLDERS[folder]), tmp_path / "images"
    index = Images(importer.image_folder(source))
    images_for(importer.labels(source, index), images, index)
    files = sorted(path for path in source.rglob("*") if path.suffix in ENDINGS and "README" not in path.name)
    chance, refused = random.Random(folder), 0
    for _ in range(ROUNDS):
        path = chance.choice(files)
        sound = path.read_bytes()
        path.write_bytes(damaged(path, chance))
        try:
            importer.recognizes(source)
            truth = importer.read(source, images)
        except MindpointError as error:
            refused += 1
            assert str(tmp_path) in str(error) and "\n" not in str(error)
        else:
            json.dumps(truth, allow_nan=False)
            assert all((images / record["file_name"]).resolve().is_relative_to(images) for record in truth["images"])
        finally:
            path.write_bytes(sound)
    assert refused


POSE = {"shapes": [{"label": "nose", "points": [[1, 2]], "shape_type": "point"}], "imagePath": "a.png", "imageWidth": 20, "imageHeight": 20}
DLC = "scorer,S,S\nbodyparts,nose,nose\ncoords,x,y\na.png,{}\n"
COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 20, "height": 20}],
    "categories": [{"id": 1, "name": "cat", "keypoints": ["nose"]}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "keypoints": [1, 2, 2]}],
}


def changed(content, *path_and_value):
    *path, value = path_and_value
    return json.dumps(put(json.loads(json.dumps(content)), path, value))


TABLE = [
    ("labelme", "a.json", json.dumps(POSE)[:-20], r"a\.json:1:\d+: the annotation file is not JSON.*truncated"),
    (
        "labelme",
        "a.json",
        changed(POSE, "shapes", 0, "points", 0, [1, 1e30]),
        r"a\.json: shapes: number 0: points: number 0: number 1: is 1e\+30",
    ),
    ("labelme", "a.json", changed(POSE, "imageWidth", "wide"), r"a\.json: imageWidth: is 'wide', not a number"),
    ("deeplabcut", "a.csv", DLC.format("x,3"), r"a\.csv: row 4: nose: is 'x', not a number"),
    ("deeplabcut", "a.csv", DLC.format("3"), r"a\.csv: row 4: has 2 cells, but the first rows have 3"),
    ("deeplabcut", "a.csv", DLC.replace("coords,x,y", "coords,x,likelihood").format("1,2"), "a network's predictions"),
    ("coco", "a.json", changed(COCO, "annotations", 0, "bbox", [1, 2, 3]), r"a\.json: annotations: number 0: bbox: has 3 numbers, not 4"),
    ("coco", "a.json", changed(COCO, "annotations", 0, "bbox", 3, math.nan), r"number 0: bbox: number 3: is nan, not a number"),
    ("coco", "a.json", changed(COCO, "annotations", 0, "keypoints", [1, 2]), r"keypoints: has 2 numbers for 1 joints, not 3"),
    ("coco", "a.json", changed(COCO, "annotations", 0, "category_id", 7), r"number 0: no category has the id 7; the file has 1"),
    ("coco", "a.json", changed(COCO, "images", 0, "file_name", "../../etc/passwd"), "its image '../../etc/passwd' is not in"),
    ("yolo", "a.txt", "0 0.5 0.5 0.2 0.2\n0 0.5 oops 0.2 0.2\n", r"a\.txt:2: column 3: is 'oops'"),
    ("yolo", "a.txt", "0 120 80 40 30\n", r"a\.txt:1: 120 is not a fraction.*are these pixels"),
    ("yolo", "a.txt", "0 0.5 0.5 0.2 0.2 0.3 0.3 2\n", r"a\.txt:1: has 8 columns, not 5"),
    (
        "cvat",
        "a.xml",
        "<annotations><image id='3' name='a.png' width='20' height='-1'/></annotations>",
        r"a\.xml: image 3: height: is '-1'",
    ),
    (
        "openpose",
        "a_keypoints.json",
        '{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}',
        "people: number 0: pose_keypoints_2d: has 3 numbers",
    ),
]


@pytest.mark.parametrize("name, file, text, said", TABLE, ids=[f"{name}-{number}" for number, (name, *_) in enumerate(TABLE)])
def test_the_message_names_file_and_record(name, file, text, said, tmp_path):
    import cv2
    import numpy as np

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((20, 20, 3), np.uint8))
    (tmp_path / file).write_text(text)
    with pytest.raises(MindpointError, match=said):
        registry("importers").get(name, "test")().read(tmp_path / file if name == "coco" else tmp_path)


def test_the_command_ends_with_one_line_and_leaves_nothing(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(COCO)[:-30])
    command = [sys.executable, "-m", "mindpoint", "data", "import", "coco", "a.json", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith("mindpoint: error: a.json:1:") and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_pickle_is_never_opened(tmp_path):
    """A file that would run a command when it is unpickled, under each name that an importer might read."""
    import pickle

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    for ending in ENDINGS:
        folder = tmp_path / ending[1:]
        folder.mkdir()
        (folder / f"a{ending}").write_bytes(pickle.dumps(Trap()))
        for name in registry("importers").names():
            importer = registry("importers").get(name, "test")()
            importer.recognizes(folder)
            with pytest.raises(MindpointError):
                importer.read(folder)
    assert not (tmp_path / "sprung").exists()
