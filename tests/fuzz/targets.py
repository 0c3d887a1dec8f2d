"""What is tried: functions of the bytes of an input, and valid inputs to start from. Each may raise MindpointError and nothing else."""

import io
import json
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


def checkpoints():
    import tempfile

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
    from mindpoint_centernet.weights.torch_file import read_torch_file

    (folder / "a.pth").write_bytes(data)
    read_torch_file(folder / "a.pth")


def torch_files():
    import pickle
    import tempfile

    from mindpoint_centernet.weights.torch_file import write_torch_file

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
}
"""By name: the function, and what makes valid inputs."""
