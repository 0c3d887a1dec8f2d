"""A checkpoint for giving away."""

import hashlib
import os

import mindspore as ms
import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.errors import OutputError, WeightsError
from mindpoint.inference.open import open_model
from mindpoint.model import checkpoint
from mindpoint.model.publish import publish
from mindpoint.training.build import build_trainer


@pytest.fixture(scope="module")
def run(toy, tmp_path_factory):
    """A folder with the checkpoint of a short training that averages its weights."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    folder.mkdir()
    trainer = build_trainer(load_config(str(toy), ["train.epochs=1", "+train.ema=0.9"]), folder)
    trainer.train()
    return folder


@pytest.mark.slow
def test_it_holds_the_averaged_network_and_nothing_of_the_training(run):
    place = run / "last.ckpt"
    path, averaged = publish(place)
    before, after = checkpoint.load(place), checkpoint.load(path)
    assert averaged and path.parent == run and set(after.arrays) == set(before.network_arrays)
    for name, array in after.arrays.items():
        np.testing.assert_array_equal(array, before.arrays.get(f"average.{name}", before.arrays[name]))
    assert any(not np.array_equal(array, before.arrays[name]) for name, array in after.arrays.items())
    assert "state" not in after.info and after.info["config"] == before.info["config"] and after.info["metrics"] == before.info["metrics"]
    assert path.stat().st_size < place.stat().st_size / 2
    path.unlink()


def test_the_name_tells_the_content(run, tmp_path):
    first = publish(run / "last.ckpt", tmp_path / "given.ckpt").path
    assert first.name == f"given-{hashlib.sha256(first.read_bytes()).hexdigest()[:8]}.ckpt" and os.listdir(tmp_path) == [first.name]
    with pytest.raises(OutputError, match="exists, with the same content"):
        publish(run / "last.ckpt", tmp_path / "given.ckpt")
    assert os.listdir(tmp_path) == [first.name]


@pytest.mark.slow
def test_it_finds_what_the_original_finds(run, tmp_path):
    path = publish(run / "last.ckpt", tmp_path / "given.ckpt").path
    image = np.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    ours, theirs = (open_model(str(place), trust=True).detector([image])[0] for place in (path, run / "last.ckpt"))
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    np.testing.assert_array_equal(ours.boxes, theirs.boxes)


def test_what_cannot_be_published(run, tmp_path):
    with pytest.raises(OutputError, match="must end in .ckpt"):
        publish(run / "last.ckpt", tmp_path / "given.pth")
    checkpoint.save(tmp_path / "part.ckpt", {"backbone.w": ms.Tensor(np.zeros(3, np.float32)).asnumpy()}, {"purpose": "initial weights"})
    with pytest.raises(WeightsError, match="has no configuration"):
        publish(tmp_path / "part.ckpt")
