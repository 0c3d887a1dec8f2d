"""Exporting a network of toy parts, with the core alone: the file, what it says, what happens when it is wrong."""

import json
import os
import resource
import shutil

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.model import checkpoint
from mindpoint.inference.mindspore_model import forward_of, open_network
from mindpoint.inference.open import open_model
from mindpoint.model.network import build_network
from mindpoint.inference.onnx_engine import OnnxEngine
from mindpoint.errors import WeightsError
from mindpoint.export.onnx_dynamic import free_sizes

RNG = np.random.default_rng(0)


def run_onnx(path, image):
    """Outputs by name of an ONNX file."""
    return OnnxEngine().open(path).forward({"image": image})


def maps_of(path, image):
    """Raw maps by name of any model, for any number of images."""
    return open_model(str(path)).detector.detect.forward({"image": image})


@pytest.fixture(scope="module")
def make(toy, tmp_path_factory):
    """``make(backbone)``: a checkpoint of the toy model with that backbone, random weights and statistics."""

    def made(backbone="toy:Cells", **arguments):
        folder = tmp_path_factory.mktemp("model")
        config = load_config(str(toy), [f"model.backbone={json.dumps({'type': backbone, **arguments})}"])
        network = build_network(config)
        for name, parameter in network.parameters_dict().items():
            value = RNG.normal(0.3, 0.2, parameter.shape)
            parameter.set_data(type(parameter.data)(np.abs(value).astype(np.float32) if "variance" in name else value.astype(np.float32)))
        checkpoint.save(folder / "toy.ckpt", network, {"config": config.to_yaml(), "categories": [{"id": 90, "name": "spot"}]})
        return folder / "toy.ckpt"

    return made


@pytest.fixture(scope="module")
def cells(make):
    return make()


@pytest.fixture(scope="module")
def exported(cells):
    """The toy model as a file for any batch and size."""
    path = cells.with_name("any.onnx")
    assert main(["export", str(cells), "--out", str(path), "--dynamic", "batch", "size"]) == 0
    return path


def refused(capsys, *arguments):
    """The one message of a command that must fail."""
    code = main([str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert code == 2 and error.startswith("mindpoint: error: ") and "Traceback" not in error, (code, error)
    return error


def test_any_batch_and_size_give_the_network_s_maps(cells, exported):
    network = open_network(cells, None, []).network
    for shape in ((1, 3, 16, 16), (5, 3, 16, 16), (2, 3, 32, 12)):
        image = RNG.normal(size=shape).astype(np.float32)
        np.testing.assert_allclose(run_onnx(exported, image)["spot"], forward_of(network)({"image": image})["spot"], atol=1e-5)


def test_the_file_is_standard_and_says_what_it_is(exported):
    model = onnx.load(str(exported))
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import if opset.domain == ""] == [("", 19)]
    names = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert names == {"image": ["batch", 3, "height", "width"], "spot": ["batch", 1, "map_height", "map_width"]}
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(said["mindpoint.fields"]) == [{"name": "center", "shape": [1, 2], "type": "float32", "names": ["0"]}]
    assert json.loads(said["mindpoint.category_ids"]) == [90] and json.loads(said["mindpoint.inputs"]) == {}
    preprocessing = json.loads(said["mindpoint.preprocessing"])
    assert (preprocessing["color"], preprocessing["mean"], preprocessing["std"], preprocessing["size"]) == (
        "bgr",
        [0.4] * 3,
        [0.3] * 3,
        [16, 16],
    )
    assert json.loads(said["mindpoint.maps"]) == {"spot": {"channels": 1, "stride": 4}} and "toy:SpotDecoder" in said["mindpoint.config"]


def test_detector_of_the_file_is_that_of_the_checkpoint(cells, exported):
    changes = ["test.resolution=keep", "test.batch_size=2"]
    ours, theirs = open_model(str(exported), None, changes), open_model(str(cells), None, changes)
    images = [RNG.integers(0, 255, (*size, 3), dtype=np.uint8) for size in ((16, 16), (20, 30), (20, 30), (20, 30), (9, 16))]
    for one, other in zip(ours.detector(images), theirs.detector(images)):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-4)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


def test_fixed_batch_takes_any_number_of_images(cells, capsys):
    path = cells.with_name("three.onnx")
    assert main(["export", str(cells), "--out", str(path), "--batch", "3"]) == 0
    assert "verified: " in capsys.readouterr().out
    with pytest.raises(Exception, match="Got: 2 Expected: 3"):
        run_onnx(path, np.zeros((2, 3, 16, 16), np.float32))
    image = RNG.normal(size=(5, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(maps_of(path, image)["spot"], maps_of(cells, image)["spot"], atol=1e-5)
    for changes in (["input.size=[32, 32]"], ["test.resolution=keep"]):
        with pytest.raises(WeightsError, match="takes images of 16x16 pixels only"):
            open_model(str(path), None, changes)


def test_an_operator_of_someone_else_s(make):
    path = make("export_toys:Doubled")
    assert main(["export", str(path), "--dynamic", "batch"]) == 0
    model = onnx.load(str(path.with_suffix(".onnx")))
    assert "Mul" in {node.op_type for node in model.graph.node} and not any(node.domain for node in model.graph.node)


def test_a_file_that_gives_other_results_is_not_kept(make, capsys):
    path = make("export_toys:Doubled", exported=2.02)
    before = sorted(os.listdir(path.parent))
    assert "the exported file differs from the network: spot by " in refused(capsys, "export", path)
    assert sorted(os.listdir(path.parent)) == before
    assert main(["export", str(path), "--no-verify"]) == 0
    assert path.with_suffix(".onnx").is_file()


def test_what_is_bound_to_its_input_cannot_be_dynamic(make, capsys):
    path = make("export_toys:Bound")
    assert "is bound to the input's size; export without --dynamic" in refused(capsys, "export", path, "--dynamic", "size")
    assert main(["export", str(path)]) == 0


def test_slices_are_freed(make):
    path = make("export_toys:Sliced")
    assert main(["export", str(path), "--dynamic", "batch", "size"]) == 0  # compared at two sizes and with several images


def test_unknown_operator(make, capsys):
    message = refused(capsys, "export", make("export_toys:Unknown"))
    assert "MindSpore cannot export this network to ONNX" in message and message.count("\n") == 1


def test_reshapes_are_freed():
    def graph(batch, pixels):
        shape = numpy_helper.from_array(np.array([batch, 4, pixels]), "shape")
        node = helper.make_node("Reshape", ["x", "shape"], ["y"])
        return helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)], [], [shape])

    freed = graph(1, 16)
    free_sizes(freed, graph(2, 48))
    assert numpy_helper.to_array(freed.initializer[0]).tolist() == [0, 4, -1]
    freed = graph(3, 16)
    free_sizes(freed, graph(3, 48))
    assert numpy_helper.to_array(freed.initializer[0]).tolist() == [3, 4, -1]


def test_what_a_format_cannot_do(cells, capsys, tmp_path):
    assert "AIR files can only be written on a machine with an Ascend" in refused(capsys, "export", cells, "--format", "air")
    assert "--decode is for --format onnx" in refused(capsys, "export", cells, "--format", "mindir", "--decode")
    assert "SpotDecoder cannot be put into an exported file" in refused(capsys, "export", cells, "--decode")
    assert "must end in .mindir" in refused(capsys, "export", cells, "--format", "mindir", "--out", tmp_path / "a.onnx")
    assert "at least one image" in refused(capsys, "export", cells, "--batch", 0)
    assert "no such checkpoint" in refused(capsys, "export", tmp_path / "none.ckpt")
    assert "no such file or folder" in refused(capsys, "export", cells, "--out", tmp_path / "a.onnx", "--images", tmp_path / "none.jpg")
    assert os.listdir(tmp_path) == []


def test_nothing_is_overwritten(exported, cells, capsys):
    before = exported.read_bytes()
    assert "exists; remove it or choose another name" in refused(capsys, "export", cells, "--out", exported)
    assert "is an exported model already" in refused(capsys, "export", exported)
    assert exported.read_bytes() == before


def test_a_disk_that_is_full_and_a_folder_that_is_none(cells, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot be made" in refused(capsys, "export", cells, "--out", tmp_path / "file" / "a.onnx")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # bytes: the first write behind them fails
        message = refused(capsys, "export", cells, "--out", tmp_path / "a.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "a.onnx" in message and "File too large" in message
    assert os.listdir(tmp_path) == ["file"]


def test_files_that_are_no_model(exported, tmp_path, capsys):
    content = exported.read_bytes()
    (tmp_path / "short.onnx").write_bytes(content[: len(content) // 2])
    (tmp_path / "noise.onnx").write_bytes(RNG.bytes(5000))
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "noise.mindir").write_bytes(RNG.bytes(5000))
    model = onnx.load(str(exported))
    del model.metadata_props[:]
    onnx.save(model, str(tmp_path / "other.onnx"))
    for name, message in {
        "short.onnx": "damaged, or no ONNX file that ONNX Runtime can run",
        "noise.onnx": "damaged, or no ONNX file",
        "empty.onnx": "damaged, or no ONNX file",
        "noise.mindir": "damaged, or not a MINDIR file",
        "other.onnx": "was not written by 'mindpoint export'",
        "none.onnx": "no such file",
    }.items():
        assert message in refused(capsys, "eval", tmp_path / name)


def test_a_model_for_other_classes(exported, capsys):
    assert "the model's classes are spot; those of the configuration are stain" in refused(
        capsys, "eval", exported, "--set", "classes=[stain]"
    )


@pytest.mark.slow
def test_mindir_in_a_new_process(cells, capsys):
    path = cells.with_name("many.mindir")
    assert main(["export", str(cells), "--format", "mindir", "--out", str(path), "--dynamic", "batch"]) == 0
    assert "verified: " in capsys.readouterr().out
    image = RNG.normal(size=(4, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(maps_of(path, image)["spot"], maps_of(cells, image)["spot"], atol=1e-5)
    shutil.copy(path, path.with_name("short.mindir"))
    os.truncate(path.with_name("short.mindir"), path.stat().st_size // 2)
    assert "damaged" in refused(capsys, "eval", path.with_name("short.mindir"))
