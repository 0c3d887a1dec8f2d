"""Error breakdown after Ronchi and Perona 2017, by hand.

Sizes are chosen so that a joint off by d pixels has the similarity exp(-d^2 / 200): sigma 0.05 and an area of 100 x 100. It is 0.85 at
5.70 pixels and 0.5 at 11.77.
"""

import copy
import re

import numpy as np
import pytest
from crowds import crowded
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.coco import CocoMetric
from mindpoint_coco.metrics.errors import JOINT_KINDS, RIGHT, UNCOMPARED, corrected, counts, diagnose, impact
from mindpoint_coco.metrics.evaluator import Task
from mindpoint_coco.metrics.matching import match, pose_groups

JOINTS = Keypoints(["nose", "left_hand", "right_hand", "foot"], sigmas=[0.05] * 4)
PERSON = np.array([[50.0, 20], [20, 60], [80, 60], [50, 95]])
FAR = np.array([200.0, 0])
HALF_AP = 51 / 101  # one of two people is found, at the recalls 0.00 to 0.50


def truth(*people, visible=(2, 2, 2, 2)):
    annotations = [
        {
            "id": number,
            "image_id": 1,
            "category_id": 1,
            "bbox": [*points.min(axis=0), 100.0, 100.0],
            "area": 1e4,
            "iscrowd": 0,
            "num_keypoints": 4,
            "keypoints": np.c_[points, visible].ravel().tolist(),
        }
        for number, points in enumerate(people, start=1)
    ]
    return {"images": [{"id": 1, "width": 400, "height": 120}], "annotations": annotations, "categories": [{"id": 1, "name": "a"}]}


def found(*people):
    """Results of ``(score, points)``."""
    return [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "score": score, "keypoints": np.c_[points, np.ones(4)].ravel().tolist()}
        for score, points in people
    ]


def breakdown(ground_truth, results):
    task = Task(ground_truth, [1], [1], JOINTS.sigmas, 20)
    diagnosed = [
        diagnose(group, JOINTS.sigmas, JOINTS.flip_index) for group in pose_groups(ground_truth, results, [1], [1], JOINTS.sigmas, 20)
    ]
    return task, diagnosed


WRONG = np.array([[58.0, 20], [80, 60], [280, 60], [50, 135]])  # 8 off; on the other hand; on the other person's hand; nowhere


def test_one_joint_of_each_kind():
    _, (one,) = breakdown(truth(PERSON, PERSON + FAR), found((0.9, PERSON + FAR), (0.8, WRONG)))
    assert one.taken.tolist() == [1, 0]
    assert one.kinds[0].tolist() == [RIGHT] * 4
    assert [JOINT_KINDS[kind - 1] for kind in one.kinds[1]] == ["jitter", "inversion", "swap", "miss"]
    assert counts([one]) == {"miss": 1, "swap": 1, "inversion": 1, "jitter": 1, "score": 0, "background": 0, "missed": 0}


def test_what_is_put_right_and_how_far():
    _, (one,) = breakdown(truth(PERSON, PERSON + FAR), found((0.9, PERSON + FAR), (0.8, WRONG)))
    points = np.array(corrected(one, JOINT_KINDS, JOINTS.sigmas)[1]["keypoints"]).reshape(4, 3)[:, :2]
    np.testing.assert_allclose(points, [[50 + 5.70, 20], [20, 60], [80, 60], [50 + 11.77, 95]], atol=0.01)
    only = np.array(corrected(one, ["swap"], JOINTS.sigmas)[1]["keypoints"]).reshape(4, 3)[:, :2]
    np.testing.assert_allclose(only, [*WRONG[:2], [80, 60], WRONG[3]])


def test_what_it_gains():
    """Put right, the second person has a similarity of (0.85 + 1 + 1 + 0.5) / 4 = 0.8375: found at 7 of the 10 thresholds."""
    task, diagnosed = breakdown(truth(PERSON, PERSON + FAR), found((0.9, PERSON + FAR), (0.8, WRONG)))
    rows = {kind: (alone.mean("precision"), so_far.mean("precision")) for kind, alone, so_far in impact([(task, diagnosed)])}
    assert rows["miss"] == (pytest.approx(HALF_AP), pytest.approx(HALF_AP))
    assert rows["jitter"] == (pytest.approx(HALF_AP), pytest.approx(0.7 + 0.3 * HALF_AP))


def test_a_joint_between_two_is_the_nearer_ones():
    """The left hand, 9 pixels from its place and 3 from the right one that lies 12 away: an inversion although 9 would be a jitter."""
    close = np.array([[50.0, 20], [44, 60], [56, 60], [50, 95]])
    _, (one,) = breakdown(truth(close), found((0.9, close + [[0, 0], [9, 0], [0, 0], [0, 0]])))
    assert JOINT_KINDS[one.kinds[0, 1] - 1] == "inversion"


def test_joints_that_are_not_labelled_are_not_compared():
    _, (one,) = breakdown(truth(PERSON, visible=(2, 0, 1, 0)), found((0.9, WRONG)))
    assert one.kinds[0].tolist() == [1 + JOINT_KINDS.index("jitter"), UNCOMPARED, 1 + JOINT_KINDS.index("miss"), UNCOMPARED]


def test_scores():
    """The better detection has the lower score. The other one's similarity is exp(-d^2 / 200) = 0.62 with d = 9.78, so it is right at
    three thresholds, where the order does not matter, and wrong and first at seven: (3 + 7 / 2) / 10."""
    shifted = PERSON + [np.sqrt(-200 * np.log(0.62)), 0]
    task, diagnosed = breakdown(truth(PERSON), found((0.9, shifted), (0.5, PERSON)))
    assert counts(diagnosed)["score"] == 1
    assert task.curves("keypoints", diagnosed[0].group.results).mean("precision") == pytest.approx(0.65)
    rows = {kind: alone.mean("precision") for kind, alone, _ in impact([(task, diagnosed)])}
    assert rows["score"] == pytest.approx(1)
    assert counts(breakdown(truth(PERSON), found((0.5, shifted), (0.9, PERSON)))[1])["score"] == 0


def test_background_and_people_that_are_not_found():
    task, diagnosed = breakdown(truth(PERSON, PERSON + FAR), found((0.95, PERSON + [0, 900]), (0.9, PERSON)))
    assert counts(diagnosed)["background"] == 1 and counts(diagnosed)["missed"] == 1
    assert task.curves("keypoints", diagnosed[0].group.results).mean("precision") == pytest.approx(HALF_AP / 2)
    rows = {kind: (alone.mean("precision"), so_far.mean("precision")) for kind, alone, so_far in impact([(task, diagnosed)])}
    assert rows["background"][0] == pytest.approx(HALF_AP)
    assert rows["missed"] == (pytest.approx(0.5), pytest.approx(1))


@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_matching_is_that_of_pycocotools(threshold):
    cocoeval, coco = pytest.importorskip("pycocotools.cocoeval"), pytest.importorskip("pycocotools.coco")
    ground_truth, results = crowded(7, 2, 5, False)
    sigmas = np.full(5, 0.06)
    index = coco.COCO()
    index.dataset = copy.deepcopy(ground_truth)
    index.createIndex()
    reference = cocoeval.COCOeval(index, index.loadRes(copy.deepcopy(results)), "keypoints")
    reference.params.kpt_oks_sigmas, reference.params.iouThrs = sigmas, [threshold]
    reference.evaluate()
    expected = {}
    for one in filter(None, reference.evalImgs):
        if one["aRng"] == reference.params.areaRng[0]:
            expected[one["image_id"], one["category_id"]] = one["dtMatches"][0].astype(int).tolist()
    ours = {}
    for group in pose_groups(ground_truth, results, range(1, 41), [1, 2], sigmas, 20):
        taken = match(group, threshold)
        records = group.truth or group.results
        ours[group.image_id, records[0]["category_id"]] = [group.truth[place]["id"] if place >= 0 else 0 for place in taken]
    assert sum(map(any, ours.values())) > 20 and ours == expected


def test_analysis_of_nothing_and_of_one_image():
    metric = CocoMetric(["a"], JOINTS)
    for ground_truth, results in ((truth(), []), (truth(PERSON), []), (truth(), found((0.9, PERSON)))):
        analysis = metric.analyse(ground_truth, results, [1])
        assert len(analysis.tables) == 3 and analysis.images[1].error == (1.0 if ground_truth["annotations"] or results else 0.0)
    analysis = metric.analyse(truth(PERSON, PERSON + FAR), found((0.9, PERSON), (0.2, PERSON + [0, 900])), [1])
    image = analysis.images[1]
    assert analysis.threshold == 0.9 and len(image.found) == 1  # the background detection is below the best F1's threshold
    assert image.error == pytest.approx(1 - 2 * 1 / 3) and image.counts() == {"missed": 1}


def test_every_kind_of_a_finding_is_defined_with_a_colour_of_its_own():
    analysis = CocoMetric(["a"], JOINTS).analyse(truth(PERSON, PERSON + FAR), found((0.9, PERSON + FAR), (0.9, WRONG)), [1])
    assert [finding.parts for finding in analysis.images[1].found] == [["", "", "", ""], ["jitter", "inversion", "swap", "miss"]]
    colors = [kind.color for kind in analysis.kinds.values()]
    assert len(set(colors)) == len(colors) == 7 and all(re.fullmatch("#[0-9a-f]{6}", color) for color in colors)
    assert set(analysis.images[1].counts()) <= set(analysis.kinds) and all(kind.definition for kind in analysis.kinds.values())


def test_joints_alone():
    """Half of the people's noses are right and no foot."""
    moved = np.array([[0.0, 0], [0, 0], [0, 0], [0, 60]])
    metric = CocoMetric(["a"], JOINTS)
    results = found((0.9, PERSON + moved), (0.8, PERSON + FAR + moved + [[0, 50], [0, 0], [0, 0], [0, 0]]))
    table = metric.analyse(truth(PERSON, PERSON + FAR), results, [1]).tables[1]
    rows = {row[0]: dict(zip(table.columns, row)) for row in table.rows}
    assert rows["nose"]["AP"] == pytest.approx(HALF_AP) and rows["nose"]["good"] == 0.5 and rows["nose"]["labelled"] == 2
    assert rows["foot"]["AP"] == 0 and rows["foot"]["miss"] == 1 and rows["left_hand"]["similarity"] == pytest.approx(1)
