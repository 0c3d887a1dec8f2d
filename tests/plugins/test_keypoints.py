import numpy as np
import pytest
from mindpoint.errors import ConfigError
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.sides import side_pairs, unpaired


def test_pairs_by_name_by_index_and_by_default_are_the_same():
    names = ["nose", "left_eye", "right_eye"]
    for pairs in ([["left_eye", "right_eye"]], [[1, 2]], None):
        assert Keypoints(names, flip_pairs=pairs).flip_index.tolist() == [0, 2, 1]
    assert Keypoints(names, flip_pairs=[]).flip_index.tolist() == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2, 5, 17, 21, 133])
def test_any_number_of_joints(count):
    keypoints = Keypoints([str(i) for i in range(count)])
    assert len(keypoints) == len(keypoints.sigmas) == len(keypoints.colors) == count
    assert np.array_equal(keypoints.flip_index[keypoints.flip_index], np.arange(count))
    assert len(set(keypoints.colors)) == count


@pytest.mark.parametrize(
    "bad, message",
    [
        (dict(names=["a", "a"]), "names must differ; repeated: a"),
        (dict(names=["a", "b"], skeleton=[["a", "c"]]), "no joint is named 'c'"),
        (dict(names=["a", "b"], skeleton=[[0, 2]]), "joint 2 is not in 0..1"),
        (dict(names=["a", "b"], skeleton=[[0, 0]]), "paired with itself"),
        (dict(names=["a", "b"], flip_pairs=[[float("inf"), 1]]), "joint inf is not in 0..1"),
        (dict(names=["a", "b"], flip_pairs=[[0.5, 1]]), "joint 0.5 is not in 0..1"),
        (dict(names=["a", "b"], skeleton=[[None, 1]]), "joint None is not in 0..1"),
        (dict(names=["a", "b"], skeleton=["ab"]), "not a pair"),
        (dict(names=["a", "b", "c"], flip_pairs=[[0, 1], [1, 2]]), "repeats a joint"),
        (dict(names=["a", "b"], sigmas=[0.1]), "1 values for 2 joints"),
        (dict(names=["a"], sigmas=[0.0]), "positive"),
        (dict(names=["a"], colors=[[1, 2]]), "three numbers"),
        (dict(names=["a"], colors=[[1, 2, float("inf")]]), "three numbers in 0..255"),
    ],
)
def test_mistakes_are_named(bad, message):
    with pytest.raises(ConfigError, match=message):
        Keypoints(**bad)


def test_names_that_speak_of_a_side_and_have_no_partner():
    sided = ["left_eye", "hip_r", "L hip", "EyeL", "kneeR", "左眼", "RightEar", "leftear", "right.front", "l"]
    others = ["nose", "ear", "lower_lip", "rump", "tail", "l2", "Leg", "R2D2", "neck"]
    assert unpaired([*sided, *others], []) == sided
    assert unpaired(sided, [(0, 1), (3, 4)]) == ["L hip", *sided[5:]]
    whole = ["left_eye", "right_eye", "EyeL", "EyeR", "l_hip", "r_hip"]
    index = [(whole.index(first), whole.index(second)) for first, second in side_pairs(whole)]
    assert unpaired(whole, index) == []
