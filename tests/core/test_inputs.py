"""What predict takes, passes over and refuses; times and rates of videos; names that need care in CSV and JSON."""

import csv
import io
import json
import os
from pathlib import Path

import cv2
import mindpoint
import numpy as np
import PIL.Image
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.prediction import Source
from mindpoint.errors import ConfigError, DataError
from mindpoint.inference import sources
from mindpoint.inference.sources import IMAGES, find_sources, frames_of
from mindpoint.inference.video import Video
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.storage.images import read_image
from toy import Spots

HERE = Path(__file__).parent
IMAGE = np.kron(Spots(1000)[7].image, np.ones((4, 4, 1), np.uint8))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    config = load_config(str(HERE / "toy.yaml"), [])
    path = str(tmp_path_factory.mktemp("model") / "toy.ckpt")
    arrays = {name: value.asnumpy() for name, value in build_network(config).parameters_dict().items()}
    checkpoint.save(path, arrays, {"config": config.to_yaml()})
    return path


@pytest.fixture(scope="module")
def predictor(model):
    return mindpoint.Predictor(model, threshold=0)


def same(first, second):
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(first.detections.scores, second.detections.scores)


def test_pillow_images_are_what_their_files_are(predictor, tmp_path):
    """Colours, grey, palette, alpha, one bit, 16 bits, and an EXIF orientation."""
    colour = PIL.Image.fromarray(np.ascontiguousarray(IMAGE[:, :40, ::-1]))
    deep = PIL.Image.fromarray(IMAGE[:, :, 0].astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    for image in (colour, colour.convert("L"), colour.convert("P"), colour.convert("RGBA"), colour.convert("1"), deep):
        image.save(tmp_path / "a.png")
        same(predictor(image), predictor(tmp_path / "a.png"))
        same(predictor.predict_all([image])[0], next(predictor.stream(PIL.Image.open(tmp_path / "a.png"))))
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    colour.save(tmp_path / "turned.jpg", exif=exif, quality=100, subsampling=0)
    turned = predictor(PIL.Image.open(tmp_path / "turned.jpg"))
    assert turned.image.shape == (40, 64, 3) == predictor(tmp_path / "turned.jpg").image.shape
    assert np.abs(turned.image.astype(int) - predictor(tmp_path / "turned.jpg").image).max() <= 3


def test_a_damaged_pillow_image(predictor):
    file = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)).save(file, "png")
    with pytest.raises(DataError, match="Pillow image: cannot be decoded"):
        predictor(PIL.Image.open(io.BytesIO(file.getvalue()[:2000])))


@pytest.mark.parametrize(
    "item, kind",
    [(b"\x89PNG", "bytes"), (bytearray(b"1"), "bytearray"), ([[1, 2, 3]], "list"), ({"a": 1}, "dict"), (0.5, "float"), (True, "bool"),
     (None, "NoneType"), (object(), "object")],
)  # fmt: skip
def test_other_objects_are_refused_at_the_call(predictor, item, kind):
    for call in (predictor, lambda item: predictor.predict_all([item]), lambda item: predictor.stream([item])):
        with pytest.raises(DataError, match=f"^{kind} is not an image.*: give an array, a Pillow image, the path of a file, or a camera"):
            call(item)
    if kind != "list":
        with pytest.raises(DataError, match=f"^{kind} is not an image"):
            predictor.stream(item)
    with pytest.raises(DataError, match=f"^{kind} is not an image"):
        list(predictor.stream(iter([IMAGE, item])))


def test_numbers_are_cameras(predictor, monkeypatch):
    opened = []
    monkeypatch.setattr(sources, "_open", lambda place: opened.append(place) or cv2.VideoCapture())
    for number in (3, np.int64(3), "3"):
        with pytest.raises(DataError, match="camera 3: cannot be opened"):
            list(predictor.stream(number))
        with pytest.raises(DataError, match="is not a single image"):
            predictor(number)
    assert opened == [3, 3, 3]
    for number in (-1, 2**31, 10**30, 10**5000):
        with pytest.raises(DataError, match=r"a camera number must be in 0..2147483647"):
            predictor.stream(number)


@pytest.mark.parametrize("number", [0, -3, 10**30])
def test_counts_have_ranges(model, predictor, number):
    with pytest.raises(ConfigError, match="batch_size: .* is not in 1..1024"):
        mindpoint.Predictor(model, batch_size=number)
    with pytest.raises(ConfigError, match="frames: .* is not in 1..2147483647"):
        predictor.stream(IMAGE, frames=number)


WRITTEN = {".jfif": ".jpg", ".jpe": ".jpg", ".dib": ".bmp", ".pnm": ".ppm", ".pbm": ".pbm", ".pgm": ".pgm"}


@pytest.mark.parametrize("ending", IMAGES)
def test_opencv_reads_every_ending_that_is_found(tmp_path, ending):
    image = IMAGE if ending not in (".pgm", ".pbm") else IMAGE[:, :, 0]
    encoded, data = cv2.imencode(WRITTEN.get(ending, ending), image)
    (tmp_path / f"a{ending.upper()}").write_bytes(data.tobytes())
    assert encoded and cv2.haveImageReader(str(tmp_path / f"a{ending.upper()}"))
    (source,) = find_sources([str(tmp_path)])
    assert source.kind == "image" and read_image(source.name).shape == IMAGE.shape


def test_images_that_opencv_does_not_read_are_counted(tmp_path, caplog):
    """Files called ``._...``, which macOS leaves, are neither images nor counted."""
    cv2.imwrite(str(tmp_path / "a.png"), IMAGE)
    for name in ("b.heic", "c.HEIC", "d.cr2", "._a.png", "._b.heic", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    expected = [Source(str(tmp_path / "a.png"), "image")]
    for place in (str(tmp_path), f"{tmp_path}/*"):
        caplog.clear()
        assert find_sources([place]) == expected
        text = "skipped images that OpenCV cannot read: 1 .cr2, 2 .heic; convert them to .png or .jpg"
        assert [record.getMessage() for record in caplog.records] == [f"{place}: {text}"]
    caplog.clear()
    assert find_sources([f"{tmp_path}/*.png"]) == expected and not caplog.records
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="folder holds no image or video .*--recursive.*; skipped images .*: 1 .cr2, 2 .heic"):
        find_sources([str(tmp_path)])


def gif(path, milliseconds):
    """A film whose frames are shown for so long each."""
    images = [PIL.Image.fromarray(np.roll(IMAGE, 3 * index, 1)) for index in range(len(milliseconds))]
    images[0].save(path, save_all=True, append_images=images[1:], duration=milliseconds, loop=0)


def rate_and_frames(path):
    capture, times = cv2.VideoCapture(str(path)), []
    while capture.read()[0]:
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    return capture.get(cv2.CAP_PROP_FPS), len(times), times[-1]


def test_frames_have_the_times_of_their_file(model, tmp_path, monkeypatch):
    """And the drawn video has their mean rate."""
    monkeypatch.chdir(tmp_path)
    shown = [100, 100, 100, 2000, 100, 100]
    gif("vary.gif", shown)
    assert main(["predict", model, "vary.gif", "--out", "found", "--format", "json,pictures"]) == 0
    times = [record["time"] for record in json.loads(Path("found/predictions.json").read_text())]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 2.3, 2.4])
    assert rate_and_frames("found/vary.mp4")[:2] == (pytest.approx(5 / 2.4, rel=1e-3), 6)


class Capture:
    """A capture of black frames whose positions are given, in milliseconds."""

    def __init__(self, positions, rate):
        self.positions, self.rate, self.index = positions, rate, -1

    def read(self):
        self.index += 1
        return (True, np.zeros((8, 8, 3), np.uint8)) if self.index < len(self.positions) else (False, None)

    def get(self, what):
        return {cv2.CAP_PROP_FPS: self.rate, cv2.CAP_PROP_POS_MSEC: self.positions[min(self.index, len(self.positions) - 1)]}.get(what, 0)

    def isOpened(self):
        return True

    def release(self):
        pass


@pytest.mark.parametrize(
    "positions, times",
    [
        ([0, 100, 250], [0, 0.1, 0.25]),
        ([0, 0, 0], [0, 0.2, 0.4]),
        ([0, 100, 50, 400], [0, 0.1, 0.3, 0.4]),
        ([float("nan")] * 3, [0, 0.2, 0.4]),
        ([9e6, 9e6 + 40, 9e6 + 80], [0, 0.04, 0.08]),
    ],
)
def test_times_rise(monkeypatch, positions, times):
    """Where the file's own do not, the rate counts. A camera's clock may begin anywhere."""
    monkeypatch.setattr(sources, "_open", lambda place: Capture(positions, 5))
    assert [frame.time for frame in frames_of(Source("3", "camera"))] == pytest.approx(times)


@pytest.mark.parametrize(
    "rate, written",
    [
        (66.667, 66.67),
        (105.611, 105.61),
        (239.999, 240),
        (333.333, 333.33),
        (999.99, 1000),
        (59.94, 59.94),
        (30000 / 1001, 29.97),
        (0.5, 0.5),
    ],
)
def test_rates_that_mpeg4_cannot_hold_are_rounded(tmp_path, rate, written):
    video = Video(tmp_path / "a.mp4", rate)
    for _ in range(3):
        video.add(IMAGE)
    video.close()
    assert rate_and_frames(tmp_path / "a.mp4")[:2] == (pytest.approx(written, abs=1e-6), 3)


def test_times_decide_the_rate_of_a_long_video(tmp_path):
    """Its rate is known only at its end; the length is right too."""
    video = Video(tmp_path / "a.mp4", 30)
    for index in range(100):
        video.add(IMAGE, index / 50 if index < 50 else 1 + (index - 50) / 5)
    video.close()
    rate, count, last = rate_and_frames(tmp_path / "a.mp4")
    assert count == 100 and rate == pytest.approx(99 / 10.8, rel=1e-3) and last == pytest.approx(10.8, rel=1e-2)


def test_a_video_that_cannot_be_drawn_costs_nothing_else(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("a.gif", "b.gif"):
        gif(name, [100, 100])
    cv2.imwrite("c.png", IMAGE)
    real = cv2.VideoWriter
    monkeypatch.setattr(cv2, "VideoWriter", lambda path, *more: real("" if path.endswith("a.mp4") else path, *more))
    assert main(["predict", model, "a.gif", "b.gif", "c.png", "--out", "found"]) == 2
    error = capsys.readouterr().err
    assert "found/a.mp4: cannot be written as a video of 64x64 with 100 frames per second" in error and "Traceback" not in error
    assert sorted(os.listdir("found")) == ["b.mp4", "c.jpg", "coco_results.json", "predictions.csv", "predictions.json"]
    assert len(json.loads(Path("found/predictions.json").read_text())) == 5 and rate_and_frames("found/b.mp4")[:2] == (pytest.approx(10), 2)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_texts_are_no_formulas(model, tmp_path, monkeypatch, start):
    """A cell of text begins with an apostrophe where a spreadsheet would calculate; numbers stay as they are."""
    monkeypatch.chdir(tmp_path)
    name = f"{start}1+1.png"
    cv2.imwrite("1.png", IMAGE)
    os.rename("1.png", name)
    changes = ["--set", f"classes={json.dumps([start + 'spot'])}"]
    assert main(["predict", model, "*.png", "--threshold", "0", "--out", "found", "--format", "csv,json", *changes]) == 0
    with open("found/predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows and {(row["image"], row["class"]) for row in rows} == {("'" + name, f"'{start}spot")}
    assert all(float(row["left"]) < float(row["right"]) for row in rows)
    assert json.loads(Path("found/predictions.json").read_text())[0]["image"] == name


def test_names_that_are_not_utf8(model, tmp_path, monkeypatch):
    """JSON gives the name back to Python; CSV shows the bytes; a video of such a name is told and skipped."""
    monkeypatch.chdir(tmp_path)
    os.mkdir("in")
    cv2.imwrite("in/a.png", IMAGE)
    gif("in/b.gif", [100, 100])
    os.rename(b"in/a.png", b"in/caf\xe9.png")
    os.rename(b"in/b.gif", b"in/caf\xe9.gif")
    assert main(["predict", model, "in", "--threshold", "0", "--out", "found"]) == 2
    record = json.loads(Path("found/predictions.json").read_text())[0]
    assert os.fsencode(record["image"]) == b"in/caf\xe9.png"
    assert "in/caf\\udce9.png," in Path("found/predictions.csv").read_text(encoding="utf-8")
    assert b"caf\xe9.jpg" in os.listdir(b"found")


def test_names_do_not_steer_the_terminal(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("\x1b]0;title\x07.png").write_text("no image")
    assert main(["predict", model, ".", "--out", "found\x1b[2J", "--format", "json"]) == 2
    out, err = capsys.readouterr()
    assert "\\x1b]0;title\\x07.png" in err and "found\\x1b[2J" in out and "\x1b" not in out + err
