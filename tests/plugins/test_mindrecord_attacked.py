"""Converted data whose index or manifest says what no conversion writes, hashes made to fit: one message each."""

import json
import shutil
import sqlite3

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.errors import DataError
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.datasets.mindrecord import MindRecordDataset
from mindpoint_coco.datasets.mindrecord_columns import MANIFEST, file_hash, manifest_hash
from mindpoint_coco.datasets.mindrecord_writer import convert


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cups")
    images = [{"id": 60 - n, "file_name": f"{n}.png", "width": 20, "height": 10} for n in range(3)]
    for record in images:
        cv2.imwrite(str(folder / record["file_name"]), np.full((10, 20, 3), record["id"], np.uint8))
    objects = [{"id": 5 + n, "image_id": 60 - n // 2, "category_id": 4, "bbox": [n, 1, 5, 6], "area": 30, "iscrowd": 0} for n in range(3)]
    (folder / "c.json").write_text(json.dumps({"images": images, "annotations": objects, "categories": [{"id": 4, "name": "cup"}]}))
    convert(CocoDataset(str(folder / "c.json"), str(folder), ["cup"]), folder / "out" / "train", 1, False)
    return folder / "out"


@pytest.fixture
def copied(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out")
    return tmp_path / "out" / "train"


def rewrite(folder, change=lambda manifest: None, own=True):
    """Change the manifest; all hashes fit afterwards, the manifest's own if ``own``."""
    manifest = json.loads((folder / MANIFEST).read_text())
    for name, entry in manifest["files"].items():
        entry.update(size=(folder / name).stat().st_size, sha256=file_hash(str(folder / name)))
    change(manifest)
    if own:
        manifest["sha256"] = manifest_hash(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "values, message",
    [
        ("objects_0 = -1", "record 0 has objects -1"),
        ("height_0 = NULL", "record 0 has height None"),
        ("width_0 = 0", "record 0 has width 0"),
        ("width_0 = 99999999999", "record 0 has width 99999999999"),
        ("image_id_0 = 'x'", "record 0 has image_id 'x'"),
        ("PAGE_OFFSET_BLOB_END = 1000000000000", "record 0 points outside"),
        ("PAGE_OFFSET_BLOB = -5", "record 0 points outside"),
        ("PAGE_ID_BLOB = 9000000000000000000", "record 0 points outside"),
        ("PAGE_OFFSET_BLOB = 'text'", "record 0 points outside"),
    ],
)
def test_an_index_that_lies(copied, values, message):
    with sqlite3.connect(copied / "images.mindrecord.db") as connection:
        connection.execute(f"UPDATE INDEXES SET {values} WHERE ROW_ID = 0")
    connection.close()
    rewrite(copied)
    with pytest.raises(DataError, match=message) as caught:
        MindRecordDataset(str(copied), ["cup"])
    assert "images.mindrecord.db: is damaged" in str(caught.value)


@pytest.mark.parametrize("image_id, count", [(60, 1), (60, 3), (59, 0), (58, 1)])
def test_a_number_of_objects_that_lies(copied, image_id, count):
    with sqlite3.connect(copied / "images.mindrecord.db") as connection:
        connection.execute(f"UPDATE INDEXES SET objects_0 = {count} WHERE image_id_0 = {image_id}")
    connection.close()
    rewrite(copied)
    data = MindRecordDataset(str(copied), ["cup"])
    with pytest.raises(DataError, match=f"image id {image_id}, .*is damaged: its index lists {count} objects"):
        data.objects(data.ids().index(image_id))
    assert len([problem for problem in data.damage() if problem]) == 1


@pytest.mark.parametrize("key, value", [("page_size", '"4194304"'), ("page_size", "-1"), ("header_size", "null")])
def test_a_header_that_lies(copied, key, value):
    path = copied / "images.mindrecord"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header[key] = json.loads(value)
    text = json.dumps(header).encode()
    path.write_bytes((len(text).to_bytes(8, "little") + text).ljust(8 + length, b"\0") + data[max(8 + length, 8 + len(text)) :])
    rewrite(copied)
    with pytest.raises(DataError, match="images.mindrecord: is not a MindRecord file, or its beginning is damaged"):
        MindRecordDataset(str(copied), ["cup"])


def test_verify_covers_the_manifest(copied, capsys):
    command = ["data", "convert", "quickstart", "--split", "train", "--out", str(copied.parent), "--verify"]
    assert main(command) == 0
    text = (copied / MANIFEST).read_text()
    assert text.count('"cup"') == 1
    (copied / MANIFEST).write_text(text.replace('"cup"', '"cuq"'))
    assert main(command) == 2
    assert "manifest.json: is damaged: its own SHA-256 differs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, message",
    [
        ({"images": "3"}, "'images' is '3'"),
        ({"images": -1}, "'images' is -1"),
        ({"files": []}, "'files' must map"),
        ({"files": {"../x.db": {"size": 1, "sha256": ""}}}, "'files' must map"),
        ({"files": {"x": {"size": "1", "sha256": ""}}}, "'files' must map"),
        ({"categories": [{"id": 1}]}, "'categories' must hold"),
        ({"categories": 5}, "'categories' must hold"),
        ({"columns": [5]}, "'columns' is invalid"),
        ({"columns": [{"name": "a", "dtype": "object", "shape": [], "key": "", "names": []}]}, "'columns' is invalid"),
    ],
)
def test_a_manifest_that_lies(copied, change, message):
    rewrite(copied, lambda manifest: manifest.update(change))
    with pytest.raises(DataError, match=f"manifest.json: is damaged: {message}"):
        MindRecordDataset(str(copied), ["cup"])
