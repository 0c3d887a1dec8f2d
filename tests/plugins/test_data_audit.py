"""data audit and data correct: planted errors come first, and what is accepted is put right in a copy."""

import argparse
import copy
import json
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.prediction import Prediction
from mindpoint.visual.objects import ObjectVisualizer
from mindpoint_coco.audit.compare import compare
from mindpoint_coco.audit.surprise import Usual, among, disagreement, standing
from mindpoint_coco.audit.suspect_file import accepted_ids
from mindpoint_coco.audit.suspects import suspects
from mindpoint_coco.data_command.audit import add_arguments, audit
from mindpoint_coco.keypoints import Keypoints

NAMES = ["nose", "left_wrist", "right_wrist", "left_foot", "right_foot"]
BODY = np.array([[20, 5], [5, 30], [35, 30], [10, 55], [30, 55]], float)  # in a box of 40 x 60
CLASSES = ["person", "doll"]
WIDTH, HEIGHT, COUNT = 120, 100, 150
SURE = 0.9


def people(names=NAMES, classes=CLASSES, file_name="{}.png"):
    """COCO content: two people an image, everything right."""
    images = [{"id": 7 * n, "file_name": file_name.format(7 * n), "width": WIDTH, "height": HEIGHT} for n in range(1, COUNT + 1)]
    annotations = []
    for number, image in enumerate(images):
        for left in (8, 68):
            top = 10 + number % 25
            points = np.column_stack([BODY + [left, top], np.full(5, 2)])
            annotations.append(
                {
                    "id": 100 + len(annotations),
                    "image_id": image["id"],
                    "category_id": 3,
                    "bbox": [left, top, 40, 60],
                    "area": 2400,
                    "iscrowd": 0,
                    "keypoints": points.ravel().astype(int).tolist(),
                    "num_keypoints": 5,
                    "segmentation": [[left, top, left + 40, top, left, top + 60]],
                }
            )
    kinds = [{"id": 3 + number, "name": name, "keypoints": list(names), "skeleton": [[1, 2]]} for number, name in enumerate(classes)]
    return {"info": {"year": 2024}, "images": images, "annotations": annotations, "categories": kinds}


def with_errors(content):
    """The same with an error of each kind; returns what the audit must say: ``(kind, image_id, joints)``."""
    content = copy.deepcopy(content)
    own = {record["id"]: record for record in content["annotations"]}
    one = lambda number: own[100 + 2 * number]  # noqa: E731  the left person of the image at this place
    swap = lambda record, order: np.reshape(record["keypoints"], (-1, 3))[order].ravel().tolist()  # noqa: E731
    one(2)["keypoints"] = swap(one(2), [0, 2, 1, 4, 3])
    one(5)["keypoints"] = swap(one(5), [0, 2, 1, 3, 4])
    one(8)["keypoints"][3:5] = [35, 70]
    one(11)["bbox"], one(11)["area"] = [8, one(11)["bbox"][1], 60, 40], 2400
    one(14)["category_id"] = 4
    content["annotations"].remove(one(17))
    extra = {**copy.deepcopy(one(20)), "id": 9000, "bbox": [44, 40, 30, 59]}
    content["annotations"].append({**extra, "keypoints": [0] * 15, "num_keypoints": 0})
    wanted = {("sides", 2): NAMES[1:], ("sides", 5): NAMES[1:3], ("joint", 8): NAMES[1:2]}
    wanted.update(dict.fromkeys([("box", 11), ("class", 14), ("missing", 17), ("extra", 20)], []))
    return content, {(kind, 7 * (place + 1)): joints for (kind, place), joints in wanted.items()}


class Oracle:
    """A predictor that sees in the shade of an image which one it is, and finds what is right there, up to noise."""

    def __init__(self, truth, names=NAMES, classes=CLASSES, noise=0.5, order=None):
        self.truth, self.classes, self.noise = truth, list(classes), noise
        self.order = list(range(len(names))) if order is None else order
        self.fields = Keypoints([names[place] for place in self.order]).found()
        self.random = np.random.default_rng(0)

    def stream(self, images, ahead=False):
        for image in images:
            own = [record for record in self.truth["annotations"] if record["image_id"] == int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])]
            boxes = np.array([record["bbox"] for record in own], np.float32).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            points = np.array([record["keypoints"] for record in own], np.float32).reshape(len(own), -1, 3)[:, self.order, :2]
            boxes, points = (values + self.random.normal(0, self.noise, values.shape).astype(np.float32) for values in (boxes, points))
            values = {
                "keypoints": points,
                "keypoint_scores": np.full(points.shape[:2], SURE, np.float32),
                "from_heatmap": np.ones(points.shape[:2], bool),
            }
            scores, labels = np.full(len(own), SURE, np.float32), np.array([record["category_id"] - 3 for record in own], np.int64)
            found = Detections(boxes, scores, labels, self.fields, values)
            yield Prediction(image, found, self.classes, ObjectVisualizer(self.classes))


def arguments(*words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["--most", "20", *map(str, words)])


def lay(folder, content, left_out=()):
    """Write images and annotations; blue and green of an image are the low and the high byte of its id."""
    (folder / "images").mkdir()
    for record in content["images"]:
        if record["id"] not in left_out:
            picture = cv2.imencode(".png", np.full((HEIGHT, WIDTH, 3), (record["id"] % 256, record["id"] // 256, 0), np.uint8))[1].tobytes()
            (folder / "images" / record["file_name"]).write_bytes(picture)
    (folder / "people.json").write_text(json.dumps(content))
    return folder / "people.json"


@pytest.fixture(params=[0.0, 0.5], ids=["exact", "noisy"])
def audited(request, tmp_path):
    clean = people()
    wrong, wanted = with_errors(clean)
    path = lay(tmp_path, wrong)
    audit(
        lambda: Oracle(clean, noise=request.param), arguments("model", path, "--images", tmp_path / "images", "--out", tmp_path / "audit")
    )
    return tmp_path, clean, wrong, wanted


def suspects_of(folder):
    return json.loads((folder / "suspects.json").read_text())["suspects"]


def test_planted_errors_come_first_with_kind_joints_and_the_right_value(audited):
    folder, clean, wrong, wanted = audited
    first = suspects_of(folder / "audit")[: len(wanted)]
    assert {(one["kind"], one["image_id"]): one["joints"] for one in first} == wanted
    assert [one["id"] for one in first] == list(range(1, 8))
    right = {record["id"]: record for record in clean["annotations"]}
    for one in first:
        if one["kind"] == "extra":
            assert one["becomes"] is None and one["annotation_id"] == 9000
        elif one["kind"] == "missing":
            assert np.allclose(one["becomes"]["bbox"], right[134]["bbox"], atol=4) and one["becomes"]["num_keypoints"] == 5
        else:
            for key, value in one["becomes"].items():
                assert np.allclose(value, right[one["annotation_id"]][key], atol=4)


def test_accepted_corrections_give_the_clean_annotations_again(audited, capsys):
    folder, clean, wrong, wanted = audited
    path, before = folder / "people.json", (folder / "people.json").read_bytes()
    command = ["data", "correct", str(folder / "audit"), str(path), "--accept", "1-7", "--out", str(folder / "corrected")]
    assert main(command) == 0
    corrected = json.loads((folder / "corrected" / "people.json").read_text())
    assert path.read_bytes() == before
    assert {key: corrected[key] for key in ("info", "images", "categories")} == {
        key: clean[key] for key in ("info", "images", "categories")
    }
    there = {record["id"]: record for record in corrected["annotations"]}
    (added,) = there.keys() - {record["id"] for record in clean["annotations"]}
    assert added == 9001 and set(there) == {record["id"] for record in clean["annotations"]} - {134} | {9001}
    there[134] = there.pop(9001)
    changed = {104, 110, 116, 122, 128, 134}
    for record in clean["annotations"]:
        other = there[record["id"]]
        if record["id"] not in changed:
            assert other == record
            continue
        assert other["category_id"] == record["category_id"] and np.allclose(other["bbox"], record["bbox"], atol=4)
        assert np.allclose(other["keypoints"], record["keypoints"], atol=4) and abs(other["area"] - 2400) < 400
        assert record["id"] == 134 or other["segmentation"] == record["segmentation"]
    assert main(command) == 2 and "exists and is not an empty folder" in capsys.readouterr().err
    assert main(["data", "check", str(folder / "corrected/people.json"), "--images", str(folder / "images"), "--no-images"]) == 0


def test_only_what_is_accepted_changes(audited):
    folder, clean, wrong, wanted = audited
    suspects = suspects_of(folder / "audit")
    (moved,) = [one for one in suspects[:7] if one["kind"] == "joint"]
    (folder / "mine.txt").write_text(f"{moved['id']}\n")
    command = ["data", "correct", str(folder / "audit/suspects.json"), str(folder / "people.json"), "--accept", str(folder / "mine.txt")]
    assert main([*command, "--out", str(folder / "corrected")]) == 0
    corrected = json.loads((folder / "corrected" / "people.json").read_text())
    differing = [pair for pair in zip(corrected["annotations"], wrong["annotations"]) if pair[0] != pair[1]]
    ((now, then),) = differing
    assert {key for key in now if now[key] != then[key]} == {"keypoints"} and now["id"] == 116
    assert [place for place in range(15) if now["keypoints"][place] != then["keypoints"][place]] == [3, 4]


@pytest.mark.parametrize(
    "accept, said",
    [
        ("1,3000", "unknown suspect 3000"),
        ("5-", "neither a number nor a range"),
        ("1-999999999", "too large"),
        ("no such file", "nor a file that can be read"),
        (",", "no number given"),
    ],
)
def test_what_cannot_be_accepted(tmp_path, capsys, accept, said):
    (tmp_path / "suspects.json").write_text(
        json.dumps({"suspects": [{"id": 1, "split": "people", "annotation_id": 5, "was": {}, "becomes": None}]})
    )
    assert main(["data", "correct", str(tmp_path), "people.json", "--accept", accept, "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_ids_and_ranges():
    assert accepted_ids("7-9, 2\n8", set(range(20))) == [2, 7, 8, 9]


@pytest.mark.parametrize(
    "suspect, said",
    [
        (
            {"annotation_id": 100, "was": {"bbox": [1, 2, 3, 4]}, "becomes": {"bbox": [2, 2, 3, 4]}},
            "annotation 100 of suspect 1 has changed since the audit",
        ),
        ({"annotation_id": 99, "was": {"bbox": [1, 2, 3, 4]}, "becomes": None}, "annotation 99 of suspect 1 is missing"),
        ({"annotation_id": [], "was": {"bbox": [1, 2, 3, 4]}, "becomes": None}, "missing or invalid"),
        ({"annotation_id": 100, "was": {"iscrowd": 0}, "becomes": {"bbox": "wide"}}, "'bbox' must hold 4 numbers"),
        ({"was": None, "becomes": None}, "missing or invalid"),
        ({"was": None, "becomes": {"bbox": [1, 2, 3, 4]}}, "lacks 'image_id'"),
        ({"split": "val", "was": None, "becomes": {}}, "audits val, but"),
        ({"split": 3, "was": None, "becomes": {}}, "of the list: 'id', 'split'"),
    ],
)
def test_a_file_of_suspects_that_does_not_fit_the_data_changes_nothing(tmp_path, capsys, suspect, said):
    path = lay(tmp_path, people())
    (tmp_path / "suspects.json").write_text(json.dumps({"suspects": [{"id": 1, "split": "people", **suspect}]}))
    command = ["data", "correct", str(tmp_path / "suspects.json"), str(path), "--accept", "1", "--out", str(tmp_path / "out")]
    assert main(command) == 2 and said in capsys.readouterr().err and not (tmp_path / "out").exists()


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_names_of_strangers_are_text_on_the_page(tmp_path):
    evil = '"><img src=x onerror=alert(1)>'
    names, classes = [NAMES[0], f"left_{evil}", f"right_{evil}", *NAMES[3:]], [f"person {evil}", "doll"]
    clean = people(names, classes, "{}" + evil.replace("/", "") + "<script>alert(2)<.png")
    wrong, _ = with_errors(clean)
    path = lay(tmp_path, wrong)
    audit(
        lambda: Oracle(clean, names, classes),
        arguments("<b>model</b>", path, "--images", tmp_path / "images", "--out", tmp_path / "a'b <i>"),
    )
    page = Tags((tmp_path / "a'b <i>" / "index.html").read_text())
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert all("onerror" not in attributes for _, attributes in page.tags) and not {"b", "i"} & {tag for tag, _ in page.tags}
    pictures = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) >= 14 and all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    text = "".join(page.texts)
    assert f"left_{evil}" in text and "<script>alert(2)<.png" in text
    (boxes,) = [{attributes["value"] for tag, attributes in page.tags if tag == "input"}]
    assert boxes == {str(one["id"]) for one in suspects_of(tmp_path / "a'b <i>")}


def test_an_unreadable_image_is_left_out_and_the_others_keep_their_findings(tmp_path, caplog):
    clean = people()
    wrong, wanted = with_errors(clean)
    path = lay(tmp_path, wrong, left_out=(7,))
    audit(lambda: Oracle(clean), arguments("model", path, "--images", tmp_path / "images", "--out", tmp_path / "audit"))
    first = suspects_of(tmp_path / "audit")[: len(wanted)]
    assert {(one["kind"], one["image_id"]): one["joints"] for one in first} == wanted
    assert "7.png" in caplog.text


def test_joints_are_told_by_their_names_and_unknown_ones_are_not_judged(tmp_path):
    clean = people()
    wrong, wanted = with_errors(clean)
    path = lay(tmp_path, wrong)
    oracle = Oracle(clean, order=[4, 2, 0, 3])  # another order, without the left wrist
    audit(lambda: oracle, arguments("model", path, "--images", tmp_path / "images", "--out", tmp_path / "audit"))
    found = {one["image_id"]: one for one in suspects_of(tmp_path / "audit")[:6]}
    assert set(found) == {image_id for _, image_id in wanted} - {63}, "there only the left wrist moved"
    assert found[21]["kind"] == "sides" and found[42]["joints"] in (["right_wrist"], ["left_wrist", "right_wrist"])


def test_nothing_is_written_over_and_a_model_of_other_classes_is_refused(tmp_path, capsys):
    clean = people()
    path = lay(tmp_path, clean)
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "mine").write_text("mine")
    command = ["data", "audit", "model", str(path), "--images", str(tmp_path / "images"), "--out", str(tmp_path / "audit")]
    assert main(command) == 2 and "exists and is not an empty folder" in capsys.readouterr().err
    assert [each.name for each in (tmp_path / "audit").iterdir()] == ["mine"]
    assert main([*command[:-1], str(tmp_path / "new")]) == 2 and "model" in capsys.readouterr().err and not (tmp_path / "new").exists()
    with pytest.raises(Exception, match="the model finds cat, but the annotated classes are person, doll"):
        audit(lambda: Oracle(clean, classes=["cat"]), arguments("model", path, "--images", tmp_path / "images", "--out", tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_crowd_is_no_missing_object_and_a_second_finding_of_one_object_neither():
    image = {"id": 1, "width": 100, "height": 100}
    label = {"category_id": 1, "bbox": [0, 0, 20, 20], "iscrowd": 0}
    crowd = {"category_id": 1, "bbox": [50, 0, 50, 100], "iscrowd": 1}
    found = [{"category_id": kind, "bbox": box, "score": score} for kind, box, score in (
        (1, [1, 0, 20, 20], 0.9), (1, [0, 2, 20, 20], 0.8), (2, [0, 1, 20, 20], 0.7), (1, [60, 20, 20, 20], 0.6), (1, [20, 60, 20, 20], 0.5)
    )]  # fmt: skip
    one = compare(image, [crowd, label], found, None)
    assert one.truth == [label] and one.partner.tolist() == [0] and one.rival.tolist() == [2] and one.spare == [4]
    nothing = compare(image, [], [], None)
    assert nothing.partner.shape == (0,) and nothing.spare == []


def test_a_model_that_finds_no_annotated_object():
    keypoints, image = Keypoints(NAMES), {"id": 1, "width": 100, "height": 100}
    label = {"category_id": 1, "bbox": [0, 0, 20, 20], "iscrowd": 0, "keypoints": [5, 5, 2] * len(NAMES)}
    one = compare(image, [label], [], keypoints.sigmas)
    assert one.partner.tolist() == [-1]
    assert not any(suspect.kind in ("joint", "sides", "box") for suspect in suspects([one], keypoints))


def test_missing_labels_do_not_make_each_other_usual():
    """The model errs with the odds e / r ** 2 at a score of odds r, and one label in a hundred is missing."""
    random = np.random.default_rng(3)
    scores = random.uniform(0.05, 0.95, 40000)
    ratios = scores / (1 - scores)
    mistakes = 1 / (1 + ratios**2 / np.e)
    odd = random.random(len(scores)) < 0.01 + 0.99 * mistakes
    surprise = disagreement(scores[odd], scores[~odd])
    assert np.abs(surprise + np.log10(mistakes[odd])).max() < 0.1  # the raw share would be off by 0.37 at 0.95


def test_findings_that_no_label_confirms_in_small_sets():
    assert disagreement([], [0.5]).shape == (0,) and np.isfinite(disagreement([0.1, 1.0], [])).all()
    low, high = disagreement([0.2, 0.9], [0.8, 0.9, 0.95])
    assert 0 <= low < high


SIDES = Keypoints(["nose", "left_wrist", "right_wrist"], flip_pairs=((1, 2),))


def with_wrists(left, wrist, other):
    """One of two people side by side: an annotation, and a detection too. ``left`` is the edge of the box in pixels."""
    points = [[left + 50, 20, 2], [*wrist, 2], [*other, 2]]
    return {"category_id": 1, "bbox": [left, 0, 100, 100], "iscrowd": 0, "score": 0.9, "keypoints": sum(points, [])}


ONE, TWO = with_wrists(0, (20, 60), (80, 60)), with_wrists(200, (220, 60), (280, 60))
MOVED = with_wrists(0, (20, 10), (80, 60))


def compared(annotations, found):
    found = [{**record, "keypoints": np.reshape(record["keypoints"], (-1, 3)).astype(float)} for record in found]
    return compare({"id": 1, "width": 400, "height": 100}, annotations, found, SIDES.sigmas)


def surprise_of(usual, annotations, found):
    """Return the largest surprise about the joints of the first annotation among ``usual`` images."""
    case = compared(annotations, found)
    every = [suspect for suspect in suspects([*usual, case], SIDES) if suspect.scene is case and suspect.annotation is annotations[0]]
    return max((suspect.surprise for suspect in every if suspect.kind in ("joint", "sides")), default=0.0)


def test_a_joint_that_the_model_has_taken_from_elsewhere_is_no_suspect():
    """The model finds the wrist of the first on the second, or both wrists in one place."""
    usual = [compared([ONE, TWO], [with_wrists(0, (21, 60), (80, 61)), with_wrists(200, (220, 62), (281, 60))])] * 200
    assert surprise_of(usual, [MOVED, TWO], [ONE, TWO]) > 3, "the label is elsewhere, and the model is where no other label is"
    for wrist in ((222, 60), (277, 61), (80, 62)):  # on either wrist of the second, and on the other wrist of the first
        assert surprise_of(usual, [ONE, TWO], [with_wrists(0, wrist, (80, 60)), TWO]) < 1.5, wrist


def test_joints_taken_from_elsewhere_do_not_make_large_distances_usual():
    usual = [compared([ONE, TWO], [with_wrists(0, (21, 60), (80, 61)), TWO])] * 120
    taken = [compared([ONE, TWO], [with_wrists(0, (222, 60), (80, 61)), TWO])] * 80
    assert surprise_of(usual + taken, [MOVED, TWO], [ONE, TWO]) > 3


def test_both_wrists_in_one_place_do_not_suggest_a_swap_where_one_side_is_less_certain():
    """The distance of the left wrist is unusual, the same distance of the right one is not, so a swap would explain more."""
    shifts = np.random.default_rng(4).normal(0, 25, (200, 2)).round().astype(int)
    usual = [compared([ONE, TWO], [with_wrists(0, (21, 60), (80 + x, 60 + y)), TWO]) for x, y in shifts.tolist()]
    assert surprise_of(usual, [ONE, TWO], [with_wrists(0, (80, 62), (80, 60)), TWO]) < 1.5


def test_the_standing_of_objects_by_hand():
    assert np.allclose(standing([0, 0, 1, 2]), [np.log10(2), np.log10(2), np.log10(4 / 3), 0]) and standing([]).shape == (0,)


def test_a_tail_follows_its_law_and_is_never_lighter_than_that_of_normal_errors():
    values = 0.01 / np.linspace(1, 1e-4, 10000)[:, None]  # a fifth is above 0.05, a hundredth above 1, a thousandth above 10
    heavy = Usual(values, np.ones_like(values)).surprise(np.full_like(values, np.nan))
    assert not heavy.any()
    asked = np.tile([[0.05], [1], [10]], (4000, 1))[: len(values)]
    assert np.allclose(Usual(values, np.ones_like(values)).surprise(asked)[:3, 0], [-np.log10(0.2), 2, 3], atol=0.02)
    exact = Usual(np.zeros((1000, 1)), np.ones((1000, 1)))
    normal = np.sqrt(np.log([0.2, 0.05]) / np.log(0.2)) * 0.005  # Rayleigh's quantiles, from the finest difference on
    assert np.allclose(exact.surprise(np.resize(normal, (1000, 1)))[:2, 0], -np.log10([0.2, 0.05]))


def test_what_is_usual_depends_on_the_part_and_on_how_sure_the_model_is():
    random = np.random.default_rng(0)
    sure = np.repeat([[0.9], [0.3]], 500, axis=0) * np.ones((1, 2))
    differences = np.abs(random.normal(0, 0.01, (1000, 2))) * [1, 3] * np.where(sure > 0.5, 1, 5)
    odd = Usual(differences, sure).surprise(np.full((1000, 2), 0.1))
    (first, second), (third, fourth) = odd[0], odd[-1]
    assert first > second + 1 and first > third + 1 and second > fourth and third > fourth
    few = Usual(np.array([[0.1], [np.nan]]), np.ones((2, 1)))
    assert few.surprise(np.array([[np.nan], [0.1]]))[0] == 0


def test_gains_are_judged_among_all_gains():
    gains = np.log10(0.01 / np.linspace(1, 1e-4, 10000))  # a tenth is above -1, a hundredth above 0
    assert np.allclose(among(gains)[-1000:], gains[-1000:] + 2, atol=0.02)


def test_without_mirrored_joints_no_swap_is_suspected():
    """Also where nothing is unusual, so that the logarithm of the number of joints makes the surprise negative."""
    shifts = np.random.default_rng(5).normal(0, 4, (40, 2)).round().astype(int)
    images = [compared([{**ONE}], [with_wrists(0, (20 + x, 60 + y), (80 + y, 60 - x))]) for x, y in shifts.tolist()]
    found = suspects(images, Keypoints(["nose", "left_wrist", "right_wrist"]))
    assert "joint" in (kinds := {suspect.kind for suspect in found}) and "sides" not in kinds
