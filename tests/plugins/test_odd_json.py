"""JSON files of others: what can be read is, and what cannot is one message."""

import json

import pytest
from mindpoint.cli.main import main
from mindpoint.errors import DataError
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.metrics.result_file import check_results, read_results

NAMES = ["nose", "left_wrist", "right_wrist"]
CATEGORY = {"id": 4, "name": "person", "keypoints": NAMES, "skeleton": [[1, 2], [1, 3]]}
CONTENT = {
    "images": [{"id": 9, "file_name": "a.png", "width": 40, "height": 30}],
    "annotations": [
        {
            "id": 6,
            "image_id": 9,
            "category_id": 4,
            "bbox": [2, 3, 10, 12],
            "area": 60,
            "iscrowd": 0,
            "num_keypoints": 2,
            "keypoints": [5, 6, 2, 0, 0, 0, 7, 8, 1],
        }
    ],
    "categories": [CATEGORY],
}


def check(tmp_path, text, *arguments):
    (tmp_path / "people.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return main(["data", "check", str(tmp_path / "people.json"), "--no-images", *arguments])


def test_a_byte_order_mark_is_passed_over(tmp_path, capsys):
    assert check(tmp_path, b"\xef\xbb\xbf" + json.dumps(CONTENT).encode()) == 0
    assert "1 images, 1 annotations, no problems" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text, message",
    [
        ("[" * 100_000, "nested"),
        ('{"info": ' + '{"a": ' * 60_000 + "1" + "}" * 60_000 + "}", "nested"),
        ('{"images": [' + "7" * 5000 + "]}", "a number has more than 400 digits"),
        (b"\xff\xfe{", "UTF-8"),
    ],
)
def test_what_cannot_be_read_is_one_message(tmp_path, text, message, capsys):
    assert check(tmp_path, text) == 2
    error = capsys.readouterr().err
    assert "people.json" in error and message in error and len(error) < 500 and "Traceback" not in error
    with pytest.raises(DataError, match=message):
        read_results(str(tmp_path / "people.json"))


@pytest.mark.parametrize("kind, key", [("images", "id"), ("annotations", "id"), ("categories", "id"), ("annotations", "image_id")])
@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, 10**399])
def test_ids_have_64_bits(tmp_path, kind, key, value, capsys):
    content = json.loads(json.dumps(CONTENT))
    content[kind][0][key] = value
    assert check(tmp_path, json.dumps(content)) == 1
    assert f"'{key}' is {value}, not a whole number that fits into 64 bits" in capsys.readouterr().out
    with pytest.raises(DataError, match="not a whole number that fits into 64 bits"):
        CocoDataset(str(tmp_path / "people.json"), str(tmp_path), ["person"])


@pytest.mark.parametrize("key, value", [("width", 10**30), ("bbox", [1, 2, 10**399, 3]), ("area", 10**399), ("keypoints", [10**399] * 9)])
def test_numbers_beyond_any_float(tmp_path, key, value, capsys):
    content = json.loads(json.dumps(CONTENT))
    content["images" if key == "width" else "annotations"][0][key] = value
    assert check(tmp_path, json.dumps(content)) == 1
    assert key in capsys.readouterr().out
    assert main(["data", "stats", str(tmp_path / "people.json"), "--out", str(tmp_path / "stats")]) in (0, 2)
    with pytest.raises(DataError, match=key):
        from mindpoint_coco.keypoints import Keypoints

        CocoDataset(str(tmp_path / "people.json"), str(tmp_path), ["person"], Keypoints(NAMES))


@pytest.mark.parametrize("change", [{"score": 10**399}, {"bbox": [10**399, 1, 2, 3]}, {"image_id": 1 << 63}])
def test_results_beyond_any_float(change):
    record = {"image_id": 9, "category_id": 4, "bbox": [1, 2, 3, 4], "score": 0.5}
    check_results([record], "r.json", {})
    with pytest.raises(DataError, match=f"r.json: result 0: {next(iter(change))}"):
        check_results([{**record, **change}], "r.json", {})


@pytest.mark.slow
@pytest.mark.parametrize(
    "change, said",
    [
        ({"skeleton": "nose-wrist"}, "'skeleton' is 'nose-wrist', not a list of pairs"),
        ({"skeleton": [["nose", "left_wrist"]]}, "numbers of joints, 1 to 3, not ['nose', 'left_wrist']"),
        ({"skeleton": [[0, 1], [1, 2]]}, "not [0, 1]; does it count from 0?"),
        ({"skeleton": [[1, 4]]}, "1 to 3, not [1, 4]"),
        ({"skeleton": [[2, 2]]}, "not [2, 2]"),
        ({"skeleton": [[1, 2, 3]]}, "not [1, 2, 3]"),
        ({"skeleton": 7}, "'skeleton' is 7"),
        ({"keypoints": "nose"}, "'keypoints' is 'nose', not a list of names"),
        ({"keypoints": {"0": "nose", "1": "a", "2": "b"}}, "'keypoints' is {'0': 'nose', '1': 'a', '2': 'b'}, not a list"),
        ({"keypoints": [1, 2, 3]}, "'keypoints' holds 1, not a name"),
        ({"keypoints": ["nose", "wrist", "wrist"]}, "'keypoints' holds 'wrist' more than once"),
        ({"keypoints": [["a"], {}, None]}, "'keypoints' holds ['a'], not a name"),
        ({"keypoints": 17}, "'keypoints' is 17, not a list"),
    ],
)
def test_skeleton_and_names_stop_no_check(tmp_path, change, said, capsys):
    content = {**CONTENT, "categories": [{**CATEGORY, **change}]}
    assert check(tmp_path, json.dumps(content)) == 1
    out = capsys.readouterr().out
    assert "1 images, 1 annotations, 1 problem\n" in out and "  category 4 (person): " in out and said in out
    assert main(["data", "stats", str(tmp_path / "people.json"), "--out", str(tmp_path / "stats")]) == 0
