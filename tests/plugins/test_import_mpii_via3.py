"""MPII's Matlab file and projects of VIA 3: files made by hand, values worked out by hand."""

import copy
import json

import cv2
import numpy as np
import pytest
from mindpoint.errors import DataError
from mindpoint_coco.data_command.importing import importer_for
from mindpoint_coco.importers import matlab


def picture(path, width=200, height=100):
    cv2.imwrite(str(path), np.full((height, width, 3), 99, np.uint8))


# MPII


def point(joint, x, y, visible="1"):
    return {"x": float(x), "y": float(y), "id": float(joint), "is_visible": visible}


def person(*points, **more):
    return {"x1": 40.0, "y1": 10.0, "x2": 50.0, "y2": 20.0, "scale": 2.0, "annopoints": {"point": array(points)} if points else [], **more}


def array(records):
    """Return records as a struct array, as SciPy writes it."""
    found = np.zeros((1, len(records)), [(key, object) for key in records[0]])
    for place, record in enumerate(records):
        for key, value in record.items():
            found[0, place][key] = value
    return found


def release(images):
    records = [{"image": {"name": name}, "annorect": array(people) if people else [], "vididx": 1.0} for name, people in images]
    return {"RELEASE": {"annolist": array(records), "img_train": np.ones(len(images)), "act": array([{"act_name": "sitting"}])}}


IMAGES = [
    ("a.jpg", [person(point(9, 46, 11, []), point(0, 31, 91), point(10, 61, 41, "0")), person()]),
    ("test.jpg", [person()]),
    ("empty.jpg", []),
    ("b.jpg", [person(point(6, 101, 51, 1.0), point(7, 101, 31, 0.0))]),
]


@pytest.fixture
def mpii(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")

    def write(images=IMAGES, compressed=True):
        path = tmp_path / "mpii_human_pose_v1_u12_1.mat"
        scipy_io.savemat(path, release(images), do_compression=compressed)
        for name in ("a.jpg", "test.jpg", "empty.jpg", "b.jpg"):
            picture(tmp_path / name)
        return path

    return write


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("folder", [False, True])
def test_mpii_s_own_file(mpii, compressed, folder):
    """Coordinates count from 1. The head's top, whose visibility is empty, is visible. The box of a's person is 30..60 x 10..90 with a
    margin of a tenth of 80 on each side, clipped: 22..68 x 2..98."""
    path = mpii(compressed=compressed)
    source = path.parent if folder else path
    importer = importer_for("auto", source)
    assert type(importer).__name__ == "Mpii"
    truth = importer.read(source)
    assert [record["file_name"] for record in truth["images"]] == ["a.jpg", "b.jpg"]
    joints = np.reshape([record["keypoints"] for record in truth["annotations"]], (2, 16, 3)).tolist()
    assert (joints[0][9], joints[0][0], joints[0][10]) == ([45, 10, 2], [30, 90, 2], [60, 40, 1])
    assert (joints[1][6], joints[1][7]) == ([100, 50, 2], [100, 30, 1])
    assert [record["num_keypoints"] for record in truth["annotations"]] == [3, 2]
    assert truth["annotations"][0]["bbox"] == [22, 2, 46, 96]
    names = truth["categories"][0]["keypoints"]
    assert (names[0], names[6], names[9], names[10]) == ("right_ankle", "pelvis", "head_top", "right_wrist")
    notes = " ".join(truth["info"]["notes"])
    assert "people without joints are left out: 2, such as" in notes and "annolist(1).annorect(2)" in notes
    assert "images without joints, such as those of the test set, are left out: 2, such as" in notes
    assert importer_for("mpii", source, ["one_based=false"]).read(source)["annotations"][0]["keypoints"][:3] == [31, 91, 2]


@pytest.mark.parametrize(
    "people, said",
    [
        ([person(point(16, 5, 5))], r"annolist\(1\).annorect\(1\): has the joint 16, but ids are 0 to 15"),
        ([person(point(3, 5, 5), point(3, 6, 6))], r"annorect\(1\): has the joint 3 twice"),
        ([person(point(3, np.nan, 5))], r"annorect\(1\): x of joint 3: is nan, not a number between"),
        ([person(point(3.5, 5, 5))], r"annorect\(1\): id: is 3.5, not a whole number"),
        ([person({"x": [1.0, 2.0], "y": 1.0, "id": 1.0})], "mat: damaged: can only convert an array of size 1"),
        ([person(annopoints="x")], "mat: damaged: expected a struct, but found another type"),
    ],
)
def test_mistakes_in_mpii_s_file(mpii, people, said):
    path = mpii([("a.jpg", people)])
    with pytest.raises(DataError, match=said):
        importer_for("mpii", path).read(path)


def test_other_matlab_files_are_not_mpii_s(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    scipy_io.savemat(tmp_path / "joints.mat", {"joints": np.ones((3, 14, 1))})
    picture(tmp_path / "im0001.jpg")
    assert type(importer_for("auto", tmp_path / "joints.mat")).__name__ == "Lsp"
    with pytest.raises(DataError, match="joints.mat: has no struct 'RELEASE'"):
        importer_for("mpii", tmp_path).read(tmp_path / "joints.mat")
    assert matlab.first_variable(tmp_path / "im0001.jpg") == matlab.first_variable(tmp_path / "none.mat") == ""


def test_bytes_changed_at_random_end_in_one_message(mpii):
    path = mpii(compressed=False)
    sound, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for round_ in range(150):
        data = bytearray(sound[: rng.integers(len(sound))] if round_ % 5 == 0 else sound)
        for place in rng.integers(0, len(data), 4 if data else 0):
            data[place] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            importer_for("mpii", path).read(path)
        except DataError as error:
            refused += 1
            assert str(path) in str(error) and "\n" not in str(error)
    assert refused > 50


def test_a_bomb_is_not_inflated(mpii, monkeypatch):
    path = mpii()
    monkeypatch.setattr(matlab, "_MOST_INFLATED", 1000)
    with pytest.raises(DataError, match="mat: damaged: a variable has more than 1,000 bytes"):
        importer_for("mpii", path).read(path)


@pytest.mark.parametrize(
    "limit, most, said", [("_MOST_FIELDS", 3, "a struct must have 1 to 3 fields"), ("_MOST_NUMBERS", 0, "an array has more than 0 numbers")]
)
def test_a_small_file_does_not_fill_the_memory(mpii, monkeypatch, limit, most, said):
    """Half a megabyte can unpack to hundreds of millions of names of fields, or of numbers of one byte. A point has four fields."""
    path = mpii([("a.jpg", [{"annopoints": person(point(3, 5, 5))["annopoints"]}])])
    monkeypatch.setattr(matlab, limit, most)
    with pytest.raises(DataError, match=f"mat: damaged: {said}"):
        importer_for("mpii", path).read(path)


# VIA 3


def attribute(name, kind, options=None):
    return {"aname": name, "anchor_id": "FILE1_Z0_XY1", "type": kind, "desc": "", "options": options or {}, "default_option_id": ""}


def file(number, name, source, kind=2):
    return {"fid": number, "fname": name, "type": kind, "loc": 1, "src": source}


def region(view, xy, values, z=()):
    return {"vid": view, "flg": 0, "z": list(z), "xy": xy, "av": values}


PROJECT = {
    "project": {"pid": "__VIA_PROJECT_ID__", "pname": "mice", "creator": "VGG Image Annotator", "vid_list": ["1", "2", "3"]},
    "config": {"file": {"loc_prefix": {"1": "", "2": "", "3": "", "4": ""}}, "ui": {}},
    "attribute": {"1": attribute("what", 4, {"0": "mouse", "1": "nose", "2": "tail"})},
    "file": {
        "1": file(1, "a.jpg", "/home/x/photos/a.jpg"),
        "2": file(2, "b.jpg", "data:image/jpeg;base64,AAAA"),
        "3": file(3, "film.mp4", "film.mp4", kind=4),
    },
    "metadata": {
        "1_a": region("1", [2, 10, 20, 60, 40], {"1": "0"}),
        "1_b": region("1", [1, 15, 30], {"1": "1"}),
        "1_c": region("1", [1, 60, 50], {"1": "2"}),
        "1_d": region("1", [], {"1": "0"}),
        "2_a": region("2", [3, 50, 40, 10], {"1": "0"}),
        "2_b": region("2", [4, 100, 50, 20, 10], {"1": "0"}),
        "2_c": region("2", [7, 120, 20, 160, 30, 140, 60], {"1": "0"}),
        "2_d": region("2", [9, 60, 70, 70, 80, 80, 70], {"1": "0"}),
        "2_e": region("2", [8, 5, 8, 9, 2, 15, 6, 11, 12], {"1": ""}),
        "3_a": region("3", [2, 1, 1, 5, 5], {"1": "0"}, z=[0.917]),
    },
    "view": {"1": {"fid_list": [1]}, "2": {"fid_list": ["2"]}, "3": {"fid_list": [3]}},
}


@pytest.fixture
def project(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / name)

    def write(content=PROJECT):
        (tmp_path / "project.json").write_text(json.dumps(content))
        return tmp_path / "project.json"

    return write


def test_a_project_of_via_3(project):
    """The rim of the last circle, (60, 70), (70, 80), (80, 70), is that around (70, 70) with radius 10."""
    path = project()
    assert type(importer_for("auto", path)).__name__ == type(importer_for("auto", path.parent)).__name__ == "Via"
    truth = importer_for("auto", path).read(path)
    assert [record["file_name"] for record in truth["images"]] == ["a.jpg", "b.jpg"]
    assert [(record["image_id"], record["bbox"]) for record in truth["annotations"]] == [
        (1, [10, 20, 60, 40]),
        (2, [40, 30, 20, 20]),
        (2, [80, 40, 40, 20]),
        (2, [120, 20, 40, 40]),
        (2, [60, 60, 20, 20]),
    ]
    assert truth["annotations"][0]["keypoints"] == [15, 30, 2, 60, 50, 2]
    assert [(record["name"], record["keypoints"]) for record in truth["categories"]] == [("mouse", ["nose", "tail"])]
    notes = " ".join(truth["info"]["notes"])
    for said in ("views of videos, sounds and several files", "descriptions of whole images", "regions without a label"):
        assert f"{said} are left out: 1, such as" in notes


def test_an_extreme_rectangle_is_the_extent_of_its_points(project):
    content = copy.deepcopy(PROJECT)
    content["attribute"]["1"] = attribute("what", 1)  # a free text
    content["metadata"] = {"1": region("2", [8, 5, 8, 9, 2, 15, 6, 11, 12], {"1": "egg"})}
    path = project(content)
    truth = importer_for("auto", path).read(path)
    assert truth["annotations"][0]["bbox"] == [5, 2, 10, 10] and truth["categories"][0]["name"] == "egg"


def test_several_checked_options_are_named_by_their_texts(project):
    content = copy.deepcopy(PROJECT)
    content["attribute"]["1"]["type"] = 2
    content["metadata"] = {"1_a": region("1", [2, 10, 20, 60, 40], {"1": "0,2"}), "1_b": region("1", [2, 1, 2, 6, 4], {"1": "0,9"})}
    path = project(content)
    assert [record["name"] for record in importer_for("via", path).read(path)["categories"]] == ["mouse,tail", "mouse,9"]


def test_regions_of_a_view_that_is_not_there_are_reported(project):
    content = copy.deepcopy(PROJECT)
    content["metadata"].update({"7_a": region("7", [2, 1, 1, 5, 5], {"1": "0"}), "7_b": region("7", [2, 1, 1, 6, 6], {"1": "0"})})
    path = project(content)
    truth = importer_for("via", path).read(path)
    assert len(truth["annotations"]) == 5
    assert any(
        note.startswith("regions of views that the project lacks are left out: 2") and "7_a" in note for note in truth["info"]["notes"]
    )


def test_the_attribute_of_the_class_is_chosen(project):
    content = copy.deepcopy(PROJECT)
    content["attribute"]["2"] = attribute("mood", 3, {"1": "happy"})
    content["metadata"]["1_a"]["av"]["2"] = "1"
    path = project(content)
    with pytest.raises(DataError, match="has several attributes, what, mood; name the attribute of the class with --option label=NAME"):
        importer_for("via", path).read(path)
    assert len(importer_for("via", path, ["label=what"]).read(path)["annotations"]) == 5


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda p: p["metadata"]["1_a"].update(xy=[2, 1, 2]), "metadata: 1_a: xy: is not a shape of VIA 3 with its coordinates"),
        (lambda p: p["metadata"]["1_a"].update(xy=[12, 1, 2, 3, 4]), "metadata: 1_a: xy: is not a shape of VIA 3"),
        (lambda p: p["metadata"]["2_d"].update(xy=[9, 1, 1, 2, 2, 3, 3]), "2_d: xy: the three points of a circle lie on a line"),
        (lambda p: p["metadata"]["1_a"].update(xy=[2, 1, "x", 3, 4]), "xy: number 2: is 'x', not a number"),
        (lambda p: p["view"]["1"].update(fid_list=[9]), "view: 1: shows the file 9, which 'file' lacks"),
        (lambda p: p["file"]["1"].pop("fname"), "file: 1: lacks 'fname'"),
        (lambda p: p["attribute"]["1"].pop("aname"), "attribute: 1: lacks 'aname'"),
    ],
)
def test_mistakes_in_a_project(project, change, said):
    content = copy.deepcopy(PROJECT)
    change(content)
    path = project(content)
    with pytest.raises(DataError, match=said):
        importer_for("via", path).read(path)
