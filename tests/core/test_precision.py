"""Mixed precision: what is computed in which type, and how a training copes with what float16 cannot hold."""

from pathlib import Path

import mindspore as ms
import numpy as np
import precision_toys
import pytest
from mindpoint.config import load_config
from mindpoint.errors import ConfigError
from mindpoint.native.conv2d import NativeConv2d, has_bfloat16
from mindpoint.native.resample import NativeMaxPool2d
from mindpoint.runtime import device
from mindpoint.training.build import build_trainer

TOY = str(Path(__file__).parent / "toy.yaml")
WATCHED = ("model.backbone={type: 'precision_toys:Watched'}", "model.losses.spot={type: 'precision_toys:WatchedLoss'}")
SINGLE, HALF = "Float32", "Float16"
#            inside convolutions, what they give, inside normalisations, what they give
TYPES = {
    "float32": (SINGLE, SINGLE, SINGLE, SINGLE),
    "O1": (HALF, SINGLE, SINGLE, SINGLE),
    "O2": (HALF, HALF, SINGLE, HALF),
    "O3": (HALF, HALF, HALF, HALF),
}


def trainer_of(run_dir, precision, *overrides):
    config = load_config(TOY, [f"+train.precision={precision}", "hooks.checkpoint=null", "hooks.evaluation=null", *overrides])
    device.setup("CPU", config.seed)
    return build_trainer(config, run_dir)


def maps_of(trainer):
    network = trainer.network_step.network
    network.set_train(False)
    return network(ms.Tensor(trainer.loader.samples.example["image"][None]))[0]


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Maps of the watched network, freshly initialised, in float32."""
    return maps_of(trainer_of(tmp_path_factory.mktemp("single"), "float32", *WATCHED)).asnumpy()


@pytest.mark.slow
@pytest.mark.parametrize("precision", TYPES)
def test_what_is_computed_in_which_type(tmp_path, precision, single):
    trainer = trainer_of(tmp_path, precision, *WATCHED, "+train.max_steps=12", "+train.loss_scale=dynamic")
    precision_toys.SEEN.clear()  # the parts were tried in float32
    network = trainer.network_step.network
    assert type(network.backbone.conv) is NativeConv2d and type(network.backbone.pool) is NativeMaxPool2d

    maps = maps_of(trainer)
    assert str(maps.dtype) == TYPES[precision][1], "the last layer is a convolution"
    values = maps.asnumpy().astype(np.float32)
    apart = np.abs(values - single).max() / np.abs(single).max()
    if precision == "float32":
        assert apart == 0 and (values != values.astype(np.float16)).any()
    else:
        assert (values == values.astype(np.float16)).all(), "the compiled kernel, which is float32, was not used"
        assert 1e-5 < apart < 1e-2, "float16 has 11 bits"

    before = network.backbone.conv.weight.asnumpy().copy()
    trainer.train()
    places = ("in convolution", "convolution gives", "in norm", "norm gives")
    assert {("loss", SINGLE), *zip(places, TYPES[precision])} == precision_toys.SEEN
    assert {str(p.dtype) for p in (*network.trainable_params(), *trainer.network_step.optimizer.moment1)} == {SINGLE}

    # an overflow halves the scale and is the only reason for a step to be left out
    assert trainer.network_step.loss_scale.asnumpy() == 2.0**16 / 2**trainer.skipped_steps
    assert trainer.skipped_steps == 0 if precision == "float32" else 3 < trainer.skipped_steps < 10
    after = network.backbone.conv.weight.asnumpy()
    assert (after != before).any() and (after != after.astype(np.float16)).any(), "small updates are not lost in float16"


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["O1", "O2", "O3"])
def test_float16_learns_on_a_cpu(tmp_path, precision, caplog):
    trainer = trainer_of(
        tmp_path, precision, "train.epochs=4", "hooks.evaluation={type: 'mindpoint.hooks.evaluation:Evaluation', every: 2}"
    )
    trainer.train()
    assert "float16 is slower" in caplog.text and trainer.network_step.dynamic, "a dynamic loss scale unless told otherwise"
    assert trainer.metrics == {"accuracy": 1.0} and trainer.losses["loss"] < 0.03


@pytest.mark.skipif(not has_bfloat16(), reason="needs a CPU with products of bfloat16 numbers")
def test_bfloat16_rounds_the_factors_in_convolutions(tmp_path, single):
    trainer = trainer_of(tmp_path, "bfloat16", *WATCHED, "+train.max_steps=12")
    maps = maps_of(trainer)
    assert str(maps.dtype) == SINGLE
    apart = np.abs(maps.asnumpy() - single).max() / np.abs(single).max()
    assert 1e-4 < apart < 2e-2, "bfloat16 has 8 bits"
    before = trainer.network_step.network.backbone.conv.weight.asnumpy().copy()
    trainer.train()
    after = trainer.network_step.network.backbone.conv.weight.asnumpy()
    low = after.view(np.uint32) & 0xFFFF
    assert (after != before).any() and low.any() and trainer.skipped_steps == 0, "small updates are not lost in bfloat16"


def test_without_such_instructions_bfloat16_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("MINDPOINT_KERNELS", "portable")
    with pytest.raises(ConfigError, match="train.precision: bfloat16 on a CPU needs compiled kernels and avx512_bf16"):
        trainer_of(tmp_path, "bfloat16")
