"""Real exports of annotation tools and data sets against values that were worked out by hand from the raw files."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mindpoint.registry import registry
from mindpoint_coco.data_command.command import main
from mindpoint_coco.importers.image_index import Images

FORMATS = Path(__file__).resolve().parents[3] / "shared" / "formats"
CASES = json.loads((FORMATS / "oracle.json").read_text())["cases"] if FORMATS.is_dir() else []
ALONE = {"supervisely/graph_object.json"}  # one object, not a file of the format
FOLDERS = {  # the folder of an export: the format
    "aic": "ai-challenger",
    "alphatracker": "alphatracker",
    "anipose": "deeplabcut",
    "coco_keypoints": "coco",
    "coco_wholebody": "coco",
    "crowdpose": "coco",
    "cvat_coco_keypoints": "coco",
    "cvat_images_xml_skeleton": "cvat",
    "cvat_video_xml_skeleton": "cvat",
    "datumaro/diverse": "datumaro",
    "datumaro/skeleton": "datumaro",
    "deeplabcut": "deeplabcut",
    "halpe": "coco",
    "labelme": "labelme",
    "labelme_keypoints": "labelme",
    "labelstudio_keypoints": "label-studio",
    "lsp": "lsp",
    "mpii_json": "mpii",
    "mpii_json_datumaro": "mpii",
    "openpose": "openpose",
    "pascal_voc": "pascal-voc",
    "pascal_voc_datumaro": "pascal-voc",
    "pascal_voc_labelme": "pascal-voc",
    "roboflow_coco_keypoints": "coco",
    "sleap": "sleap",
    "supervisely": "supervisely",
    "via": "via",
    "yolo_boxes_datumaro": "yolo",
    "yolo_boxes_ls": "yolo",
    "yolo_boxes_roboflow": "yolo",
    "yolo_pose_datumaro_2d": "yolo",
    "yolo_pose_datumaro_3d": "yolo",
    "yolo_pose_multiclass": "yolo",
    "yolo_pose_tiger": "yolo",
}


def make(name, **options):
    if name == "sleap":
        pytest.importorskip("h5py")
    return registry("importers").get(name, "test")(**options)


def read(formats, file):
    """Return the labels in a file. YOLO's text files are parts of a folder: the whole is read, and the picture of this file is kept."""
    folder = next(name for name in sorted(FOLDERS, key=len, reverse=True) if file.startswith(f"{name}/"))
    importer = make("coco" if file == "aic/test_aic.json" else FOLDERS[folder])
    source = formats / (folder if FOLDERS[folder] == "yolo" else file)
    index = Images(formats / folder)
    labels = importer.labels(source, index)
    if FOLDERS[folder] == "yolo":
        labels.pictures = [picture for picture in labels.pictures if picture.where == str(formats / file)]
    return labels, index


def picture_of(case, labels, index):
    pictures = labels.pictures
    if "frame" in case:
        return next(picture for picture in pictures if picture.frame == case["frame"])
    if "object_id" in case:  # the record at the same place as in the file
        content = json.loads((FORMATS / case["file"]).read_text())
        image_id = next(record["image_id"] for record in content["annotations"] if record["id"] == case["object_id"])
        return pictures[[record["id"] for record in content["images"]].index(image_id)]
    if "image" in case and len(pictures) > 1:
        stem = Path(case["image"]).stem
        named = [picture for picture in pictures if Path(picture.name).stem == stem or index.find(picture.name, "") == case["image"]]
        return named[0]
    return pictures[case.get("record", 0)]


def thing_of(case, picture):
    things = picture.things
    if "object_id" in case:
        content = json.loads((FORMATS / case["file"]).read_text())
        record = next(record for record in content["annotations"] if record["id"] == case["object_id"])
        own = [other["id"] for other in content["annotations"] if other["image_id"] == record["image_id"]]
        return things[own.index(case["object_id"])]
    return things[case.get("object", 0)]


def place(kind, thing, name):
    """Return x, y and visibility of a joint by its name, or by its number."""
    number = kind.joints.index(name) if name in kind.joints else int(name)
    return list(thing.points[3 * number : 3 * number + 3])


@pytest.mark.parametrize("case", [case for case in CASES if case["file"] not in ALONE], ids=lambda case: case["file"].replace("/", "-"))
def test_expected_values(case, formats):
    labels, index = read(formats, case["file"])
    picture = picture_of(case, labels, index)
    thing, tolerance = thing_of(case, picture), case.get("tol", 1e-3 if "lsp" in case["file"] else 1e-6)
    found = index.find(picture.name, "")
    size = picture.size or (index.size(found) if found else None)
    scale = np.array(size if picture.relative and size else (1, 1))
    box = None if thing.box is None else np.multiply(thing.box, [*scale, *scale])
    kind = labels.kinds[thing.kind]
    checked = {"tol", "note", "_note", "file", "object", "record", "object_id", "frame"}

    def same(got, expected):
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance)

    def same_joints(expected, thing=thing):
        for name, (x, y, *seen) in expected.items():
            got = place(kind, thing, name)
            same(got[:2], np.divide([x, y], 1) / scale if picture.relative else [x, y])
            if seen and seen[0] is not None:  # confidence counts as visible
                assert got[2] == (2 if 0 < seen[0] < 1 else seen[0]), name

    for key, expected in case.items():
        if key in checked:
            continue
        elif key == "size":
            assert expected is None or list(size) == expected
        elif key == "image":
            assert found is None or Path(found).name == expected
        elif key == "label":
            assert thing.kind == expected
        elif key in ("objects", "objects_in_image"):
            boxes = [other for other in picture.things if other.kind in (case.get("label"), thing.kind)]
            assert len(boxes if case["file"].startswith(("labelme_keypoints", "labelme/")) else picture.things) == expected
        elif key == "box":
            same(box, expected)
        elif key == "corners":
            same([box[0], box[1], box[0] + box[2], box[1] + box[3]], expected)
        elif key == "normalised_cxcywh":
            same([thing.box[0] + thing.box[2] / 2, thing.box[1] + thing.box[3] / 2, *thing.box[2:]], expected)
        elif key == "normalised_joints":
            same_joints(expected)
        elif key == "joints" and case["file"].startswith("cvat"):
            skeleton = next(other for other in picture.things if labels.kinds[other.kind].joints)
            kind = labels.kinds[skeleton.kind]
            same_joints(expected, skeleton)
        elif key in ("joints", "joints_0based", "joints_raw"):
            if "lsp" in case["file"]:
                expected = {name: [*xy, _lsp_seen(case["file"], flag)] for name, (*xy, flag) in expected.items()}
                expected = {name: value if value[2] else [0, 0, 0] for name, value in expected.items()}
            same_joints(expected)
        elif key == "raw_joints_1based":
            assert make("mpii", one_based=False).labels(formats / case["file"], index).pictures[2].things[0].points[3:5] == [1033, 649]
        elif key == "joints_frame_79":
            assert [picture.frame for picture in labels.pictures] == case["frames"]
            same_joints(expected, labels.pictures[1].things[0])
        elif key in ("images", "records", "rows") or (key == "frames" and isinstance(expected, int)):
            assert len(labels.pictures) == expected
        elif key == "frames":
            assert [picture.frame for picture in labels.pictures] == expected
        elif key == "of":
            assert len(kind.joints) == expected
        elif key in ("labelled_joints", "num_keypoints"):
            assert sum(seen > 0 for seen in thing.points[2::3]) == expected
        elif key == "annotations":
            assert sum(len(picture.things) for picture in labels.pictures) == expected
        elif key == "num_keypoints_in_file":
            assert any("a wrong 'num_keypoints'" in note for note in labels.told())
        elif key == "shapes":  # the loose point is told, all others are objects
            assert len(picture.things) == expected - 1 and any("points outside objects" in note for note in labels.told())
        elif key == "rectangles":
            assert sum(other.kind == "rectangle" for other in picture.things) == expected
        elif key == "point":
            assert json.loads((formats / case["file"]).read_text())["shapes"][5]["points"] == [expected["point"]]
        elif key == "boxes":
            assert [other.kind for other in picture.things if other.box is not None] == [case["box_label"]] * expected
        elif key == "box_label":
            assert thing.kind == expected
        elif key == "box_occluded":
            assert expected and thing.box is not None
        elif key in ("skeletons", "tracks"):
            assert sum(bool(labels.kinds[other.kind].joints) or key == "tracks" for other in picture.things) == expected
        elif key in ("biker_1_box", "biker_2_box"):
            same(next(other.box for other in picture.things if other.kind == key[:-4]), expected)
        elif key == "items":  # one of them has no image
            assert len(labels.pictures) == expected - 1 and any("without an image" in note for note in labels.told())
        elif key in ("bbox_annotations_item_100", "box2", "box2_label"):  # the second has no class
            assert len(picture.things) == 1 and any("without a class" in note for note in labels.told())
        elif key == "points":
            assert [thing.points[start : start + 3] for start in range(0, len(thing.points), 3)] == [[*xy, 2] for xy in expected]
        else:
            raise AssertionError(f"nothing looks at {key}")


def _lsp_seen(file, flag):
    return (2 if flag else 0) if "lspet" in file else (1 if flag else 2)


def test_a_graph_of_supervisely(formats, tmp_path):
    graph = json.loads((formats / "supervisely" / "graph_object.json").read_text())
    ids = list(graph["nodes"])
    graph["nodes"][ids[4]]["disabled"] = True
    nodes = {key: {"label": f"joint {number}"} for number, key in enumerate(ids)}
    edges = [{"src": ids[0], "dst": ids[1]}]
    meta = {"classes": [{"title": "graph", "shape": "graph", "geometry_config": {"nodes": nodes, "edges": edges}}]}
    (tmp_path / "ds" / "ann").mkdir(parents=True)
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "ds" / "ann" / "a.jpg.json").write_text(json.dumps({"size": {"width": 2000, "height": 2000}, "objects": [graph]}))
    labels = make("supervisely").labels(tmp_path, Images(tmp_path))
    thing = labels.pictures[0].things[0]
    assert thing.points[:3] == [1017, 1556, 2] and thing.points[12:] == [0, 0, 0]
    assert labels.kinds["graph"].joints == [f"joint {number}" for number in range(5)] and labels.kinds["graph"].skeleton == [(0, 1)]


def test_a_label_studio_export_without_relations(formats):
    whole, least = (make("label-studio").labels(formats / "labelstudio_keypoints" / name, None) for name in ("data.json", "data_min.json"))
    assert [thing.points for thing in least.pictures[0].things] == [thing.points for thing in whole.pictures[0].things]


@pytest.mark.parametrize(
    "file, objects", [("minimal_instance.json", 2), ("minimal_instance.000_centered_pair_low_quality.analysis.csv", 1)]
)
def test_other_files_of_sleap(file, objects, formats):
    labels = make("sleap").labels(formats / "sleap" / file, None)
    things = labels.pictures[0].things
    assert len(things) == objects and labels.kinds["animal"].joints == ["A", "B"]
    np.testing.assert_allclose(things[-1].points, [205.93005, 187.88964, 2, 278.63521, 203.36587, 2], atol=1e-4)


def test_the_coco_file_of_via_has_the_same_boxes(formats):
    own = make("via").labels(formats / "via" / "via_export_json.json", None)
    coco = make("coco").labels(formats / "via" / "via_export_coco.json", None)
    boxes = [{(p.name, t.kind, *t.box) for p in labels.pictures for t in p.things} for labels in (own, coco)]
    assert len(boxes[0]) == 18 and boxes[0] == boxes[1]


@pytest.mark.parametrize("folder", FOLDERS)
def test_auto_recognises(folder, formats):
    pytest.importorskip("h5py")  # to look into HDF5 files
    names = registry("importers").names()
    assert [name for name in names if make(name).recognizes(formats / folder)] == [FOLDERS[folder]]


def images_for(labels, folder, known):
    """Write grey images for the pictures that have none, of their size or of 2000 x 2000 pixels."""
    for picture in labels.pictures:
        name = known.find(picture.name, "")
        target = folder / (name or Path(picture.name).name)
        target = target if target.suffix in (".jpg", ".png") else target.with_name(f"{target.name}.png")
        target.parent.mkdir(parents=True, exist_ok=True)
        if name:
            shutil.copyfile(known.folder / name, target)
        else:
            width, height = picture.size or (2000, 2000)
            cv2.imwrite(str(target), np.full((height, width, 3), 99, np.uint8))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_import_passes_the_check(folder, formats, tmp_path, capsys):
    source = formats / folder
    if folder == "openpose":  # two data sets
        source = source / "body25_000000000000_keypoints.json"
    importer = make(FOLDERS[folder])
    index = Images(importer.image_folder(source))
    images = tmp_path / "images"
    images_for(importer.labels(source, index), images, index)
    assert main(["import", FOLDERS[folder], str(source), str(tmp_path / "out"), "--images", str(images), "--link"]) == 0
    truth = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert truth["annotations"] and all((tmp_path / "out" / "images" / record["file_name"]).is_file() for record in truth["images"])
    different = {json.dumps(record["keypoints"]) for record in truth["categories"] if "keypoints" in record}
    assert len(different) < 2 and (tmp_path / "out" / "joints.yaml").exists() == bool(different)
    code = main(["check", str(tmp_path / "out" / "annotations.json"), "--images", str(tmp_path / "out" / "images")])
    assert code == 0, capsys.readouterr().out
