"""Checkpoints of the model zoo to ours and back."""

import json

import mindspore as ms
import numpy as np
import pytest
from mindpoint.config import Config, shipped
from mindpoint.errors import WeightsError
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.model.translate import initial_arrays
from mindpoint.runtime import device
from mindpoint_centernet.weights.command import main
from mindpoint_centernet.weights.convert import convert, convert_back
from mindpoint_parity import zoo
from mindpoint_parity.reference import Reference, load_tolerances

SLIM = {
    "input": {"size": [64, 64]},
    "model": {"backbone": {"channels": [4, 4, 8, 8, 12, 16]}, "heads": {"pose": {"head_conv": 8}}},
}


@pytest.fixture(scope="module")
def slim(tmp_path_factory):
    """A trained model of a slim network of the model zoo's recipe, and what becomes of it under the model zoo's names."""
    folder = tmp_path_factory.mktemp("zoo")
    device.setup("CPU", 0)
    config = Config.from_text(json.dumps({"_base_": str(shipped()["dla34_coco_modelzoo"]), **SLIM}), "test", trusted=True)
    checkpoint.save(folder / "ours.ckpt", build_network(config), {"config": config.to_yaml()})
    convert_back(str(folder / "ours.ckpt"), str(folder / "zoo.ckpt"))
    return folder


@pytest.fixture
def state(slim):
    return checkpoint.load_plain(slim / "zoo.ckpt")


def refused(tmp_path, state, message):
    checkpoint.save(tmp_path / "x.ckpt", state, None)
    with pytest.raises(WeightsError, match=message):
        convert(str(tmp_path / "x.ckpt"), str(tmp_path / "y.ckpt"))
    assert not (tmp_path / "y.ckpt").exists()


UNUSED = ("level3.root", "level3.project", "level4.root", "level4.project")


@pytest.mark.slow
def test_the_network_gives_the_model_zoos_maps(golden_zoo):
    rows = zoo.check(Reference(golden_zoo, None, load_tolerances(golden_zoo)))
    assert len(rows) == 12 and not [row for row in rows if not row.passed]


def test_the_seeded_values_are_the_described_ones(golden_zoo):
    state = zoo.zoo_state(golden_zoo)
    for name, first in json.loads((golden_zoo / "seeded_weights_check.json").read_text()).items():
        np.testing.assert_allclose(state[name].ravel()[: len(first)], first, rtol=1e-6, err_msg=name)


@pytest.mark.slow
def test_every_parameter_comes_back(golden_zoo, tmp_path, capsys):
    """A training of the model zoo to ours and back to a bare network: all names, and the numbers of those that feed an output."""
    state = zoo.zoo_state(golden_zoo)
    zoo.write_training(tmp_path / "training.ckpt", state)
    assert main(["convert", str(tmp_path / "training.ckpt"), str(tmp_path / "ours.ckpt")]) == 0
    assert main(["to-official", str(tmp_path / "ours.ckpt"), str(tmp_path / "back.ckpt")]) == 0
    assert f"eval.py --load_checkpoint_path {tmp_path / 'back.ckpt'}" in capsys.readouterr().out
    back = {name: value.asnumpy() for name, value in ms.load_checkpoint(str(tmp_path / "back.ckpt")).items()}
    assert {name: value.shape for name, value in back.items()} == {name: value.shape for name, value in state.items()}
    changed = {name for name in state if not np.array_equal(back[name], state[name])}
    assert {".".join(name.split(".")[:4]) for name in changed} == {f"dla_seg.dla.{part}" for part in UNUSED}


@pytest.mark.slow
def test_bare_and_training_files_give_the_same_model(slim, state, tmp_path):
    """The one that they were made of, in every number that feeds an output."""
    zoo.write_training(tmp_path / "training.ckpt", state)
    expected = checkpoint.load(slim / "ours.ckpt").arrays
    for source in (slim / "zoo.ckpt", tmp_path / "training.ckpt"):
        out = tmp_path / f"{source.stem}-ours.ckpt"
        found, count, whole = convert(str(source), str(out))
        assert (found.name, count, whole) == ("CenterNet of the model zoo", 270, True)
        arrays = checkpoint.load(out).arrays
        assert arrays.keys() == expected.keys()
        for parameter, array in arrays.items():
            if not any(unused in parameter for unused in UNUSED):
                np.testing.assert_array_equal(array, expected[parameter], err_msg=parameter)


def test_a_file_that_is_cut_off_is_refused(slim, state, tmp_path):
    """Within a record, and between two records, where MindSpore takes it for whole."""
    data = (slim / "zoo.ckpt").read_bytes()
    (tmp_path / "x.ckpt").write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match="damaged, truncated, or not a checkpoint of MindSpore: a record is truncated"):
        convert(str(tmp_path / "x.ckpt"), str(tmp_path / "y.ckpt"))
    names = sorted(state, key="reg_hp_fn.2.bias".__eq__)  # of a head, last of all, as in the model zoo's files
    cut = {name: state[name] for name in names[:-1]}
    refused(tmp_path, cut, "not the weights of a whole CenterNet of the model zoo: 269 matched, 1 missing")


def test_implausible_numbers_are_refused(state, tmp_path):
    name = "dla_seg.dla.level2.tree1.conv_bn.batchnorm.moving_variance"
    negative, infinite = -state[name], np.full_like(state["hm_fn.2.bias"], np.inf)
    refused(
        tmp_path,
        {**state, name: negative},
        "negative variances in backbone.level2.tree1.bn2.moving_variance: the file is damaged, or its training failed; use another file",
    )
    refused(
        tmp_path,
        {**state, "hm_fn.2.bias": infinite},
        "numbers that are not finite in heads.pose.hm.2.bias: the file is damaged, or its training failed; use another file",
    )


def test_which_files_are_to_be_converted(slim, tmp_path):
    """Ours are not, and the model zoo's are, before a training can start from them."""
    with pytest.raises(WeightsError, match="ours.ckpt: already a checkpoint of mindpoint; use it without conversion"):
        convert(str(slim / "ours.ckpt"), str(tmp_path / "y.ckpt"))
    with pytest.raises(WeightsError, match="its checksum is missing; .* 'mindpoint weights convert'"):
        initial_arrays(None, str(slim / "zoo.ckpt"))
