"""The official implementation's weights through this project into an ONNX file, and its numbers out of ONNX Runtime."""

import json

import numpy as np
import pytest
from mindpoint.config import load_config
from mindpoint.exporting.request import Request
from mindpoint.exporting.write import export
from mindpoint.inference.onnx_engine import OnnxEngine
from mindpoint.inference.open import open_model
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.model.translate import load_official, read_state
from mindpoint.storage.images import read_image
from mindpoint.storage.torch_file import write_torch_file
from mindpoint_centernet.weights import convert
from mindpoint_centernet.weights.dla import DLARules
from mindpoint_parity.decode import columns
from mindpoint_parity.end_to_end import missed, overrides
from mindpoint_parity.seeded import golden_state

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def official(golden, tmp_path_factory):
    """A checkpoint of the shipped configuration with the seeded official weights."""
    path = tmp_path_factory.mktemp("official") / "dla34.ckpt"
    config = load_config("dla34_dcn_coco", ["input.size=[256, 256]"])
    network = build_network(config)
    assert load_official(network, golden_state(golden), DLARules()).complete
    checkpoint.save(path, network, {"config": config.to_yaml()})
    return path


def test_heads_and_detections_of_the_reference(official, golden, coco_mini):
    path = official.with_suffix(".onnx")
    said = export(Request(official, "onnx", batch=None, dynamic_size=True, images=[coco_mini / "val2017" / "000000000139.jpg"]), None, [])
    assert "verified: " in said
    expected = dict(np.load(golden / "network.npz"))
    image = np.random.Generator(np.random.PCG64(expected.pop("seed").tolist())).standard_normal((1, 3, 256, 256)).astype(np.float32)
    found = OnnxEngine().open(path).forward({"image": image})
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-3, rtol=0, err_msg=name)
    with np.load(golden / "end_to_end.npz") as file:
        cases = sorted({name.split("/")[0] for name in file.files})
        assert len(cases) >= 4
        for case in cases:
            meta = json.loads(str(file[f"{case}/meta"]))
            detector = open_model(str(path), None, overrides(meta)).detector
            rows = columns(detector([read_image(coco_mini / "val2017" / meta["file_name"])])[0])
            assert missed(rows, file[f"{case}/results"], pixels=0.05, score=1e-3) <= 0.02, case


def test_portable_and_decoding_inside(official, golden, coco_mini):
    """The case of one image, one scale and no mirrored copy, from a file that gives detections."""
    path = official.with_name("decoded.onnx")
    export(Request(official, "onnx", str(path), decode=True, portable=True, images=[coco_mini / "val2017" / "000000000139.jpg"]), None, [])
    with np.load(golden / "end_to_end.npz") as file:
        meta = json.loads(str(file["case0/meta"]))
        assert (meta["fix_res"], meta["flip_test"], meta["scales"]) == (True, False, [1])
        found = open_model(str(path)).detector([read_image(coco_mini / "val2017" / meta["file_name"])])[0]
        assert missed(columns(found), file["case0/results"], pixels=0.05, score=1e-3) <= 0.02


def test_an_official_detector_to_onnx_and_back(tmp_path, golden_ctdet, coco_mini):
    """The seeded ``ctdet`` file, converted without a configuration: the official maps from ONNX Runtime, and every official name again."""
    state = golden_state(golden_ctdet)
    write_torch_file(tmp_path / "ctdet.pth", state)
    assert convert.convert(str(tmp_path / "ctdet.pth"), str(tmp_path / "ctdet.ckpt")).whole
    image = coco_mini / "val2017" / "000000000139.jpg"
    export(Request(tmp_path / "ctdet.ckpt", "onnx", batch=None, dynamic_size=True, images=[image]), None, [])
    expected = dict(np.load(golden_ctdet / "network.npz"))
    noise = np.random.Generator(np.random.PCG64(expected.pop("seed").tolist())).standard_normal((1, 3, 256, 256)).astype(np.float32)
    found = OnnxEngine().open(tmp_path / "ctdet.onnx").forward({"image": noise})
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-3, rtol=0, err_msg=name)
    convert.convert_back(str(tmp_path / "ctdet.ckpt"), str(tmp_path / "back.pth"))
    assert {name: value.shape for name, value in read_state(tmp_path / "back.pth").items()} == {
        name: value.shape for name, value in state.items()
    }
