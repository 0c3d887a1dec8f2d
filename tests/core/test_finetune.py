"""Tests of initial weights of a training."""

from pathlib import Path

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.errors import ConfigError, WeightsError
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.runtime import device
from mindpoint.training.build import build_trainer

TOY = str(Path(__file__).parent / "toy.yaml")
TWO_HEADS = "+model.heads.other={type: 'toy:SpotHead', name: other}"


def trainer_of(run_dir, *overrides):
    config = load_config(TOY, overrides)
    device.setup("CPU", config.seed)
    return build_trainer(config, run_dir)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file with the toy network's weights, all of them 0.25."""
    path = tmp_path_factory.mktemp("weights") / "toy.ckpt"
    network = build_network(load_config(TOY))
    checkpoint.save(path, {name: np.full(p.shape, 0.25, np.float32) for name, p in network.parameters_dict().items()}, {})
    return path


def start(tmp_path, weights, *overrides):
    trainer = trainer_of(tmp_path, f"train.weights={weights}", *overrides)
    return {name: p.asnumpy() for name, p in trainer.network_step.network.parameters_dict().items()}


def test_heads_that_differ_begin_anew_and_are_named(tmp_path, weights, caplog):
    caplog.set_level("INFO", "mindpoint")
    loaded = start(tmp_path, weights, TWO_HEADS)
    anew = {"heads.other.conv.weight", "heads.other.conv.bias"}
    for name, array in loaded.items():
        assert (array == 0.25).all() == (name not in anew), name
    assert "7 matched, 2 missing, 0 unexpected, 0 of another shape" in caplog.text
    assert "2 parameters keep their initial values: heads.other.conv.bias, heads.other.conv.weight" in caplog.text


def test_another_shape_in_a_head_begins_anew(tmp_path, weights, caplog):
    caplog.set_level("INFO", "mindpoint")
    stored = checkpoint.load(weights).arrays
    stored["heads.spot.conv.weight"] = np.zeros((17, 4, 1, 1), np.float32)
    checkpoint.save(tmp_path / "other.ckpt", stored, {})
    loaded = start(tmp_path, tmp_path / "other.ckpt")
    assert loaded["heads.spot.conv.weight"].std() > 0 and (loaded["backbone.conv.weight"] == 0.25).all()
    assert "heads.spot.conv.weight: (1, 4, 1, 1) here, (17, 4, 1, 1) in the file" in caplog.text


def test_strictness_is_chosen(tmp_path, weights):
    exact, body = "train.weights_match=exact", "model.backbone.channels=6"
    start(tmp_path, weights, f"+{exact}")
    with pytest.raises(
        WeightsError, match="lacks weights that train.weights_match: exact requires .heads, backbone, any would require less.: 7 matched"
    ):
        start(tmp_path, weights, f"+{exact}", TWO_HEADS)
    with pytest.raises(
        WeightsError,
        match="train.weights_match: heads requires .backbone, any would require less.: 1 matched, 0 missing, 0 unexpected, 6 of",
    ):
        start(tmp_path, weights, f"+{body}")
    with pytest.raises(WeightsError, match="train.weights_match: backbone requires .any would require less."):
        start(tmp_path, weights, f"+{body}", "+train.weights_match=backbone")
    start(tmp_path, weights, TWO_HEADS, "+train.weights_match=backbone")
    assert (start(tmp_path, weights, f"+{body}", "+train.weights_match=any")["heads.spot.conv.bias"] == 0.25).all()
    checkpoint.save(tmp_path / "foreign.ckpt", {"backbone.else": np.zeros(1, np.float32)}, {})
    with pytest.raises(WeightsError, match="none of its names matches this network"):
        start(tmp_path, tmp_path / "foreign.ckpt", "+train.weights_match=any")


def test_settings_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="train.accumulate: a batch of 8 cannot be split into 3 equal parts"):
        trainer_of(tmp_path, "+train.accumulate=3")
    with pytest.raises(ConfigError, match="loss_scale: 0 is not allowed; it must be positive and at most"):
        trainer_of(tmp_path, "+train.loss_scale=0")
    with pytest.raises(ConfigError, match="train.lr_factors: the factor of 'backbone' is 0"):
        trainer_of(tmp_path, "+train.lr_factors={backbone: 0}")
