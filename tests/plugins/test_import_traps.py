"""Tests of the pitfalls of each format: positions, groups, visibilities and names, computed by hand; video frames; joints by name."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.errors import ConfigError, DataError
from mindpoint.registry import registry
from mindpoint_coco.data_command.command import main
from mindpoint_coco.importers.image_index import Images
from mindpoint_coco.importers.joint_sets import joint_set, joint_sets
from mindpoint_coco.importers.matlab import matlab_array


def picture(path, width=40, height=20):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), 99, np.uint8))


def read(name, folder, **options):
    return registry("importers").get(name, "test")(**options).read(folder)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def notes(truth):
    return " ".join(truth["info"]["notes"])


# images


@pytest.mark.parametrize(
    "said, found",
    [
        ("a/one.jpg", "a/one.jpg"),
        ("D:\\data\\b\\one.jpg", "b/one.jpg"),
        ("/home/x/A/ONE.JPG", "a/one.jpg"),
        ("../../../b/one.png", "b/one.jpg"),
        ("two", "a/two.dav.png"),
        ("two.dav", "a/two.dav.png"),
        ("/etc/passwd", None),
        ("..", None),
    ],
)
def test_images_are_found_in_the_folder_only(said, found, tmp_path):
    for name in ("a/one.jpg", "b/one.jpg", "a/two.dav.png"):
        picture(tmp_path / name)
    if said == "two":
        found = None  # the ending of the file is .png, not .dav.png
    assert Images(tmp_path).find(said, "here") == found


def test_names_that_fit_two_images_are_refused(tmp_path):
    for name in ("a/one.jpg", "b/one.jpg"):
        picture(tmp_path / name)
    with pytest.raises(DataError, match="here: 'one.jpg' matches '[ab]/one.jpg' and '[ab]/one.jpg'; name the right folder"):
        Images(tmp_path).find("one.jpg", "here")


def test_a_turned_photograph_has_its_upright_size(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert Images(tmp_path).size("a.jpg") == (20, 40)


# from objects to COCO


def test_boxes_are_clipped_and_joints_outside_are_not_labelled(tmp_path):
    picture(tmp_path / "a.jpg")
    rows = "0 0.95 0.5 0.2 0.5 0.95 0.5 2 1.4 0.5 2\n0 1.5 1.5 0.1 0.1 1.5 1.5 2 1.6 1.5 2\n"
    write(tmp_path / "labels" / "a.txt", rows)
    write(tmp_path / "data.yaml", {"names": ["cat"], "kpt_shape": [2, 3]})
    truth = read("yolo", tmp_path)
    assert [(a["bbox"], a["keypoints"], a["num_keypoints"]) for a in truth["annotations"]] == [([34, 5, 6, 10], [38, 10, 2, 0, 0, 0], 1)]
    assert "boxes that extend beyond the image" in notes(truth) and "objects outside their image are left out: 1" in notes(truth)


def test_a_box_that_is_missing_is_the_extent_of_the_joints_with_a_margin(tmp_path):
    picture(tmp_path / "a.png", 100, 100)
    write(tmp_path / "a.csv", "scorer,S,S,S,S\nbodyparts,nose,nose,tail,tail\ncoords,x,y,x,y\na.png,20,30,70,50\n")
    record = read("deeplabcut", tmp_path)["annotations"][0]
    assert record["bbox"] == [15, 25, 60, 30] and record["area"] == 1800  # 10 percent of 50 on each side


def test_an_object_that_stands_twice_is_taken_once(tmp_path):
    picture(tmp_path / "a.jpg")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5\n" * 2)
    truth = read("yolo", tmp_path)
    assert len(truth["annotations"]) == 1 and "repeated objects are used once: 1" in notes(truth)


def test_images_without_labels_are_images_without_objects(tmp_path):
    for name in ("images/a.jpg", "images/b.jpg"):
        picture(tmp_path / name)
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5\n")
    truth = read("yolo", tmp_path)
    assert [record["file_name"] for record in truth["images"]] == ["images/a.jpg", "images/b.jpg"] and len(truth["annotations"]) == 1


# YOLO


@pytest.mark.parametrize(
    "index, pairs, said",
    [([1, 0, 2], [["l", "r"]], ""), ([1, 2, 0], [], "does not swap joints in pairs"), ([1, 0], [], "must have one entry for each of 3")],
)
def test_mirrored_joints_of_yolo(index, pairs, said, tmp_path):
    picture(tmp_path / "a.jpg")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5 0.5 0.5 0.4 0.4 0 0\n")
    write(tmp_path / "data.yaml", {"names": {0: "cat"}, "kpt_shape": [3, 2], "flip_idx": index})
    truth = read("yolo", tmp_path, joints=["l", "r", "tail"] if said == "" else ["a", "b", "tail"])
    assert truth["categories"][0]["flip_pairs"] == pairs and said in notes(truth)
    assert truth["annotations"][0]["keypoints"] == [20, 10, 2, 16, 8, 2, 0, 0, 0]


# Labelme


def shape(label, points, kind="rectangle", group=None):
    return {"label": label, "points": points, "shape_type": kind, "group_id": group}


def test_groups_and_corners_of_labelme(tmp_path):
    picture(tmp_path / "a.jpg")
    shapes = [
        shape("dog", [[30, 18], [20, 2]], group=1),
        shape("nose", [[1, 1]], "point", 1),  # outside its box, and still its joint
        shape("cat", [[2, 2], [10, 10]]),
        shape("cat", [[12, 2], [16, 8]]),
        shape("tail", [[3, 3]], "point"),
        shape("eye", [[35, 19]], "point"),
        shape("ball", [[15, 10], [18, 14]], "circle"),
    ]
    write(tmp_path / "a.json", {"shapes": shapes, "imagePath": "..\\photos\\a.jpg", "imageWidth": 40, "imageHeight": 20})
    truth = read("labelme", tmp_path)
    names = {record["id"]: record for record in truth["categories"]}
    found = [(names[a["category_id"]]["name"], a["bbox"], a.get("keypoints")) for a in truth["annotations"]]
    assert found == [
        ("cat", [2, 2, 8, 8], [3, 3, 2]),
        ("cat", [12, 2, 4, 6], [0, 0, 0]),
        ("ball", [10, 5, 10, 10], None),
        ("dog", [20, 2, 10, 16], [1, 1, 2]),
    ]
    assert "points outside objects, or in objects that already have a joint of this name, are left out: 1" in notes(truth)


def test_a_picture_of_points_alone_is_one_object(tmp_path):
    picture(tmp_path / "a.jpg")
    write(tmp_path / "a.json", {"shapes": [shape("nose", [[10, 8]], "point"), shape("tail", [[20, 8]], "point")], "imagePath": "a.jpg"})
    truth = read("labelme", tmp_path, lonely="mouse")
    assert truth["categories"][0]["name"] == "mouse" and truth["annotations"][0]["keypoints"] == [10, 8, 2, 20, 8, 2]


def test_a_point_in_two_rectangles_belongs_to_the_smaller(tmp_path):
    picture(tmp_path / "a.jpg")
    shapes = [
        shape("cat", [[0, 0], [30, 18]]),
        shape("cat", [[5, 5], [15, 15]]),
        shape("nose", [[8, 8]], "point"),
        shape("nose", [[9, 9]], "point"),
    ]
    write(tmp_path / "a.json", {"shapes": shapes, "imagePath": "a.jpg"})
    truth = read("labelme", tmp_path)
    assert [a["keypoints"] for a in truth["annotations"]] == [[9, 9, 2], [8, 8, 2]] and "assigned to the smallest: 1" in notes(truth)


# CVAT


def test_turned_boxes_hidden_joints_and_keyframes_of_cvat(tmp_path):
    picture(tmp_path / "a.jpg")
    skeleton = '<skeleton label="cat"><points label="l" outside="{}" occluded="{}" points="4,5"/></skeleton>'
    body = skeleton.format(0, 1) + skeleton.format(1, 0) + '<box label="dog" xtl="10" ytl="5" xbr="20" ybr="9" rotation="90"/>'
    write(tmp_path / "a.xml", f'<annotations><image id="0" name="a.jpg" width="40" height="20">{body}</image></annotations>')
    truth = read("cvat", tmp_path)
    assert truth["annotations"][0]["keypoints"] == [4, 5, 1] and "objects without box and joints are left out: 1" in notes(truth)
    np.testing.assert_allclose(truth["annotations"][1]["bbox"], [13, 2, 4, 10])


@pytest.fixture
def film(tmp_path):
    """A video of five frames, the number of each times 40 as its grey."""
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 10, (40, 20))
    for number in range(5):
        writer.write(np.full((20, 40, 3), 40 * number, np.uint8))
    writer.release()
    boxes = [f'<box frame="{n}" keyframe="{int(n != 1)}" outside="{int(n == 3)}" xtl="{n}" ytl="1" xbr="9" ybr="9"/>' for n in (0, 1, 3, 4)]
    task = (
        "<meta><task><id>1</id><original_size><width>40</width><height>20</height></original_size><source>film.avi</source></task></meta>"
    )
    write(tmp_path / "a.xml", f'<annotations>{task}<track id="0" label="cat">{"".join(boxes)}</track></annotations>')
    return tmp_path


def test_frames_of_a_video_are_written_as_images(film, tmp_path, capsys):
    with pytest.raises(DataError, match="4 images are frames of videos such as film.avi; extract them to OUT/images with --copy"):
        main(["import", "cvat", str(film), str(tmp_path / "out")])
    assert main(["import", "cvat", str(film), str(tmp_path / "out"), "--copy"]) == 0
    truth = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [record["frame"] for record in truth["images"]] == [0, 1, 3, 4]
    assert [a["bbox"][0] for a in truth["annotations"]] == [0, 1, 4]  # outside in frame 3
    for record in truth["images"]:
        image = cv2.imread(str(tmp_path / "out" / "images" / record["file_name"]))
        assert abs(int(image.mean()) - 40 * record["frame"]) <= 2
    assert main(["check", str(tmp_path / "out" / "annotations.json"), "--images", str(tmp_path / "out" / "images")]) == 0
    assert [a["bbox"][0] for a in read("cvat", film, keyframes=True)["annotations"]] == [0, 4]


def test_labels_beyond_the_end_of_a_video_are_told(film, tmp_path):
    write(film / "a.xml", (film / "a.xml").read_text().replace('frame="4"', 'frame="9"'))
    with pytest.raises(DataError, match="film.avi: ends after 5 frames, but frame 9 has labels; is it the right video"):
        main(["import", "cvat", str(film), str(tmp_path / "out"), "--copy"])
    assert not (tmp_path / "out").exists()


# Label Studio


def region(label, kind="keypoint", key=None, **value):
    value[f"{kind}labels"] = [label]
    return {"type": f"{kind}labels", "id": key or label, "value": value, "original_width": 200, "original_height": 100}


def test_two_people_of_label_studio(tmp_path):
    picture(tmp_path / "a.jpg", 200, 100)
    first, second = (region("person", "rectangle", f"box{n}", x=50 * n, y=10, width=25, height=50, rotation=0) for n in (0, 1))
    one, two = region("nose", key="p1", x=5, y=20, width=1), region("nose", key="p2", x=6, y=30, width=1)  # both inside the first box
    loose = region("nose", key="p3", x=60, y=20, width=1)
    results = [first, second, {**one, "parentID": "box0"}, two, {"type": "relation", "from_id": "p2", "to_id": "box1"}]
    annotations = [{"was_cancelled": True, "result": [loose]}, {"result": results}]
    tasks = [{"id": 1, "data": {"image": "/data/local-files/?d=photos%2Fa.jpg"}, "annotations": annotations}]
    write(tmp_path / "a.json", tasks)
    assert [a["keypoints"] for a in read("label-studio", tmp_path)["annotations"]] == [[10, 20, 2], [12, 30, 2]]
    tasks[0]["annotations"].append({"ground_truth": True, "result": [first, second, loose]})
    write(tmp_path / "a.json", tasks)
    truth = read("label-studio", tmp_path)
    assert [a["keypoints"] for a in truth["annotations"]] == [[0, 0, 0], [120, 20, 2]] and "tasks with several annotations" in notes(truth)


def test_a_rectangle_of_label_studio_turns_about_its_corner(tmp_path):
    picture(tmp_path / "0123abcd-a.jpg", 200, 100)
    box = region("cat", "rectangle", x=50, y=10, width=10, height=50, rotation=90)  # 20 x 50 pixels at 100, 10
    write(
        tmp_path / "a.json", [{"id": 1, "data": {"image": "http://host/data/upload/1/0123abcd-a.jpg"}, "annotations": [{"result": [box]}]}]
    )
    (tmp_path / "0123abcd-a.jpg").rename(tmp_path / "a.jpg")
    np.testing.assert_allclose(read("label-studio", tmp_path)["annotations"][0]["bbox"], [50, 10, 50, 20])


# DeepLabCut


def test_several_animals_of_deeplabcut(tmp_path):
    picture(tmp_path / "labeled-data" / "film" / "img1.png")
    head = "scorer,,,S,S,S,S\nindividuals,,,m1,m1,m2,m2\nbodyparts,,,nose,nose,nose,nose\ncoords,,,x,y,x,y\n"
    write(tmp_path / "labeled-data" / "film" / "CollectedData_S.csv", head + "labeled-data,film,img1.png,1,2,30,4\n")
    truth = read("deeplabcut", tmp_path, kind="mouse")
    assert [a["keypoints"] for a in truth["annotations"]] == [[1, 2, 2], [30, 4, 2]]
    assert truth["images"][0]["file_name"] == "labeled-data/film/img1.png" and truth["categories"][0]["name"] == "mouse"


# COCO


def test_what_tools_do_to_coco(tmp_path):
    picture(tmp_path / "a.jpg")
    names = {"name": "cat", "keypoints": ["nose", "nose", "tail"], "skeleton": [[0, 1], [1, 2]]}
    point = [1, 2, 0.7, 3, 4, 0.2, float("nan"), None, 0]
    annotation = {"id": "7", "image_id": "0", "category_id": "1", "bbox": [1, 2, 3, 4], "segmentation": [1, 2, 3, 4], "keypoints": point}
    content = {
        "images": [{"id": 0, "file_name": "C:\\x\\a.jpg", "width": 40.0, "height": "20", "crowdIndex": 0.4}],
        "categories": [{"id": 1, **names}, {"id": 1, **names}],
        "annotations": [annotation, {**annotation, "id": 8, "image_id": 5}],
    }
    write(tmp_path / "a.json", json.dumps(content))
    truth = read("coco", tmp_path)
    assert truth["images"] == [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 20, "crowdIndex": 0.4}]
    assert truth["categories"] == [
        {"id": 1, "name": "cat", "keypoints": ["nose", "nose_1", "tail"], "skeleton": [[1, 2], [2, 3]], "flip_pairs": []}
    ]
    assert [(a["keypoints"], a["num_keypoints"], a["area"]) for a in truth["annotations"]] == [([1, 2, 2, 0, 0, 0, 0, 0, 0], 1, 12)]
    assert "annotations of missing images are left out: 1" in notes(truth)


# SLEAP


def test_older_files_of_sleap_are_half_a_pixel_off(tmp_path):
    h5py = pytest.importorskip("h5py")
    nodes = [{"name": name} for name in ("tail", "left", "right")]
    body, mirror = ({"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [kind]}]} for kind in (1, 2))
    links = [
        {"source": 1, "target": 0, "type": body},
        {"source": 1, "target": 2, "type": mirror},
        {"source": 2, "target": 1, "type": {"py/id": 2}},
    ]
    links.append({"source": 2, "target": 0, "type": {"py/id": 1}})
    skeleton = {"nodes": [{"id": 1}, {"id": 2}, {"id": 0}], "links": links}
    picture(tmp_path / "film_000003.png")
    with h5py.File(tmp_path / "a.slp", "w") as file:
        file.create_group("metadata").attrs["json"] = json.dumps({"nodes": nodes, "skeletons": [skeleton]})
        file["metadata"].attrs["format_id"] = 1.0
        file["videos_json"] = [json.dumps({"backend": {"filename": "x\\film.mp4"}})]
        frame = [("video", "u4"), ("frame_idx", "u8"), ("instance_id_start", "u8"), ("instance_id_end", "u8")]
        file["frames"] = np.array([(0, 3, 0, 2), (0, 4, 1, 2)], frame)
        instance = [("instance_type", "u1"), ("skeleton", "u4"), ("point_id_start", "u8"), ("point_id_end", "u8")]
        file["instances"] = np.array([(0, 0, 0, 3), (1, 0, 0, 3)], instance)
        point = [("x", "f8"), ("y", "f8"), ("visible", "?")]
        file["points"] = np.array([(10.5, 8.5, True), (20.5, 9.5, False), (np.nan, np.nan, True)], point)
        file["pred_points"] = np.array([(1, 1, True)] * 3, point)
    truth = read("sleap", tmp_path)
    assert truth["annotations"][0]["keypoints"] == [10, 8, 2, 20, 9, 1, 0, 0, 0] and len(truth["annotations"]) == 1
    category = truth["categories"][0]
    assert category["keypoints"] == ["left", "right", "tail"] and category["skeleton"] == [[1, 3], [2, 3]]
    assert category["flip_pairs"] == [["left", "right"]] and "frames with predictions only are left out: 1" in notes(truth)


def sleap_json(instances, links=(), **more):
    """Return the content of a SLEAP JSON file with one frame of one video, three nodes, and a skeleton of the first two."""
    skeleton = {"nodes": [{"id": 0}, {"id": 1}], "links": list(links)}
    frame = {"video": 0, "frame_idx": 3, "_instances": instances, **more}
    nodes = [{"name": name} for name in ("head", "tail", "fin")]
    return {"nodes": nodes, "skeletons": [skeleton], "videos": [{"backend": {"filename": "film.mp4"}}], "labels": [frame]}


def test_predictions_in_sleap_s_json_are_no_labels(tmp_path):
    picture(tmp_path / "film_000003.png")
    point = {"0": {"x": 10.0, "y": 8.0, "visible": True}}
    write(tmp_path / "a.json", sleap_json([{"skeleton": 0, "_points": point}, {"skeleton": 0, "_points": point, "score": 0.4}]))
    assert len(read("sleap", tmp_path / "a.json")["annotations"]) == 1
    write(tmp_path / "b.json", sleap_json([{"skeleton": 0, "_points": point, "score": 0.4}]))
    assert len(read("sleap", tmp_path / "b.json", predicted=True)["annotations"]) == 1


def test_a_link_of_sleap_to_a_node_of_another_skeleton_is_refused(tmp_path):
    link = {"source": 0, "target": 2, "type": {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [1]}]}}
    write(tmp_path / "a.json", sleap_json([], [link]))
    with pytest.raises(DataError, match="refers to a missing node"):
        read("sleap", tmp_path / "a.json")


# Matlab


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_arrays(compressed, tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    for array in (np.arange(210.0).reshape(3, 14, 5), np.arange(6, dtype=np.int16).reshape(2, 3), np.float32([[1.5]])):
        scipy_io.savemat(tmp_path / "a.mat", {"other": "text", "joints": array}, do_compression=compressed)
        np.testing.assert_array_equal(matlab_array(tmp_path / "a.mat", "joints"), array)
    with pytest.raises(DataError, match="a.mat: has no numeric array 'other'"):
        matlab_array(tmp_path / "a.mat", "other")


# joints


COUNTS = {
    "ai_challenger": 14,
    "animal": 17,
    "coco": 17,
    "crowdpose": 14,
    "face68": 68,
    "face98": 98,
    "halpe": 136,
    "halpe26": 26,
    "hand": 21,
    "horse": 22,
    "lsp": 14,
    "mpii": 16,
    "openpose18": 18,
    "openpose25": 25,
    "wholebody": 133,
}
UNPAIRED = {"horse", "hand"}


def test_shipped_sets_of_joints():
    assert {name: len(joint_set(name)) for name in joint_sets()} == COUNTS
    for name in joint_sets():
        joints = joint_set(name)
        paired = {joint for pair in joints.flip_pairs for joint in pair}
        assert joints.skeleton and bool(paired) != (name in UNPAIRED)
        sided = {number for number, label in enumerate(joints.names) if label.startswith(("left", "right", "L_", "R_"))}
        assert sided <= paired, name
    whole = joint_set("wholebody")
    assert whole.names[17:23] == tuple(f"{side}_{part}" for side in ("left", "right") for part in ("big_toe", "small_toe", "heel"))
    assert (whole.sigmas[17], whole.sigmas[23], whole.sigmas[91], whole.sigmas[132]) == (0.068, 0.042, 0.029, 0.031)
    assert joint_set("halpe").names[20:26] == tuple(
        f"{side}_{part}" for part in ("big_toe", "small_toe", "heel") for side in ("left", "right")
    )


@pytest.mark.parametrize("name", COUNTS)
def test_a_set_of_joints_by_name(name, tmp_path):
    write(tmp_path / "mine.yaml", f"_base_: [quickstart.yaml, _base_/joints/{name}.yaml]\n")
    keypoints = load_config(str(tmp_path / "mine.yaml"), [], ()).vocabulary["keypoints"]
    assert len(keypoints) == COUNTS[name] and keypoints.names == joint_set(name).names


def test_unknown_sets_are_refused():
    with pytest.raises(ConfigError, match="no shipped set of joints is named 'coca'; choose one of ai_challenger, "):
        registry("importers").get("yolo", "test")(joints="coca")


def test_names_like_those_of_a_set_get_its_sigmas(tmp_path):
    picture(tmp_path / "a.jpg")
    write(tmp_path / "labels" / "a.txt", "0 0.5 0.5 0.2 0.5" + " 0.5 0.5 2" * 17 + "\n")
    write(tmp_path / "data.yaml", {"names": ["person"], "kpt_shape": [17, 3]})
    category = read("yolo", tmp_path, joints="coco")["categories"][0]
    assert category["sigmas"][:2] == [0.026, 0.025] and len(category["skeleton"]) == 18 and len(category["flip_pairs"]) == 8
    assert main(["import", "yolo", str(tmp_path), str(tmp_path / "out"), "--option", "joints=coco"]) == 0
    write(tmp_path / "mine.yaml", f"_base_: [quickstart.yaml, {tmp_path}/out/joints.yaml]\n")
    config = load_config(str(tmp_path / "mine.yaml"), [], ())
    assert config.classes == ["person"] and config.vocabulary["keypoints"].flip_index.tolist() == joint_set("coco").flip_index.tolist()
    assert Path(tmp_path / "out" / "joints.yaml").read_text().startswith("# Classes and joints")
