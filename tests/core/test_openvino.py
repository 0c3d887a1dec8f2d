"""OpenVINO as an engine and as a format, on the toy model; which engine is taken, and what it refuses."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.errors import WeightsError
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.inference.onnx_engine import OnnxEngine
from mindpoint.inference.open import engines_of, open_model
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network

openvino = pytest.importorskip("openvino")

from mindpoint.inference import openvino_engine  # noqa: E402
from mindpoint.inference.openvino_engine import OpenVinoEngine  # noqa: E402

RNG = np.random.default_rng(0)
LEVELS = [
    'model.backbone={"type": "export_toys:Levels"}',
    'model.heads={"_replace_": true, "levels": {"type": "export_toys:LevelHead"}}',
    "model.decoder.type=export_toys:LevelDecoder",
    '+model.inputs={"type": "export_toys:Previous"}',
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Compiled networks of these tests are not kept in the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDPOINT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def made(toy, folder, changes=()):
    """A checkpoint of the toy model with random weights."""
    config = load_config(str(toy), changes)
    network = build_network(config)
    arrays = {
        name: np.abs(RNG.normal(0.3, 0.2, parameter.shape)).astype(np.float32) for name, parameter in network.parameters_dict().items()
    }
    checkpoint.save(folder / "toy.ckpt", arrays, {"config": config.to_yaml()})
    return folder / "toy.ckpt"


@pytest.fixture(scope="module")
def cells(toy, tmp_path_factory):
    return made(toy, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def files(cells):
    """The same network as ONNX and as OpenVINO's own format, for any batch and size."""
    paths = [cells.with_name("any.onnx"), cells.with_name("any.xml")]
    for path, name in zip(paths, ("onnx", "openvino")):
        assert main(["export", str(cells), "--format", name, "--out", str(path), "--dynamic", "batch", "size"]) == 0
    return paths


def refused(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    error = capsys.readouterr().err
    assert code == 2 and error.startswith("mindpoint: error:") and "Traceback" not in error, (code, error)
    return error


@pytest.fixture
def messages():
    """Collect the framework's log messages."""
    said = []
    handler, log = logging.Handler(), logging.getLogger("mindpoint")
    handler.emit = lambda record: said.append(record.getMessage())
    log.addHandler(handler)
    level = log.level
    log.setLevel(logging.INFO)
    yield said
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.mark.slow
def test_both_files_give_in_openvino_what_onnx_runtime_gives(files):
    onnx, xml = files
    for shape in ((1, 3, 16, 16), (5, 3, 16, 16), (2, 3, 32, 12)):
        image = {"image": RNG.normal(size=shape).astype(np.float32)}
        expected = OnnxEngine().open(onnx).forward(image)["spot"]
        for path in files:
            np.testing.assert_allclose(OpenVinoEngine().open(path).forward(image)["spot"], expected, atol=1e-5)
    assert xml.with_suffix(".bin").is_file()


def test_it_says_what_the_onnx_file_says(files):
    ours, theirs = (ExportMetadata.from_metadata(OpenVinoEngine().open(path).metadata, path) for path in files)
    assert ours == theirs and theirs.precision == "float32"


@pytest.mark.slow
def test_detections_come_out_and_a_second_input_goes_in(toy, tmp_path, capsys):
    path = made(toy, tmp_path, LEVELS)
    assert main(["export", str(path), "--format", "openvino", "--decode", "--dynamic", "batch"]) == 0
    assert "100.0% of 4 detections the same" in capsys.readouterr().out


def test_the_fastest_that_is_installed_is_taken(files, monkeypatch, messages):
    onnx, xml = files
    assert [engine.title for engine in engines_of(onnx)] == ["OpenVINO", "ONNX Runtime"]
    assert [engine.title for engine in engines_of(xml)] == ["OpenVINO"]
    open_model(str(onnx))
    monkeypatch.setattr(OpenVinoEngine, "installed", lambda self: False)
    open_model(str(onnx))
    assert messages == [f"{onnx} runs in OpenVINO", f"{onnx} runs in ONNX Runtime"]


def test_an_engine_by_its_name(files, cells, capsys, messages):
    onnx, xml = files
    assert main(["eval", str(onnx), "--engine", "onnxruntime"]) == 0
    assert messages == [f"{onnx} runs in ONNX Runtime"]
    assert "the engine onnxruntime cannot open such files; openvino does" in refused(capsys, "eval", xml, "--engine", "onnxruntime")
    assert "checkpoints run in MindSpore" in refused(capsys, "eval", cells, "--engine", "openvino")
    assert "unknown engine 'openvin'" in refused(capsys, "eval", onnx, "--engine", "openvin")


def test_a_file_that_one_engine_cannot_run_goes_to_the_next(files, monkeypatch, capsys, messages):
    def broken(path):
        raise WeightsError(f"{path}: OpenVINO cannot run it")

    monkeypatch.setattr(openvino_engine, "read_model", broken)
    open_model(str(files[0]))
    assert messages == [f"{files[0]}: OpenVINO cannot run it", f"{files[0]} runs in ONNX Runtime"]
    assert "OpenVINO cannot run it" in refused(capsys, "eval", files[0], "--engine", "openvino")


def test_without_openvino_the_message_says_what_to_install(files):
    program = "import sys; sys.modules['openvino'] = None\nfrom mindpoint.cli.main import main\nsys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", program, "eval", str(files[1])], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr == (
        "mindpoint: error: this needs OpenVINO; install it with: pip install 'mindpoint[openvino]'\n"
    )


@pytest.fixture
def stranger(files, tmp_path):
    """``stranger(pattern, text)``: a copy of the file, changed at the first place that fits."""

    def change(pattern, text):
        xml = files[1].read_text(encoding="utf-8")
        changed = re.sub(pattern, text, xml, count=1)
        assert changed != xml
        (tmp_path / "stranger.xml").write_text(changed, encoding="utf-8")
        shutil.copy(files[1].with_suffix(".bin"), tmp_path / "stranger.bin")
        return tmp_path / "stranger.xml"

    return change


@pytest.mark.parametrize(
    "pattern, text, message",
    [
        (r'type="Convolution" version="opset1"', 'type="Convolution" version="extension"', "from unsupported opset: extension"),
        (r'type="Convolution"', 'type="LoadLibrary"', "LoadLibrary"),
        (r'offset="0" size="\d+"', 'offset="0" size="999999999999"', "Incorrect weights"),
        (r"(?s)</layers>.*", "", "damaged"),
        (r"<framework>", "<framework_>", "damaged"),
    ],
    ids=["an extension", "an unknown operator", "more weights than there are", "cut off", "not XML"],
)
def test_a_damaged_or_made_up_file_is_refused(stranger, capsys, pattern, text, message):
    path = stranger(pattern, text)
    error = refused(capsys, "eval", path)
    assert str(path) in error and message in error and error.count("\n") == 1
    assert ".cpp" not in error and "Check '" not in error


def test_a_tensor_larger_than_the_memory_is_refused_before_memory_is_taken(tmp_path):
    from openvino import opset8

    image = opset8.parameter([1, 3, 16, 16], np.float32, name="image")
    huge = opset8.broadcast(opset8.constant(np.float32(1)), opset8.constant(np.array([1 << 20, 1 << 20, 16])))
    model = openvino.Model([opset8.add(opset8.reduce_max(huge, np.array([0, 1, 2]), False), image)], [image])
    openvino.save_model(model, str(tmp_path / "huge.xml"), compress_to_fp16=False)
    with pytest.raises(WeightsError, match="huge.xml: refused: .* needs 17592186044416 numbers"):
        OpenVinoEngine().open(tmp_path / "huge.xml")


def test_weights_that_are_missing(stranger, capsys):
    path = stranger("<net ", "<net  ")
    path.with_suffix(".bin").unlink()
    assert "its weights are missing; put stranger.bin next to it" in refused(capsys, "eval", path)


def test_a_file_of_another_program(tmp_path, capsys):
    from openvino import opset8

    image = opset8.parameter([1, 3, 16, 16], np.float32, name="image")
    openvino.save_model(openvino.Model([opset8.relu(image)], [image]), str(tmp_path / "other.xml"))
    assert "was not written by 'mindpoint export'" in refused(capsys, "eval", tmp_path / "other.xml")


def test_neither_of_the_two_files_is_overwritten(cells, tmp_path, capsys):
    (tmp_path / "mine.bin").write_text("mine")
    message = refused(capsys, "export", cells, "--format", "openvino", "--out", tmp_path / "mine.xml")
    assert "mine.bin: exists" in message and os.listdir(tmp_path) == ["mine.bin"] and (tmp_path / "mine.bin").read_text() == "mine"


@pytest.mark.slow
def test_a_network_that_differs_leaves_no_file(toy, tmp_path, capsys):
    path = made(toy, tmp_path, ['model.backbone={"type": "export_toys:Doubled", "exported": 2.02}'])
    assert "differs from the network: spot by" in refused(capsys, "export", path, "--format", "openvino")
    assert os.listdir(tmp_path) == ["toy.ckpt"]


def test_threads_run_it_at_once_and_get_their_own_results(files):
    forward = OpenVinoEngine().open(files[1]).forward
    images = [RNG.normal(size=(1, 3, 16, 16)).astype(np.float32) for _ in range(40)]
    expected = [forward({"image": image})["spot"] for image in images]
    found = [None] * len(images)

    def run(start):
        for index in range(start, len(images), 4):
            found[index] = forward({"image": images[index]})["spot"]

    threads = [threading.Thread(target=run, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(found, expected):
        np.testing.assert_array_equal(one, other)


def test_compiled_networks_are_kept_in_a_safe_folder_and_not_without_end(files, tmp_path, monkeypatch):
    monkeypatch.setenv("MINDPOINT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(openvino_engine, "MOST_CACHED", 1)
    OpenVinoEngine().open(files[1])
    assert len(list((tmp_path / "cache" / "openvino").glob("*.blob"))) == 1
    OpenVinoEngine().open(files[0])
    assert len(list((tmp_path / "cache" / "openvino").glob("*.blob"))) == 1
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("MINDPOINT_CACHE", str(tmp_path / "open"))
    OpenVinoEngine().open(files[1])
    assert os.listdir(tmp_path / "open") == []


def test_numbers_are_those_of_float32_where_openvino_would_take_fewer_bits(files):
    """OpenVINO takes bfloat16 by itself on CPUs that have it; then the results would differ in the third digit."""
    image = {"image": RNG.normal(size=(1, 3, 64, 64)).astype(np.float32)}
    expected = OnnxEngine().open(files[0]).forward(image)["spot"]
    assert np.abs(OpenVinoEngine().open(files[1]).forward(image)["spot"] - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.fixture(scope="module")
def spots(toy, tmp_path_factory):
    return made(toy, tmp_path_factory.mktemp("spots"))


class TestReducedPrecision:
    @pytest.mark.slow
    @pytest.mark.parametrize("name, precision", [("openvino", "bfloat16"), ("openvino", "float16"), ("openvino", "int8"), ("onnx", "int8")])
    def test_the_table_is_printed_and_the_file_says_its_precision(self, spots, tmp_path, capsys, name, precision):
        out = tmp_path / f"small.{'xml' if name == 'openvino' else 'onnx'}"
        arguments = ["export", str(spots), "--format", name, "--precision", precision, "--out", str(out), "--trust", "--most-lost", "1"]
        assert main(arguments) == 0
        said = capsys.readouterr().out
        assert re.search(rf"^ +float32 +{precision} +change$", said, re.M) and f"of 16x16 in {precision}" in said
        facts = ExportMetadata.from_metadata(engines_of(out)[0].open(out).metadata, out)
        assert facts.precision == precision
        assert len(open_model(str(out), trust=True).detector([np.zeros((16, 16, 3), np.uint8)])) == 1

    @pytest.mark.slow
    def test_a_file_of_float16_is_half_as_large(self, spots, tmp_path):
        sizes = {}
        for precision in ("float32", "float16"):
            out = tmp_path / f"{precision}.xml"
            assert (
                main(["export", str(spots), "--format", "openvino", "--precision", precision, "--out", str(out), "--trust", "--no-verify"])
                == 0
            )
            sizes[precision] = out.with_suffix(".bin").stat().st_size
        assert sizes["float16"] < 0.6 * sizes["float32"]

    def test_whole_numbers_are_in_the_file(self, spots, tmp_path):
        import onnx

        assert main(["export", str(spots), "--precision", "int8", "--out", str(tmp_path / "a.onnx"), "--trust", "--no-verify"]) == 0
        graph = onnx.load(str(tmp_path / "a.onnx")).graph
        kinds = {node.op_type for node in graph.node}
        assert {"QuantizeLinear", "DequantizeLinear"} <= kinds and "BatchNormalization" not in kinds
        assert onnx.TensorProto.INT8 in {tensor.data_type for tensor in graph.initializer}

    @pytest.mark.slow
    def test_a_file_that_loses_too_much_is_refused_with_the_table(self, toy, tmp_path, capsys):
        """In the file the maps have the other sign, so the darkest place is found."""
        path = made(toy, tmp_path, ['model.backbone={"type": "export_toys:Doubled", "exported": -2.0}'])
        arguments = ["export", path, "--format", "openvino", "--precision", "bfloat16", "--trust"]
        message = refused(capsys, *arguments)
        assert re.search(r"bfloat16 loses 1\.0000 of accuracy, more than 0\.01", message) and re.search(
            r"\naccuracy +\S+ +\S+ +-1", message
        )
        assert os.listdir(tmp_path) == ["toy.ckpt"]
        assert main([*map(str, arguments), "--most-lost", "1"]) == 0
        assert "--most-lost is 2; it must be in 0..1" in refused(capsys, *arguments, "--most-lost", 2)

    @pytest.mark.slow
    def test_without_validation_data_the_detections_must_be_found_again(self, toy, tmp_path, capsys):
        path = made(toy, tmp_path, ['model.backbone={"type": "export_toys:Doubled", "exported": -2.0}'])
        absent = ["--trust", "--set", "data.val.dataset.type=absent:Data"]
        message = refused(capsys, "export", path, "--format", "openvino", "--precision", "bfloat16", *absent)
        assert "0.0% of the detections of network and bfloat16 file match" in message and "but at least 95% must match" in message

    def test_what_a_format_cannot_do(self, spots, capsys):
        assert "--precision bfloat16 needs --format openvino" in refused(capsys, "export", spots, "--precision", "bfloat16")
        message = refused(capsys, "export", spots, "--precision", "int8", "--set", "data.train.dataset.type=absent:Data", "--trust")
        assert "--precision int8 needs images for calibration; name some with --images" in message

    def test_found_again(self):
        from mindpoint.contracts.instances import Detections
        from mindpoint.exporting.reduced import found_again

        def boxes(*rows, labels=None):
            count = len(rows)
            labels = np.zeros(count, np.int64) if labels is None else np.array(labels)
            return Detections(np.array(rows, np.float32).reshape(count, 4), np.ones(count, np.float32), labels, (), {})

        ours = boxes((0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60))
        theirs = boxes((0, 0, 10, 9), (20, 20, 30, 24), (50, 50, 60, 60), labels=(0, 0, 1))
        assert found_again(ours, theirs) == 1  # overlap 0.9; 0.4; another class
        assert found_again(ours, boxes()) == 0 and found_again(boxes(), ours) == 0


def test_metadata_are_texts_only(files):
    assert all(isinstance(text, str) for text in OpenVinoEngine().open(files[1]).metadata.values())
    assert json.loads(OpenVinoEngine().open(files[1]).metadata["mindpoint.divisor"]) == 4
