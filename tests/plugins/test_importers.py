"""Annotations of other tools, and the formats and actions that other distributions add."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mindpoint.contracts.action import DataAction
from mindpoint.contracts.importer import Importer
from mindpoint.errors import ConfigError, DataError, MindpointError
from mindpoint.registry import registry
from mindpoint_coco.data_command.command import main
from mindpoint_coco.datasets.coco import CocoDataset
from mindpoint_coco.importers.pascal_voc import PascalVoc

XML = """<annotation><filename>{name}</filename><size><width>40</width><height>30</height></size>
<object><name>cat</name><difficult>1</difficult><bndbox><xmin>1</xmin><xmax>11</xmax><ymin>2.5</ymin><ymax>22.5</ymax></bndbox>
<part><name>ear</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part></object>
<object><name>dog</name><pose/><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>8</xmax><ymax>10</ymax></bndbox></object></annotation>"""


@pytest.fixture
def voc(tmp_path):
    folder = tmp_path / "voc"
    folder.mkdir()
    cv2.imwrite(str(folder / "0AF.jpg"), np.zeros((30, 40, 3), np.uint8))
    (folder / "0af.xml").write_text(XML.format(name="0af.jpg"))
    return folder


def test_boxes_by_hand(voc):
    truth = PascalVoc().read(voc)
    assert truth["images"] == [{"id": 1, "file_name": "0AF.jpg", "width": 40, "height": 30}]
    assert [(a["bbox"], a["area"], a["iscrowd"], a["category_id"]) for a in truth["annotations"]] == [
        ([1, 2.5, 10, 20], 200, 1, 1),
        ([5, 6, 3, 4], 12, 0, 2),
    ]
    assert truth["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert PascalVoc(one_based=True).read(voc)["annotations"][1]["bbox"] == [4, 5, 4, 5]
    assert [a["bbox"][0] for a in PascalVoc(difficult=False).read(voc)["annotations"]] == [5]


def test_corners_in_any_order(voc):
    swapped = XML.format(name="0af.jpg").replace("<xmin>5</xmin><ymin>6</ymin><xmax>8</xmax>", "<xmin>8</xmin><ymin>6</ymin><xmax>5</xmax>")
    (voc / "0af.xml").write_text(swapped)
    assert PascalVoc().read(voc)["annotations"][1]["bbox"] == [5, 6, 3, 4]
    assert PascalVoc(one_based=True).read(voc)["annotations"][1]["bbox"] == [4, 5, 4, 5]


def test_named_classes(voc, tmp_path, capsys):
    assert main(["import", "pascal-voc", str(voc), str(tmp_path / "out"), "--option", "classes=[dog, bird, cat]"]) == 0
    truth = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [(record["id"], record["name"]) for record in truth["categories"]] == [(1, "dog"), (2, "bird"), (3, "cat")]
    assert [record["category_id"] for record in truth["annotations"]] == [3, 1]
    with pytest.raises(DataError, match="object 2: has the class 'dog', which is not among cat"):
        PascalVoc(classes=["cat"]).read(voc)
    for wrong in ("dog", ["dog", "dog"]):
        with pytest.raises(ConfigError, match="a list of distinct names"):
            PascalVoc(classes=wrong)


@pytest.fixture
def devkit(voc, tmp_path):
    """The layout in which the data set is published: 0af.jpg in the list train, 0b0.jpg in val."""
    root = tmp_path / "VOC2007"
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / name).mkdir(parents=True)
    text = XML.format(name="0af.jpg").replace("<pose/>", "<pose/><truncated>1</truncated><occluded>0</occluded>")
    for name, of in (("0af", "train"), ("0b0", "val")):
        (root / "Annotations" / f"{name}.xml").write_text(text.replace("0af", name))
        (root / "JPEGImages" / f"{name}.jpg").write_bytes((voc / "0AF.jpg").read_bytes())
        (root / "ImageSets" / "Main" / f"{of}.txt").write_text(f"{name}  1\n")
    return root


def test_the_published_layout(devkit, tmp_path, capsys):
    for number, source in enumerate((devkit, devkit / "Annotations", devkit / "Annotations" / "0b0.xml")):
        assert main(["import", "auto", str(source), str(tmp_path / str(number))]) == 0
        images = capsys.readouterr().out.rpartition("--images ")[2].strip()
        assert images == str(devkit / "JPEGImages")
        assert main(["check", str(tmp_path / str(number) / "annotations.json"), "--images", images]) == 0
        truth = json.loads((tmp_path / str(number) / "annotations.json").read_text())
        assert [image["file_name"] for image in truth["images"]] == ["0b0.jpg"] if number == 2 else ["0af.jpg", "0b0.jpg"]
        capsys.readouterr()
    first, second = PascalVoc().read(devkit)["annotations"][:2]
    assert (first["difficult"], first["iscrowd"], "truncated" in first) == (1, 1, False)
    assert (second["truncated"], second["occluded"], second["iscrowd"], "difficult" in second) == (1, 0, 0, False)


def test_one_split_of_the_published_layout(devkit, tmp_path, capsys):
    assert main(["import", "pascal-voc", str(devkit), str(tmp_path / "out"), "--option", "split=val"]) == 0
    assert [image["file_name"] for image in json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]] == ["0b0.jpg"]
    with pytest.raises(DataError, match="Main/test.txt: no such file; available splits: train, val"):
        PascalVoc(split="test").read(devkit)
    (devkit / "ImageSets" / "Main" / "val.txt").write_text("0b0\n\nff\n")
    with pytest.raises(DataError, match="val.txt:3: 'ff' has no file ff.xml in"):
        PascalVoc(split="val").read(devkit)
    with pytest.raises(ConfigError, match="split is '../val'"):
        PascalVoc(split="../val")


def test_marks_are_fields_of_the_data_set(devkit, tmp_path):
    """A mark that an annotation lacks is 0."""
    (tmp_path / "voc.json").write_text(json.dumps(PascalVoc().read(devkit)))
    dataset = CocoDataset(str(tmp_path / "voc.json"), str(devkit / "JPEGImages"), ["cat", "dog"], fields={"truncated": "Field"})
    assert dataset[0].objects.values["truncated"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "text, said",
    [
        ("<annotation>", "0af.xml:1:13: not XML"),
        ("<html/>", "begins with <html>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation/>', "declares a document type"),
        (XML.format(name="0af").replace("<xmin>5</xmin>", ""), "object 2: 'bndbox' must hold the numbers"),
        (XML.format(name="0af").replace("<xmin>5", "<xmin>nan"), "object 2: bndbox: is .nan., not a number"),
        (XML.format(name="0af").replace("<name>dog</name>", ""), "object 2: has no name"),
        (XML.format(name="0af").replace("difficult>1<", "difficult>2<"), "object 1: 'difficult' is '2', neither 0 nor 1"),
    ],
)
def test_damaged_files(voc, text, said):
    (voc / "0af.xml").write_text(text)
    with pytest.raises(DataError, match=said):
        PascalVoc().read(voc)


def test_an_image_that_is_not_there(voc):
    (voc / "0AF.jpg").unlink()
    with pytest.raises(DataError, match="0af.xml: its image .0af. is not in .*voc; name the folder with --images"):
        PascalVoc().read(voc)


def test_the_command_writes_what_the_check_finds_sound(voc, tmp_path, capsys):
    assert main(["import", "auto", str(voc), str(tmp_path / "out")]) == 0
    assert "1 images, 2 objects of the classes cat, dog" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "out" / "annotations.json"), "--images", str(voc)]) == 0
    with pytest.raises(MindpointError, match="exists and is not an empty folder"):
        main(["import", "pascal-voc", str(voc), str(tmp_path / "out")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="its format is unknown; name the format: ai-challenger, "):
        main(["import", "auto", str(tmp_path / "empty"), str(tmp_path / "more")])
    with pytest.raises(MindpointError, match="unknown importer 'pascal-vok'; did you mean 'pascal-voc'"):
        main(["import", "pascal-vok", str(voc), str(tmp_path / "more")])


CASES = {
    "pascal_voc": {"c78.jpg": [("black-knight", [443, 93, 40, 66])], "0AF.jpg": 13, "d9a.jpg": 10},
    "pascal_voc_datumaro": {"2007_000001.jpg": [("cat", [1, 2, 2, 2]), ("person", [4, 5, 2, 2])]},
}


@pytest.mark.parametrize("name", CASES)
def test_real_exports(name, formats, tmp_path):
    images = formats / name
    if not list(images.glob("*.jpg")):  # the export has annotations only
        images = tmp_path
        cv2.imwrite(str(images / "2007_000001.jpg"), np.zeros((10, 20, 3), np.uint8))
    truth = PascalVoc().read(formats / name, images)
    names = {record["id"]: record["name"] for record in truth["categories"]}
    assert {image["file_name"] for image in truth["images"]} == set(CASES[name])
    for image in truth["images"]:
        found = [(names[a["category_id"]], a["bbox"]) for a in truth["annotations"] if a["image_id"] == image["id"]]
        expected = CASES[name][image["file_name"]]
        assert len(found) == expected if isinstance(expected, int) else found == expected


class Lines(Importer):
    """A format of somebody else's."""

    def recognizes(self, source: Path) -> bool:
        return source.suffix == ".lines"

    def read(self, source, images=None):
        return {"images": [], "annotations": [], "categories": [{"id": 1, "name": source.read_text()}]}


class Shout(DataAction):
    """say it loudly"""

    @staticmethod
    def add_arguments(parser):
        parser.add_argument("word")

    @staticmethod
    def run(args):
        print(args.word.upper())
        return 3


def test_formats_and_actions_of_others(tmp_path, capsys):
    (tmp_path / "a.lines").write_text("ant")
    with registry("importers").registered("lines", Lines), registry("data_actions").registered("shout", Shout):
        assert main(["import", "auto", str(tmp_path / "a.lines"), str(tmp_path / "out")]) == 0
        assert main(["shout", "word"]) == 3
    assert json.loads((tmp_path / "out" / "annotations.json").read_text())["categories"][0]["name"] == "ant"
    assert "WORD" in capsys.readouterr().out


def test_help_lists_the_actions():
    done = subprocess.run([sys.executable, "-m", "mindpoint", "data", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and all(f"  {name} " in done.stdout for name in ("check", "stats", "browse", "convert", "import"))
    done = subprocess.run([sys.executable, "-m", "mindpoint", "data", "chek"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "unknown data action 'chek'; did you mean 'check'" in done.stderr
