"""Exporting a network of toy parts, with the core alone: the file, what it says, what happens when it is wrong."""

import json
import os
import resource
import shutil

import mindspore as ms
import numpy as np
import onnx
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.errors import WeightsError
from mindpoint.exporting.exporters import OnnxExporter
from mindpoint.inference.mindspore_model import forward_of, open_network
from mindpoint.inference.onnx_engine import OnnxEngine
from mindpoint.inference.open import open_model
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.registry import registry
from mindspore import nn

RNG = np.random.default_rng(0)


def run_onnx(path, image):
    """Outputs by name of an ONNX file."""
    return OnnxEngine().open(path).forward({"image": image})


def maps_of(path, image):
    """Raw maps by name of any model, for any number of images."""
    return open_model(str(path)).detector.detect.forward({"image": image})


@pytest.fixture(scope="module")
def make(toy, tmp_path_factory):
    """``make(backbone)``: a checkpoint of the toy model with that backbone, random weights and statistics. ``changes``: see ``--set``."""

    def made(backbone="toy:Cells", changes=(), **arguments):
        folder = tmp_path_factory.mktemp("model")
        config = load_config(str(toy), [f"model.backbone={json.dumps({'type': backbone, **arguments})}", *changes])
        network = build_network(config)
        for name, parameter in network.parameters_dict().items():
            value = RNG.normal(0.3, 0.2, parameter.shape)
            parameter.set_data(type(parameter.data)(np.abs(value).astype(np.float32) if "variance" in name else value.astype(np.float32)))
        checkpoint.save(folder / "toy.ckpt", network, {"config": config.to_yaml(), "categories": [{"id": 90, "name": "spot"}]})
        return folder / "toy.ckpt"

    return made


LEVELS = [
    'model.heads={"_replace_": true, "levels": {"type": "export_toys:LevelHead"}}',
    "model.decoder.type=export_toys:LevelDecoder",
    '+model.inputs={"type": "export_toys:Previous"}',
    "+test.batch_size=2",
]


@pytest.fixture(scope="module")
def levels(make):
    """A model with maps at strides 4 and 8, a second input, and fields of objects that people do not have."""
    return make("export_toys:Levels", LEVELS)


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


@pytest.mark.slow
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


@pytest.mark.slow
def test_detector_of_the_file_is_that_of_the_checkpoint(cells, exported):
    changes = ["test.resolution=keep", "test.batch_size=2"]
    ours, theirs = open_model(str(exported), None, changes), open_model(str(cells), None, changes)
    images = [RNG.integers(0, 255, (*size, 3), dtype=np.uint8) for size in ((16, 16), (20, 30), (20, 30), (20, 30), (9, 16))]
    for one, other in zip(ours.detector(images), theirs.detector(images)):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-4)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.slow
def test_fixed_batch_takes_any_number_of_images(cells, capsys):
    path = cells.with_name("three.onnx")
    assert main(["export", str(cells), "--out", str(path), "--batch", "3"]) == 0
    assert "verified: " in capsys.readouterr().out
    with pytest.raises(Exception, match="Got: 2 Expected: 3"):
        run_onnx(path, np.zeros((2, 3, 16, 16), np.float32))
    image = RNG.normal(size=(5, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(maps_of(path, image)["spot"], maps_of(cells, image)["spot"], atol=1e-5)
    for changes in (["input.size=[32, 32]"], ["test.resolution=keep"]):
        with pytest.raises(WeightsError, match="accepts images of 16x16 pixels only"):
            open_model(str(path), None, changes)


@pytest.mark.slow
def test_an_operator_of_someone_else_s(make):
    path = make("export_toys:Doubled")
    assert main(["export", str(path), "--dynamic", "batch"]) == 0
    model = onnx.load(str(path.with_suffix(".onnx")))
    assert "Mul" in {node.op_type for node in model.graph.node} and not any(node.domain for node in model.graph.node)


@pytest.mark.slow
def test_a_file_that_gives_other_results_is_not_kept(make, capsys):
    path = make("export_toys:Doubled", exported=2.02)
    before = sorted(os.listdir(path.parent))
    assert "the exported file differs from the network: spot by " in refused(capsys, "export", path)
    assert sorted(os.listdir(path.parent)) == before
    assert main(["export", str(path), "--no-verify"]) == 0
    assert path.with_suffix(".onnx").is_file()


@pytest.mark.slow
def test_what_is_bound_to_its_input_cannot_be_dynamic(make, capsys):
    path = make("export_toys:Bound")
    assert "depends on the input's size; export without --dynamic" in refused(capsys, "export", path, "--dynamic", "size")
    assert main(["export", str(path)]) == 0


@pytest.mark.slow
def test_slices_are_freed(make):
    path = make("export_toys:Sliced")
    assert main(["export", str(path), "--dynamic", "batch", "size"]) == 0  # compared at two sizes and with several images


def test_unknown_operator(make, capsys):
    message = refused(capsys, "export", make("export_toys:Unknown"))
    assert (
        "backbone (Unknown): the operator Cummax cannot be exported to ONNX; see docs/deployment.md" in message and message.count("\n") == 1
    )


def test_what_a_format_cannot_do(cells, capsys, tmp_path):
    assert "AIR files can only be written on a machine with an Ascend" in refused(capsys, "export", cells, "--format", "air")
    assert "SpotDecoder cannot be exported" in refused(capsys, "export", cells, "--format", "mindir", "--decode")
    assert "SpotDecoder cannot be exported" in refused(capsys, "export", cells, "--decode")
    assert "must end in .mindir" in refused(capsys, "export", cells, "--format", "mindir", "--out", tmp_path / "a.onnx")
    for batch in (0, -1, 1025, 10**30):
        assert f"--batch is {batch}; it must be in 1..1024" in refused(capsys, "export", cells, "--batch", batch)
    assert "no such checkpoint" in refused(capsys, "export", tmp_path / "none.ckpt")
    assert "no such file or folder" in refused(capsys, "export", cells, "--out", tmp_path / "a.onnx", "--images", tmp_path / "none.jpg")
    assert os.listdir(tmp_path) == []


def test_nothing_is_overwritten(exported, cells, capsys):
    before = exported.read_bytes()
    assert "exists; remove it or choose another name" in refused(capsys, "export", cells, "--out", exported)
    assert "is already an exported model" in refused(capsys, "export", exported)
    assert exported.read_bytes() == before


def test_a_disk_that_is_full_and_a_folder_that_is_none(cells, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "cannot be created" in refused(capsys, "export", cells, "--out", tmp_path / "file" / "a.onnx")
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
        "short.onnx": "damaged, or not an ONNX file that ONNX Runtime can run",
        "noise.onnx": "damaged, or not an ONNX file",
        "empty.onnx": "damaged, or not an ONNX file",
        "noise.mindir": "damaged, or not a MINDIR file",
        "other.onnx": "was not written by 'mindpoint export'",
        "none.onnx": "no such file",
    }.items():
        assert message in refused(capsys, "eval", tmp_path / name)


class LoadsALibrary(nn.Cell):
    def __init__(self, library):
        super().__init__()
        self.run = ms.ops.Custom(f"{library}:run", out_shape=lambda shape: shape, out_dtype=lambda kind: kind, func_type="aot")

    def construct(self, image):
        return self.run(image)


def test_a_mindir_file_with_a_custom_operator_is_refused(tmp_path, capsys):
    library = tmp_path / "library.so"
    library.write_bytes(b"")
    path = tmp_path / "stranger.mindir"
    ms.export(LoadsALibrary(library), ms.Tensor(np.zeros(4, np.float32)), file_name=str(path), file_format="MINDIR")
    assert "refused: it has a custom operator" in refused(capsys, "eval", path, "--trust")


def test_a_model_for_other_classes(exported, capsys):
    assert "the model's classes are spot; those of the configuration are stain" in refused(
        capsys, "eval", exported, "--set", "classes=[stain]"
    )


def samples(times=(0.5, 0.0, 2.0)):
    sizes = ((16, 16), (20, 30), (20, 30))
    return [
        Sample(7 - row, "x", RNG.integers(0, 255, (*size, 3), dtype=np.uint8), Objects.none(), meta={"time": time})
        for row, (size, time) in enumerate(zip(sizes, times))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--decode"]], ids=["maps", "detections"])
def test_maps_at_several_strides_and_a_second_input(levels, options, capsys):
    path = levels.with_name(f"levels{''.join(options)}.onnx")
    assert main(["export", str(levels), "--out", str(path), "--dynamic", "batch", "size", *options]) == 0
    assert "at 2 sizes" in capsys.readouterr().out
    model = onnx.load(str(path))
    values = (*model.graph.input, *model.graph.output)
    shapes = {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in values}
    assert shapes["previous"] == ["batch", 2, "height", "width"] and shapes["image"] == ["batch", 3, "height", "width"]
    if not options:
        assert shapes["near"] == ["batch", 1, "map4_height", "map4_width"] and shapes["far"] == ["batch", 3, "map8_height", "map8_width"]
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(said["mindpoint.maps"]) == {"far": {"channels": 3, "stride": 8}, "near": {"channels": 1, "stride": 4}}
    assert json.loads(said["mindpoint.inputs"]) == {"previous": 2}
    images, changes = samples(), ["test.resolution=keep", "test.scales=[1.0]"]
    ours, theirs = (open_model(str(file), None, changes).detector(images) for file in (path, levels))
    assert [len(found) for found in ours] == [2, 2, 2]
    for one, other in zip(ours, theirs):
        for name in ("boxes", "scores", "labels", "depth", "turn"):
            np.testing.assert_allclose(one.values[name], other.values[name], atol=1e-4)
    still = open_model(str(path), None, changes).detector(samples((0, 0, 0)))
    assert not np.allclose(still[2].scores, ours[2].scores)  # the second input counts


@pytest.mark.slow
def test_the_message_names_the_field_that_differs(make, capsys):
    for wrong in ("turn", "boxes"):
        path = make("export_toys:Levels", [*LEVELS, f"+model.decoder.wrong={wrong}"])
        message = refused(capsys, "export", path, "--decode")
        assert "differs from the network: 100.0%" in message and f"most often in '{wrong}'" in message


def test_further_inputs_must_be_those_of_the_network(levels, capsys):
    for change, message in (
        ("model.inputs=null", "the network needs the further inputs previous; add model.inputs"),
        ("+model.inputs.name=before", "provides before (2 channels), but the network needs previous (2 channels)"),
        ("+model.inputs.count=3", "provides previous (3 channels), but the network needs previous (2 channels)"),
    ):
        assert message in refused(capsys, "eval", levels, "--set", change)


def test_a_file_that_decodes_has_no_heads_to_replace(levels, capsys):
    path = levels.with_name("inside.onnx")
    assert main(["export", str(levels), "--out", str(path), "--decode", "--no-verify"]) == 0
    assert "the file includes the decoder" in refused(capsys, "eval", path, "--oracle", "all")
    message = refused(capsys, "eval", path, "--set", "model.decoder.type=toy:SpotDecoder")
    assert "returns boxes with depth [], turn [], but the decoder declares center [1, 2]" in message


@pytest.mark.slow
def test_a_node_that_is_bound_to_a_size_is_one_message(make, capsys):
    path = make("export_toys:Stuck")
    message = refused(capsys, "export", path, "--dynamic", "size")
    assert message.count("\n") == 1 and "export without --dynamic size" in message
    assert main(["export", str(path)]) == 0


class MineExporter(OnnxExporter):
    suffix = ".mine"
    options = frozenset(("batch",))


class MineEngine(OnnxEngine):
    suffixes = (".mine",)


@pytest.mark.slow
def test_a_format_of_a_plugin(cells, capsys):
    """Written with ``--format``, opened by its ending, refused where it cannot do something; unknown without the plugin."""
    path = cells.with_suffix(".mine")
    assert "unknown exporter 'mine'" in refused(capsys, "export", cells, "--format", "mine")
    with registry("exporters").registered("mine", MineExporter), registry("engines").registered("mine", MineEngine):
        assert main(["export", str(cells), "--format", "mine"]) == 0
        assert "verified: " in capsys.readouterr().out
        image = RNG.normal(size=(2, 3, 16, 16)).astype(np.float32)
        np.testing.assert_allclose(maps_of(path, image)["spot"], maps_of(cells, image)["spot"], atol=1e-5)
        assert "is already an exported model" in refused(capsys, "export", path)
        message = refused(capsys, "export", cells, "--format", "mine", "--decode", "--out", cells.with_name("b.mine"))
        assert "; mine does not support it" in message
    assert "not a checkpoint: names of" in refused(capsys, "eval", path)


def test_an_exported_file_needs_the_decoder_only(exported, tmp_path, capsys):
    """Somebody else's network, loss, data and hooks are not installed where the file runs."""
    model = onnx.load(str(exported))
    for entry in model.metadata_props:
        if entry.key == "mindpoint.config":
            for name in ("Cells", "SpotHead", "SpotLoss", "Spots", "SpotTargets", "Whole", "Accuracy"):
                entry.value = entry.value.replace(f"toy:{name}", f"absent_package:{name}")
            entry.value = entry.value.replace("mindpoint.hooks.console", "absent_package").replace("mindpoint.optim", "absent_package")
    onnx.save(model, str(tmp_path / "theirs.onnx"))
    assert len(open_model(str(tmp_path / "theirs.onnx")).detector([np.zeros((16, 16, 3), np.uint8)])[0]) == 1
    assert main(["eval", str(tmp_path / "theirs.onnx")]) == 2  # for lack of what eval builds, and nothing else
    lines = capsys.readouterr().err.splitlines()[1:]
    assert [line.split(" ")[1] for line in lines] == ["data.val.dataset.type:", "test.metric.type:"]


@pytest.mark.slow
def test_mindir_in_a_new_process(cells, capsys):
    path = cells.parent / "my model [1] #①é" / "many.mindir"  # MindSpore itself takes letters of ASCII alone
    path.parent.mkdir()
    assert main(["export", str(cells), "--format", "mindir", "--out", str(path), "--dynamic", "batch"]) == 0
    assert "verified: " in capsys.readouterr().out
    image = RNG.normal(size=(4, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(maps_of(path, image)["spot"], maps_of(cells, image)["spot"], atol=1e-5)
    shutil.copy(path, path.with_name("short.mindir"))
    os.truncate(path.with_name("short.mindir"), path.stat().st_size // 2)
    assert "damaged" in refused(capsys, "eval", path.with_name("short.mindir"))
