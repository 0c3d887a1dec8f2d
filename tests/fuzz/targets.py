"""Fuzz targets: functions of an input's bytes, which may raise only MindpointError, and valid inputs to start from."""

import contextlib
import functools
import io
import json
import os
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
from mindpoint.config import Config, load_config, shipped

BASE = """\
input: {size: [64, 96], mean: [0.4, 0.4, 0.4], std: [0.3, 0.3, 0.3]}
classes: [person]
model: &m
  backbone: {type: DLA34, depth: 3}
  neck: {type: DLAUp}
  heads: {pose: {type: MultiPoseHeads, head_conv: 64}}
  decoder: {type: MultiPoseDecoder, top_k: 10}
test: {scales: [1, 0.5], resolution: fixed}
train: {epochs: 3, freeze: [biases], weights: '${classes.0}-${seed}.ckpt'}
seed: 7
"""


def texts():
    names = ("quickstart", "dla34_dcn_coco")
    return [BASE.encode(), *(load_config(name).to_yaml().encode() for name in names if name in shipped())]


def config_file(data: bytes, folder: Path) -> None:
    (folder / "a.yaml").write_bytes(data)
    _use(load_config(str(folder / "a.yaml"), parts=()))
    load_config(str(folder / "a.yaml"))


def embedded_config(data: bytes, folder: Path) -> None:
    config = Config.from_text(data.decode("utf-8", "replace"), "a.ckpt")
    _use(config)
    _use(config.changed(["test.flip=true"]))


def override(data: bytes, folder: Path) -> None:
    _use(Config.from_text(BASE, "a.yaml", data.decode("utf-8", "replace").split("\n"), trusted=True))


def _use(config: Config) -> None:
    config.section("test"), config.input_spec, config.classes, config.stem
    again = Config.from_text(config.to_yaml(), "again", trusted=True, parts=())
    assert repr(again.data) == repr(config.data)


def overrides():
    lines = [
        "train.epochs=5",
        "+hooks.x={type: Console}",
        "test.scales=[1, 2]",
        "model.backbone=null",
        "train.weights=a #b",
        "input.size.0=5",
    ]
    return [line.encode() for line in (*lines, "\n".join(lines))]


def json_file(data: bytes, folder: Path) -> None:
    from mindpoint.storage.json_file import read_json

    (folder / "a.json").write_bytes(data)
    read_json(folder / "a.json", "list")


def jsons():
    return [json.dumps({"images": [{"id": 3, "size": [1.5, -2e-7]}], "ä": [None, True, '\\\n"[{']}).encode(), b"[[1, 2], {}, []]"]


def checkpoint_file(data: bytes, folder: Path) -> None:
    from mindpoint.model import checkpoint

    (folder / "a.ckpt").write_bytes(data)
    checkpoint.load(folder / "a.ckpt")


def checkpoint_with_check_sum(data: bytes, folder: Path) -> None:
    checkpoint_file(data[:-17] + b"crc_num" + zlib.crc32(data[:-17]).to_bytes(10, "big"), folder)


def plain_checkpoint(data: bytes, folder: Path) -> None:
    from mindpoint.model import checkpoint

    (folder / "a.ckpt").write_bytes(data)
    checkpoint.load_plain(folder / "a.ckpt")


def plain_checkpoints():
    from mindpoint.model import checkpoint

    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder) / "a.ckpt", {"network.a": np.ones((3, 4), np.float32), "moment1.a": np.ones(2, np.float16)}, None)
        return [(Path(folder) / "a.ckpt").read_bytes()]


def checkpoints():
    from mindpoint.model import checkpoint

    with tempfile.TemporaryDirectory() as folder:
        arrays = {"backbone.a": np.ones((3, 4), np.float32), "heads.b": np.arange(5), "average.c": np.ones(2, np.float16)}
        checkpoint.save(Path(folder) / "a.ckpt", arrays, {"config": BASE, "epoch": 3})
        return [(Path(folder) / "a.ckpt").read_bytes()]


def image_file(data: bytes, folder: Path) -> None:
    from mindpoint.storage.images import read_image

    (folder / "a.png").write_bytes(data)
    read_image(folder / "a.png")


def images():
    picture = np.random.default_rng(3).integers(0, 255, (12, 17, 3), np.uint8)
    encoded = [cv2.imencode(ending, picture)[1].tobytes() for ending in (".png", ".jpg", ".webp", ".bmp", ".tiff", ".ppm")]
    for form in ("PNG", "JPEG", "WEBP", "TIFF", "GIF"):
        file, image = io.BytesIO(), PIL.Image.fromarray(picture)
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(file, form, exif=exif.tobytes())
        encoded.append(file.getvalue())
    return encoded


def torch_file(data: bytes, folder: Path) -> None:
    from mindpoint.storage.torch_file import read_torch_file

    (folder / "a.pth").write_bytes(data)
    read_torch_file(folder / "a.pth")


def torch_files():
    import pickle

    from mindpoint.storage.torch_file import write_torch_file

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pth"
        write_torch_file(path, {"a": np.ones((3, 4), np.float32), "b": np.array(7, np.int64)}, epoch=3)
        with zipfile.ZipFile(path) as archive:
            inner = archive.read("archive/data.pkl")
        legacy = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {}, {"a": [1, (2, 3)]}, []))
        return [path.read_bytes(), legacy, inner]


def torch_pickle(data: bytes, folder: Path) -> None:
    """The pickle inside a sound archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/data/0", bytes(48))
        archive.writestr("archive/data/1", bytes(8))
    torch_file(file.getvalue(), folder)


ANNOTATIONS = {
    "images": [{"id": number, "file_name": f"{number}.png", "width": 17, "height": 12} for number in (1, 2)],
    "annotations": [
        {
            "id": number,
            "image_id": 1 + number % 2,
            "category_id": 1,
            "bbox": [1.5, 2, 6, 7],
            "area": 42.0,
            "iscrowd": 0,
            "num_keypoints": 2,
            "keypoints": [3, 4, 2, 5, 6, 1] + [0] * 45,
        }
        for number in (3, 4, 5)
    ],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_eye"], "skeleton": [[1, 2]]}],
}
RESULTS = [{"image_id": 1, "category_id": 1, "score": 0.5, "bbox": [1, 2, 3, 4], "keypoints": [3, 4, 2] * 17} for _ in range(3)]


def _command(*arguments) -> None:
    """Run the program in this process, without what it prints; what is not a message comes out as an exception."""
    from mindpoint.cli.main import main

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert main([str(argument) for argument in arguments]) in (0, 1, 2)


def _write_images(folder: Path) -> None:
    for number in (1, 2):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((12, 17, 3), 90 * number, np.uint8))


def checked_annotations(data: bytes, folder: Path) -> None:
    _write_images(folder)
    (folder / "a.json").write_bytes(data)
    for name in ("mended", "stats"):
        shutil.rmtree(folder / name, ignore_errors=True)
    _command("data", "check", folder / "a.json", "--images", folder, "--fix", folder / "mended", "--drop")
    assert (folder / "a.json").read_bytes() == data
    _command("data", "stats", folder / "a.json", "--images", folder, "--out", folder / "stats")


def read_annotations(data: bytes, folder: Path) -> None:
    from mindpoint_coco.datasets.coco import CocoDataset

    _write_images(folder)
    (folder / "a.json").write_bytes(data)
    found = CocoDataset(str(folder / "a.json"), str(folder), ["person"], load_config("quickstart").vocabulary["keypoints"])
    found.ready_to_train()
    for index in range(len(found)):
        found[index]
    found.ground_truth()


def annotations():
    """With joints that are as many as their names, and with others."""
    joints = [{**record, "keypoints": [3, 4, 2, 5, 6, 1]} for record in ANNOTATIONS["annotations"]]
    return [json.dumps(content).encode() for content in (ANNOTATIONS, {**ANNOTATIONS, "annotations": joints})]


def result_file(data: bytes, folder: Path) -> None:
    _write_images(folder)
    (folder / "a.json").write_text(json.dumps(ANNOTATIONS))
    (folder / "r.json").write_bytes(data)
    dataset = f"{{type: CocoDataset, annotations: {folder / 'a.json'}, images: {folder}}}"
    shutil.rmtree(folder / "out", ignore_errors=True)
    _command(
        "eval", "--results", folder / "r.json", "--config", "quickstart", "--set", f"data.val.dataset={dataset}", "--out", folder / "out"
    )


def result_files():
    return [json.dumps(RESULTS).encode()]


def export_metadata(data: bytes, folder: Path) -> None:
    """The metadata of an exported file, a JSON text each, as what opens the file reads them."""
    from mindpoint.config.node import Trust
    from mindpoint.inference.metadata import ExportMetadata

    try:
        values = dict(json.loads(data))
    except (TypeError, ValueError, RecursionError):
        values = {"mindpoint.format": "2", "mindpoint.maps": data.decode("latin-1")}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    facts = ExportMetadata.from_metadata(texts, folder)
    assert facts.specs is not None and len(facts.size) == 2
    facts.configuration(folder, None, [], ("model.decoder",), Trust.MODEL)


def exports():
    from mindpoint.inference.metadata import FORMAT, KEY, preprocessing_of

    config = load_config("quickstart")
    facts = {
        "config": config.to_yaml(),
        "classes": ["person"],
        "category_ids": [1],
        "fields": [{"name": "keypoints", "shape": [17, 3], "type": "float32", "names": ["nose"]}],
        "preprocessing": preprocessing_of(config),
        "maps": {"hm": {"channels": 1, "stride": 4}},
        "inputs": {},
        "divisor": 32,
        "decoded": False,
        "batch": None,
        "dynamic_size": True,
        "format": str(FORMAT),
        "version": "0.1.0",
    }
    return [json.dumps({f"{KEY}.{name}": value for name, value in facts.items()}).encode()]


def onnx_files():
    """A network of three pooled outputs, with the metadata of an export."""
    import onnx
    from mindpoint.inference.metadata import KEY
    from onnx import TensorProto, helper

    channels = {"hm": 2, "wh": 2, "reg": 2}
    pooled = helper.make_node("AveragePool", ["image"], ["small"], kernel_shape=[4, 4], strides=[4, 4])
    weights = [helper.make_tensor(f"w_{name}", TensorProto.FLOAT, [count, 3, 1, 1], [0.1] * 3 * count) for name, count in channels.items()]
    nodes = [pooled, *(helper.make_node("Conv", ["small", f"w_{name}"], [name]) for name in channels)]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, 16, 24]) for name, count in channels.items()]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 96])
    graph = helper.make_graph(nodes, "g", [image], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    facts = json.loads(exports()[0])
    changes = {"config": DETECTOR, "classes": ["a", "b"], "category_ids": [1, 2], "fields": [], "batch": 1, "dynamic_size": False}
    changes["maps"] = {name: {"channels": count, "stride": 4} for name, count in channels.items()}
    changes["preprocessing"] = {**facts[f"{KEY}.preprocessing"], "size": [64, 96]}
    facts.update({f"{KEY}.{name}": value for name, value in changes.items()})
    helper.set_model_props(model, {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()})
    onnx.checker.check_model(model)
    return [model.SerializeToString()]


DETECTOR = """\
input: {size: [64, 96], mean: [0.4, 0.4, 0.4], std: [0.3, 0.3, 0.3]}
classes: [a, b]
model:
  backbone: {type: DLA34}
  heads: {boxes: {type: DetectionHeads}}
  decoder: {type: DetectionDecoder}
test: {resolution: fixed}
"""


def onnx_file(data: bytes, folder: Path) -> None:
    """An exported file as a whole: its graph, its weights and its metadata."""
    from mindpoint import Predictor

    (folder / "a.onnx").write_bytes(data)
    found = Predictor(folder / "a.onnx", engine="onnxruntime")(np.full((40, 60, 3), 99, np.uint8))
    assert len(found) == len(found.detections.scores)


def video_file(data: bytes, folder: Path) -> None:
    from mindpoint.inference.sources import find_sources, frames_of

    (folder / "a.avi").write_bytes(data)
    for source in find_sources([str(folder / "a.avi")]):
        assert [frame.index for frame in frames_of(source, 50)] != []


def videos():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 12.5, (32, 24))
        for number in range(4):
            writer.write(np.full((24, 32, 3), 50 * number, np.uint8))
        writer.release()
        moving = io.BytesIO()
        frames = [PIL.Image.new("RGB", (12, 8), (50 * number, 9, 9)) for number in range(3)]
        frames[0].save(moving, "GIF", save_all=True, append_images=frames[1:], duration=100)
        return [path.read_bytes(), moving.getvalue()]


def command_line(data: bytes, folder: Path) -> None:
    """Arguments of commands that need no network: one a line."""
    arguments = data.decode("utf-8", "surrogateescape").replace("\0", "").split("\n")
    (folder / "a.json").write_text(json.dumps(ANNOTATIONS))
    if not any(word in arguments for word in ("--out", "--fix", "--json")):
        shutil.rmtree(folder / "data-stats-a", ignore_errors=True)
        with contextlib.suppress(SystemExit), _inside(folder):  # of argparse: 2 with its own message
            _command(*(argument.replace("FOLDER", str(folder)) for argument in arguments))


@contextlib.contextmanager
def _inside(folder: Path):
    """Make ``folder`` the current one."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def command_lines():
    lines = (
        ["data", "check", "FOLDER/a.json", "--images", "FOLDER", "--area", "0.5", "--no-images"],
        ["data", "stats", "FOLDER/a.json", "--images", "FOLDER"],
        ["config", "show", "quickstart", "--set", "train.epochs=3", "--set", "seed=5"],
        ["config", "check", "quickstart", "--set", "input.size=[64, 64]", "--set", "+data.val.max_images=7"],
        ["runs", "compare", "FOLDER"],
        ["plugins", "show", "MultiPoseDecoder"],
    )
    return ["\n".join(words).encode() for words in lines]


@functools.lru_cache(maxsize=None)
def _record_files() -> dict:
    """Return the bytes of sound converted data, by the names of their files."""
    from mindpoint_coco.datasets.coco import CocoDataset
    from mindpoint_coco.datasets.mindrecord_writer import convert

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_images(folder)
        (folder / "a.json").write_text(json.dumps(ANNOTATIONS))
        convert(CocoDataset(str(folder / "a.json"), str(folder), ["person"]), folder / "records", 1, False)
        return {path.name: path.read_bytes() for path in (folder / "records").iterdir()}


def _converted(folder: Path) -> Path:
    records = folder / "records"
    records.mkdir(exist_ok=True)
    for name, content in _record_files().items():
        (records / name).write_bytes(content)
    return records


def _read_records(folder: Path) -> None:
    from mindpoint_coco.datasets.mindrecord import MindRecordDataset

    found = MindRecordDataset(str(folder), ["person"])
    for index in range(len(found)):
        found[index]
    found.damage()
    found.ground_truth()


def record_manifest(data: bytes, folder: Path) -> None:
    from mindpoint_coco.datasets.mindrecord_columns import MANIFEST

    records = _converted(folder)
    (records / MANIFEST).write_bytes(data)
    _read_records(records)


def record_file(data: bytes, folder: Path, name: str = "images.mindrecord") -> None:
    """Converted data with one file changed, whose hash is made to fit."""
    from mindpoint_coco.datasets.mindrecord_columns import MANIFEST, file_hash, manifest_hash

    records = _converted(folder)
    (records / name).write_bytes(data)
    manifest = json.loads((records / MANIFEST).read_text())
    manifest["files"][name].update(size=len(data), sha256=file_hash(str(records / name)))
    manifest["sha256"] = manifest_hash(manifest)
    (records / MANIFEST).write_text(json.dumps(manifest))
    _read_records(records)


def record_index(data: bytes, folder: Path) -> None:
    record_file(data, folder, "images.mindrecord.db")


def _record(name: str):
    return lambda: [_record_files()[name]]


TARGETS = {
    "config_file": (config_file, texts),
    "embedded_config": (embedded_config, texts),
    "override": (override, overrides),
    "json_file": (json_file, jsons),
    "image_file": (image_file, images),
    "torch_file": (torch_file, torch_files),
    "torch_pickle": (torch_pickle, torch_files),
    "checkpoint_file": (checkpoint_file, checkpoints),
    "checkpoint_with_check_sum": (checkpoint_with_check_sum, checkpoints),
    "plain_checkpoint": (plain_checkpoint, plain_checkpoints),
    "checked_annotations": (checked_annotations, annotations),
    "read_annotations": (read_annotations, annotations),
    "result_file": (result_file, result_files),
    "export_metadata": (export_metadata, exports),
    "onnx_file": (onnx_file, onnx_files),
    "video_file": (video_file, videos),
    "command_line": (command_line, command_lines),
    "record_manifest": (record_manifest, _record("manifest.json")),
    "record_file": (record_file, _record("images.mindrecord")),
    "record_index": (record_index, _record("images.mindrecord.db")),
}
"""By name: the function, and what makes valid inputs."""
