"""mindpoint data stats: numbers counted by hand, and what the command writes."""

import json

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint_coco.data_command.stats import charts
from mindpoint_coco.datasets.naming import Naming
from mindpoint_coco.datasets.statistics import statistics
from mindpoint_coco.keypoints import Keypoints

JOINTS = (Keypoints(["nose", "left_wrist", "right_wrist"]).annotated(),)


def person(number, image, box, points, **more):
    return {"id": number, "image_id": image, "category_id": 1, "bbox": box, "keypoints": points, **more}


CONTENT = {
    "images": [{"id": number, "file_name": f"{number}.jpg", "width": 100 * number, "height": 50} for number in (1, 2, 3)],
    "annotations": [
        person(1, 1, [0, 0, 40, 20], [1, 1, 2, 2, 2, 1, 0, 0, 0], area=400),
        person(2, 1, [0, 0, 10, 10], [1, 1, 2, 2, 2, 2, 3, 3, 2]),
        person(3, 3, [0, 0, 150, 50], [0] * 9, area=2500),
        person(4, 3, [0, 0, 20, 20], [0] * 9, iscrowd=1, area=2500),
        person(5, 3, [0, 0, 20], [0] * 9),
    ],
    "categories": [{"id": 1, "name": "person", "keypoints": list(JOINTS[0].names)}],
}


def test_counted_by_hand():
    summary = statistics(CONTENT, Naming(["person"]), JOINTS).summary()
    whole = {key: value for key, value in summary.items() if isinstance(value, int)}
    assert whole == {"images": 3, "images_without_objects": 1, "objects": 3, "objects_without_joints": 1, "crowds": 1, "left_out": 1}
    assert summary["width"] == {"min": 100, "p5": 110, "median": 200, "p95": 290, "max": 300}
    assert summary["objects_an_image"]["max"] == 2 and summary["side"]["max"] == 50 and summary["side"]["median"] == 20
    assert summary["share_of_image"] == {"min": 0.1, "p5": 0.13, "median": 0.4, "p95": 0.49, "max": 0.5}
    assert summary["width_to_height"]["median"] == 2 and summary["width_to_height"]["max"] == 3
    assert summary["areas"] == {"small": 2, "medium": 1, "large": 0}
    assert summary["joints_labelled"]["median"] == 2.5
    assert summary["joints"]["left_wrist"] == {"visible": 1, "hidden": 1, "not_labelled": 0}
    assert summary["joints"]["right_wrist"] == {"visible": 1, "hidden": 0, "not_labelled": 1}


def test_boxes_of_two_classes_counted_by_hand():
    bare = {
        **CONTENT,
        "annotations": [{key: value for key, value in record.items() if key != "keypoints"} for record in CONTENT["annotations"]],
    }
    bare["categories"] = [{"id": 6, "name": "dog"}, {"id": 1, "name": "person"}]
    bare["annotations"][2]["category_id"] = 6
    numbers = statistics(bare, Naming(["person", "dog"]))
    summary = numbers.summary()
    assert {name: (each["objects"], each["images"]) for name, each in summary["classes"].items()} == {"person": (2, 1), "dog": (1, 1)}
    assert summary["classes"]["dog"]["side"]["median"] == 50 and not any("joints" in key for key in summary)
    drawn = {chart.title: {line.name: (line.x, line.y) for line in chart.lines} for chart in charts({"a": numbers})}
    names, heights = drawn["Objects by class, %"][""]
    assert dict(zip(names, heights)) == pytest.approx({"person": 200 / 3, "dog": 100 / 3}) and not any("joint" in title for title in drawn)


def test_many_classes_are_sorted_and_collapsed(tmp_path, capsys, monkeypatch):
    """Class number 1 has one object, number 2 two, ...; the last five have none."""
    monkeypatch.chdir(tmp_path)
    labels = [label for label in range(1, 26) for _ in range(label)]
    places = [[number % 80, number // 80, 8, 4] for number in range(len(labels))]
    boxes = [{"id": id, "image_id": 1, "category_id": label, "bbox": box} for id, (label, box) in enumerate(zip(labels, places), 1)]
    image = {"id": 1, "file_name": "1.jpg", "width": 100, "height": 50}
    content = {"images": [image], "annotations": boxes, "categories": [{"id": number, "name": f"c{number}"} for number in range(1, 31)]}
    (tmp_path / "many.json").write_text(json.dumps(content))
    assert main(["data", "stats", "many.json"]) == 0
    lines = [line.split("  ")[0] + "=" + line.split("  ")[-1].strip() for line in capsys.readouterr().out.splitlines()]
    first = lines.index("c25: objects / images=25 / 1")
    assert lines[first + 1] == "c24: objects / images=24 / 1" and lines[first + 19] == "c6: objects / images=6 / 1"
    assert lines[first + 20 : first + 22] == ["10 further classes: objects=15", "classes without objects=5"]
    drawn = {
        chart.title: {line.name: (line.x, line.y) for line in chart.lines}
        for chart in charts({"": statistics(content, Naming([f"c{number}" for number in range(1, 31)]))})
    }
    names, heights = drawn["Objects by class, %"][""]
    assert (
        (names[0], names[-1]) == ("c25", "10 others")
        and heights[-1] == pytest.approx(100 * 15 / 325)
        and sum(heights) == pytest.approx(100)
    )
    names, heights = drawn["Objects by width / height of the box, %"][""]
    assert {name: height for name, height in zip(names, heights) if height} == {"2-3": 100}


def test_what_is_drawn():
    found = {
        "a": statistics(CONTENT, Naming(["person"]), JOINTS),
        "b": statistics({**CONTENT, "annotations": []}, Naming(["person"]), JOINTS),
    }
    drawn = {chart.title: {line.name: (line.x, line.y) for line in chart.lines} for chart in charts(found)}
    names, heights = drawn["Images by objects, %"]["a"]
    assert dict(zip(names, heights)) == pytest.approx({"0": 100 / 3, "1": 100 / 3, "2+": 100 / 3})
    assert drawn["Images by objects, %"]["b"][1].tolist() == [100, 0, 0]
    assert dict(zip(*drawn["Images by longer side, %"]["a"]))["200-220"] == pytest.approx(100 / 3)
    names, heights = drawn["Objects by side (root of the area), %"]["a"]
    assert {name: height for name, height in zip(names, heights) if height} == pytest.approx(
        {"8-16": 100 / 3, "16-32": 100 / 3, "32-64": 100 / 3}
    )
    assert drawn["How often each joint is visible, % of objects with joints"]["a"][1].tolist() == [100, 50, 50]
    assert drawn["How often each joint is visible, % of objects with joints"]["b"][1].tolist() == [0, 0, 0]


@pytest.mark.slow
def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.json").write_text(json.dumps(CONTENT))
    assert main(["data", "stats", "people.json"]) == 0
    assert "objects without joints" in capsys.readouterr().out
    out = tmp_path / "data-stats-people"
    assert cv2.imread(str(out / "statistics.png")).shape[2] == 3
    assert json.loads((out / "statistics.json").read_text())["people"]["images"] == 3
    assert main(["data", "stats", "people.json"]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert (
        main(["data", "stats", "quickstart", "--set", "data.train.dataset.count=4", "--set", "data.val.dataset.count=2", "--out", "s"]) == 0
    )
    numbers = json.loads((tmp_path / "s" / "statistics.json").read_text())
    assert list(numbers) == ["train", "val"] and numbers["val"]["images"] == 2 and np.isfinite(numbers["train"]["side"]["median"])
    (tmp_path / "people.json").write_text('{"images": [], "annotations": {}, "categories": []}')
    assert main(["data", "stats", "people.json", "--config", "quickstart", "--out", "t"]) == 2
    assert "people.json: the list 'annotations' is missing" in capsys.readouterr().err and not (tmp_path / "t").exists()
