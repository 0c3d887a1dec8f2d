"""Prediction with the toy model, which finds the one bright cell of an image: every kind of input, every output read by a common reader."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import mindpoint
import mindspore as ms
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.contracts.prediction import Source
from mindpoint.contracts.writer import PredictionWriter
from mindpoint.errors import ConfigError, DataError
from mindpoint.inference import sources
from mindpoint.inference.sources import find_sources, to_image
from mindpoint.inference.video import Video
from mindpoint.inference.writers import harmless_cell, picture_names
from mindpoint.model import checkpoint
from mindpoint.registry import registry
from mindpoint.runtime.progress import track
from pycocotools.coco import COCO
from toy import Spots

HERE = Path(__file__).parent
LARGE = 4  # the pictures here are so many times as large as the toy's


def picture(index):
    """An image of 64x64 and the middle of its bright cell, x and y."""
    sample = Spots(1000)[index]
    left, top, right, bottom = sample.objects.boxes[0] * LARGE
    return np.kron(sample.image, np.ones((LARGE, LARGE, 1), np.uint8)), ((left + right) / 2, (top + bottom) / 2)


def video(path, count, fourcc="mp4v", rate=7.0, size=(64, 64)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), rate, size)
    for index in range(count):
        writer.write(cv2.resize(picture(index)[0], size, interpolation=cv2.INTER_NEAREST))
    writer.release()
    assert path.stat().st_size > 1000
    return path


def frames(path):
    capture = cv2.VideoCapture(str(path))
    found = []
    while True:
        there, image = capture.read()
        if not there:
            return found, capture.get(cv2.CAP_PROP_FPS)
        found.append(image)


def center(record):
    point = record["objects"][0]["center"][0]
    return point["x"], point["y"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    assert main(["train", str(HERE / "toy.yaml"), "--out", str(folder), "--set", "train.epochs=8"]) == 0
    return str(folder)


@pytest.fixture(scope="module")
def predictor(run):
    return mindpoint.Predictor(run, batch_size=2)


@pytest.fixture
def predict(run, tmp_path, monkeypatch, capsys):
    """The command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        code = main(["predict", run, *map(str, arguments)])
        return (code, *capsys.readouterr())

    return call


@pytest.mark.slow
def test_every_kind_of_image(predict, tmp_path):
    """Colour, grey, alpha, 16 bits and an EXIF orientation: the same spot in each."""
    image, (x, y) = picture(3)
    cv2.imwrite("1.png", image)
    cv2.imwrite("2.png", cv2.cvtColor(image, cv2.COLOR_BGR2GRAY))
    cv2.imwrite("3.png", np.dstack([image, np.full(image.shape[:2], 9, np.uint8)]))
    cv2.imwrite("4.png", image.astype(np.uint16) * 257)
    cv2.imwrite("5.tiff", image.astype(np.uint16) * 257)
    turned = cv2.imencode(".jpg", cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE))[1].tobytes()
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"  # orientation 6: to be turned to the right
    Path("6.jpg").write_bytes(turned[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + turned[2:])
    code, out, err = predict(".", "--out", "found", "--batch", 4)
    assert code == 0 and "6 objects in 6 images" in out and not err
    records = json.loads(Path("found/predictions.json").read_text())
    assert [record["image"] for record in records] == ["1.png", "2.png", "3.png", "4.png", "5.tiff", "6.jpg"]
    for record in records:
        assert center(record) == pytest.approx((x, y), abs=1) and (record["width"], record["height"]) == (64, 64)
        drawn = cv2.imread(f"found/{Path(record['image']).stem}.jpg").astype(int)
        assert np.abs(drawn - image).max() > 50


@pytest.mark.slow
def test_for_a_few_images_nothing_is_compiled(predict):
    """One image and sixteen run operator by operator, seventeen in a graph; each is found in the same way."""
    for number in range(17):
        cv2.imwrite(f"{number:02}.png", picture(number)[0])
    centers = {}
    for count, mode in ((1, ms.PYNATIVE_MODE), (16, ms.PYNATIVE_MODE), (17, ms.GRAPH_MODE)):
        code, _, err = predict(*(f"{number:02}.png" for number in range(count)), "--out", count, "--format", "json")
        assert code == 0 and ms.get_context("mode") == mode, err
        centers[count] = [center(record) for record in json.loads(Path(f"{count}/predictions.json").read_text())]
    for count in (1, 16):
        assert centers[count] == [pytest.approx(expected, abs=1e-3) for expected in centers[17][:count]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "\n=1", "＝1", "＠a"])
def test_no_cell_is_a_formula(text):
    assert harmless_cell(text) == "'" + text
    assert [harmless_cell(cell) for cell in ("a=b", -1, -0.5, "")] == ["a=b", -1, -0.5, ""]


def test_the_formats_say_the_same_and_open_in_common_readers(predict):
    for index in (11, 205):
        cv2.imwrite(f"{index:012d}.png", picture(index)[0])
    assert predict("*.png", "--out", "found")[0] == 0
    records = json.loads(Path("found/predictions.json").read_text())
    assert [(record["id"], Path(record["image"]).name) for record in records] == [(11, "000000000011.png"), (205, "000000000205.png")]
    rows = list(csv.DictReader(Path("found/predictions.csv").read_text().splitlines()))
    truth = COCO()
    truth.dataset = {"images": [{"id": 11}, {"id": 205}], "annotations": [], "categories": [{"id": 1, "name": "spot"}]}
    truth.createIndex()
    coco = truth.loadRes("found/coco_results.json")
    for record, row in zip(records, rows):
        found = record["objects"][0]
        annotation = coco.loadAnns(coco.getAnnIds(imgIds=record["id"]))[0]
        left, top, right, bottom = found["box"]
        assert annotation["bbox"] == pytest.approx([left, top, right - left, bottom - top])
        assert annotation["center"] == pytest.approx([*center(record), 1])
        assert (row["id"], row["class"], row["object"], row["frame"]) == (str(record["id"]), "spot", "0", "")
        assert [float(row[name]) for name in ("left", "top", "right", "bottom", "score")] == pytest.approx([*found["box"], found["score"]])
        assert (float(row["0_x"]), float(row["0_y"])) == center(record)


def test_video(predict):
    """Frame by frame: right number, place, time; the drawn video has the rate and size of the first."""
    video(Path("a.mp4"), 6)
    video(Path("b.avi"), 3, "MJPG", 12.5)
    code, out, err = predict("a.mp4", "b.avi", "--out", "found", "--batch", 4)
    assert code == 0 and "9 objects in 9 images" in out and not err
    records = json.loads(Path("found/predictions.json").read_text())
    assert [(record["image"], record["frame"], record["id"]) for record in records] == [
        *(("a.mp4", index, 1 + index) for index in range(6)),
        *(("b.avi", index, 7 + index) for index in range(3)),
    ]
    assert [record["time"] for record in records[:3]] == pytest.approx([0, 1 / 7, 2 / 7], abs=1e-6)
    for record in records:
        assert center(record) == pytest.approx(picture(record["frame"])[1], abs=2)
    for name, count, rate in (("a", 6, 7.0), ("b", 3, 12.5)):
        drawn, found_rate = frames(f"found/{name}.mp4")
        assert len(drawn) == count and found_rate == pytest.approx(rate)
        for index, image in enumerate(drawn):
            assert image.shape == (64, 64, 3)
            plain = cv2.resize(picture(index)[0], (64, 64)).astype(int)
            assert np.abs(image - plain).max() > 50 and np.median(np.abs(image - plain)) < 20


def test_a_video_of_odd_sides_gets_even_ones(tmp_path):
    """MPEG-4 knows no others; nothing is cut off. A later frame of another size is fitted into the first one's."""
    writer = Video(tmp_path / "a.mp4", 5)
    writer.add(np.full((65, 63, 3), 200, np.uint8))
    writer.add(np.full((130, 126, 3), 200, np.uint8))
    writer.close()
    drawn, _ = frames(tmp_path / "a.mp4")
    assert [image.shape for image in drawn] == [(66, 64, 3)] * 2 and min(image.min() for image in drawn) > 190


def test_broken_videos_are_reported_and_skipped(predict):
    Path("text.mp4").write_text("no video")
    whole = video(Path("whole.avi"), 40, "MJPG").read_bytes()
    Path("cut.avi").write_bytes(whole[: len(whole) // 2])
    Path("empty.mp4").touch()
    cv2.VideoWriter("none.avi", cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 64)).release()
    code, out, err = predict("text.mp4", "cut.avi", "empty.mp4", "none.avi", "whole.avi", "--out", "found", "--format", "json,pictures")
    assert code == 2
    lines = err.splitlines()
    assert len(lines) == 4 and all(line.startswith("mindpoint: skipped: ") for line in lines)
    assert "text.mp4: damaged, or not a video" in lines[0] and "cut.avi: damaged: only " in lines[1] and "of 40 frames" in lines[1]
    assert "none.avi: " in lines[3]
    records = json.loads(Path("found/predictions.json").read_text())
    assert sum(record["image"] == "whole.avi" for record in records) == 40
    kept = sum(record["image"] == "cut.avi" for record in records)
    assert 5 < kept < 35 and len(frames("found/cut.mp4")[0]) == kept
    assert sorted(os.listdir("found")) == ["cut.mp4", "predictions.json", "whole.mp4"]


def test_addresses_and_cameras(predict, tmp_path):
    """A file behind an address stands in for a network camera; there is no camera 0 here."""
    video(tmp_path / "street.mp4", 6)
    code, out, err = predict(f"file://{tmp_path}/street.mp4", "--frames", 4, "--out", "found")
    assert code == 0 and "in 4 images" in out, err
    assert len(frames("found/street.mp4")[0]) == 4
    if Path("/dev/video0").exists():
        return
    code, out, err = predict("0", "--out", "none", "--format", "json")
    assert code == 2 and err.splitlines() == ["mindpoint: skipped: camera 0: cannot be opened"]


def test_an_interruption_keeps_what_there_is(predict, monkeypatch):
    """As Ctrl-C while the third frame is waited for."""
    video(Path("a.mp4"), 6)
    read = sources._read

    def interrupted(*arguments):
        for frame in read(*arguments):
            if frame.index == 2:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(sources, "_read", interrupted)
    code, out, err = predict("a.mp4", "--out", "found", "--batch", 1)
    assert code == 130 and "2 objects in 2 images" in out
    assert len(json.loads(Path("found/predictions.json").read_text())) == 2 and len(frames("found/a.mp4")[0]) == 2


@pytest.mark.slow
def test_lists_patterns_and_folders(predict, monkeypatch):
    for name in ("a/1.png", "a/b/1.png", "a/b/2.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(name, picture(5)[0])
    Path("a/notes.txt").write_text("no image")
    names = lambda: [record["image"] for record in json.loads(Path("found/predictions.json").read_text())]  # noqa: E731
    expected = {
        ("a",): ["a/1.png"],
        ("a", "--recursive"): ["a/1.png", "a/b/1.png", "a/b/2.png"],
        ("a/**/[12].png",): ["a/1.png", "a/b/1.png", "a/b/2.png"],
        ("a/b/2.png", "a/b", "./a/b/2.png"): ["a/b/2.png", "a/b/1.png", "./a/b/2.png"],
    }
    for arguments, files in expected.items():
        code, _, err = predict(*arguments, "--out", "found", "--overwrite", "--format", "json")
        assert code == 0 and names() == files, err
    monkeypatch.setattr(sys, "stdin", io.StringIO("a/b/2.png\nno.png\n\na/1.png\r\n"))
    code, _, err = predict("-", "--out", "found", "--overwrite", "--format", "json,pictures")
    assert code == 2 and names() == ["a/b/2.png", "a/1.png"] and err.splitlines() == ["mindpoint: skipped: no.png: no such image file"]
    assert predict("a", "--recursive", "--out", "named", "--format", "pictures")[0] == 0
    assert sorted(os.listdir("named")) == ["1-2.jpg", "1.jpg", "2.jpg"]


@pytest.mark.slow
def test_nothing_is_overwritten(predict):
    cv2.imwrite("1.png", picture(5)[0])
    assert "coco, csv, json, pictures in runs/predict\n" in predict("1.png")[1] and "in runs/predict-2\n" in predict("1.png")[1]
    Path("mine").mkdir()
    Path("mine/predictions.csv").write_text("mine")
    Path("mine/other.txt").write_text("mine")
    code, _, err = predict("1.png", "--out", "mine")
    assert code == 2 and "mine/predictions.csv: exists; choose another folder" in err
    assert sorted(os.listdir("mine")) == ["other.txt", "predictions.csv"] and Path("mine/predictions.csv").read_text() == "mine"
    assert predict("1.png", "--out", "mine", "--format", "json")[0] == 0
    assert predict("1.png", "--out", "mine", "--overwrite")[0] == 0
    assert Path("mine/other.txt").read_text() == "mine" and len(os.listdir("mine")) == 5


@pytest.mark.parametrize("names", [("1", "01"), ("\u2460", "7"), ("\u00b2", "7"), ("\u0663", "7"), ("7", "x"), ("7", "9" * 200)])
def test_image_ids_are_numbers_only_if_all_names_are_different_decimals(predict, names):
    """Two files with one number, a circled digit, a superscript, an Arabic digit, more than 64 bits: the position counts."""
    for name in names:
        cv2.imwrite(f"{name}.png", picture(5)[0])
    assert predict(*(f"{name}.png" for name in names), "--out", "found", "--format", "json,coco")[0] == 0
    assert [record["id"] for record in json.loads(Path("found/predictions.json").read_text())] == [1, 2]
    assert [record["image_id"] for record in json.loads(Path("found/coco_results.json").read_text())] == [1, 2]


def test_coco_results_have_the_category_ids_of_the_training_data(predict, run):
    """The toy's data set numbers its class 90; a checkpoint without that number counts from 1."""
    cv2.imwrite("1.png", picture(5)[0])
    assert predict("1.png", "--out", "found", "--format", "coco")[0] == 0
    assert [record["category_id"] for record in json.loads(Path("found/coco_results.json").read_text())] == [90]
    stored = checkpoint.load(Path(run) / "best.ckpt")
    assert stored.info.pop("categories") == [{"id": 90, "name": "spot"}]
    checkpoint.save("old.ckpt", stored.network_arrays, stored.info)
    assert main(["predict", "old.ckpt", "1.png", "--out", "old", "--format", "coco"]) == 0
    assert [record["category_id"] for record in json.loads(Path("old/coco_results.json").read_text())] == [1]


def test_results_are_those_of_the_metric(predict, monkeypatch):
    cv2.imwrite("1.png", picture(5)[0])
    monkeypatch.setattr("toy.Accuracy.results", lambda self, found, truth: [{"mine": list(found), "ids": truth["categories"]}])
    assert predict("1.png", "--out", "found", "--format", "coco")[0] == 0
    assert json.loads(Path("found/coco_results.json").read_text()) == [{"mine": [1], "ids": [{"id": 90, "name": "spot"}]}]


def test_only_what_predicts_must_be_installed(run, tmp_path, capsys, caplog):
    """The model of somebody whose loss, data, metric, schedule and hooks are not here."""
    stored = checkpoint.load(Path(run) / "best.ckpt")
    text = stored.info["config"]
    for name in ("SpotLoss", "Spots", "SpotTargets", "Whole", "Accuracy"):
        text = text.replace(f"toy:{name}", f"absent_package.parts:{name}")
    for module in ("mindpoint.hooks.console", "mindpoint.optim.schedules"):
        text = text.replace(module, "absent_package.parts")
    assert text.count("absent_package") >= 7
    checkpoint.save(tmp_path / "theirs.ckpt", stored.network_arrays, {**stored.info, "config": text})
    cv2.imwrite(str(tmp_path / "1.png"), picture(5)[0])
    arguments = [str(tmp_path / "theirs.ckpt"), str(tmp_path / "1.png"), "--out", str(tmp_path / "found")]
    assert main(["predict", *arguments]) == 0
    assert "result records are written in COCO's format" in caplog.text
    assert len(json.loads((tmp_path / "found" / "coco_results.json").read_text())) == 1
    assert main(["eval", str(tmp_path / "theirs.ckpt")]) == 2
    assert "absent_package" in capsys.readouterr().err


class Lines(PredictionWriter):
    """A format as a plugin adds it: a line an image."""

    def file_names(self):
        return ["lines.txt"]

    def begin(self, folder, vocabulary):
        self.path, self.text = folder / "lines.txt", f"{vocabulary.classes} {[field.name for field in vocabulary.fields]}\n"

    def add(self, prediction, image_id):
        self.text += f"{image_id}: {len(prediction)}\n"

    def close(self):
        self.path.write_text(self.text)


def test_a_format_of_a_plugin(predict):
    cv2.imwrite("7.png", picture(5)[0])
    with registry("writers").registered("lines", Lines):
        assert predict("7.png", "--out", "found", "--format", "lines,csv")[0] == 0
        assert Path("found/lines.txt").read_text() == "['spot'] ['center']\n7: 1\n"
        code, _, err = predict("7.png", "--out", "found", "--format", "lines")
        assert code == 2 and "lines.txt: exists" in err
        assert "is not one of coco, csv, json, lines, pictures" in predict("7.png", "--format", "xml")[2]


@pytest.mark.slow
def test_opencv_is_quiet_whoever_imported_it_first(run, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "cut.mp4").write_bytes(video(tmp_path / "a.mp4", 20).read_bytes()[:3000])
    code = f"import cv2, sys; from mindpoint.cli.main import main; sys.exit(main(['predict', {run!r}, 'text.mp4', 'cut.mp4', '--trust']))"
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENCV")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={**env, "PYTHONPATH": str(HERE)}, cwd=tmp_path)
    assert done.returncode == 2 and [line[:20] for line in done.stderr.splitlines()] == ["mindpoint: skipped: "] * 2, done.stderr


def test_each_video_is_opened_once(predict, monkeypatch):
    video(Path("a.mp4"), 3)
    opened = []
    real = sources._open
    monkeypatch.setattr(sources, "_open", lambda place: opened.append(place) or real(place))
    assert predict("a.mp4", "--out", "found", "--format", "json")[0] == 0 and opened == ["a.mp4"]


def test_mistakes(predict):
    cv2.imwrite("1.png", picture(5)[0])
    for arguments, message in (
        (["*.bmp"], "*.bmp: pattern matches no image or video"),
        (["1.png", "--format", "json,xml"], "'xml' is not one of coco, csv, json, pictures"),
        (["1.png", "--threshold", "3"], "threshold: 3.0 is not allowed; it must be in 0..1"),
        (["1.png", "--batch", "0"], "--batch: 0 is not in 1..1024"),
        (["1.png", "--batch", "-3"], "--batch: -3 is not in 1..1024"),
        (["1.png", "--batch", str(10**30)], "--batch: 1000000000000000000000000000000 is not in 1..1024"),
        (["1.png", "--frames", "0"], "--frames: 0 is not in 1..2147483647"),
        (["1.png", "--frames", "-3"], "--frames: -3 is not in 1..2147483647"),
        (["1.png", "--frames", str(10**30)], "is not in 1..2147483647"),
        ([str(10**30)], "a camera number must be in 0..2147483647"),
        (["9" * 5000], "a camera number must be in 0..2147483647"),
        (["\u00b2"], "\u00b2: no such file or folder"),
    ):
        code, _, err = predict(*arguments, "--out", "found")
        assert code == 2 and message in err and len(err.splitlines()) == 1, err
    assert not Path("found").exists()


@pytest.mark.slow
def test_a_full_disk(run, tmp_path):
    """A limit on the size of files stands in for the full disk, for text and for a video, which OpenCV cuts off in silence."""
    cv2.imwrite(str(tmp_path / "1.png"), picture(5)[0])
    video(tmp_path / "a.mp4", 40)
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, resource.RLIM_INFINITY))
from mindpoint.cli.main import main
print(main(["predict", {run!r}, "a.mp4", "--out", "json", "--format", "json", "--batch", "8", "--trust"]))
print(main(["predict", {run!r}, "a.mp4", "--out", "video", "--format", "pictures", "--batch", "8", "--trust"]))
"""
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.stdout.split()[-2:] == ["2", "2"] and "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("mindpoint")]
    assert len(lines) == 2 and "json: cannot be written: File too large" in lines[0] and "video/a.mp4: cannot be written" in lines[1]
    assert os.listdir(tmp_path / "json") == os.listdir(tmp_path / "video") == []


def test_predictor_takes_arrays_and_paths(predictor, tmp_path):
    images, places = zip(*(picture(index) for index in range(5)))
    cv2.imwrite(str(tmp_path / "0.png"), images[0])
    one, same = predictor(images[0]), predictor.predict(tmp_path / "0.png")
    assert len(one) == 1 and (one.source, same.source) == (None, str(tmp_path / "0.png"))
    np.testing.assert_array_equal(one.detections.center, same.detections.center)
    found = predictor.predict_all(list(images))
    assert len(found) == 5
    for prediction, place in zip(found, places):
        assert prediction.detections.center[0, 0] == pytest.approx(place, abs=1)
    mixed = predictor.predict_all([images[1], str(tmp_path / "0.png")])
    assert [prediction.source for prediction in mixed] == [None, str(tmp_path / "0.png")]


def test_what_is_not_one_image_is_for_stream(predictor, tmp_path):
    """A method has one type of result, whatever the argument is and whatever a path leads to."""
    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a" / "0.png"), picture(0)[0])
    clip = video(tmp_path / "b.mp4", 3)
    for path in (clip, tmp_path / "a", f"{tmp_path}/a/*.png", "0"):
        for call in (predictor, predictor.predict, lambda path: predictor.predict_all([path])):
            with pytest.raises(DataError, match=r"is not a single image; use predictor.stream\(...\) for videos"):
                call(path)
    with pytest.raises(DataError, match="^list is not an image: .*; use predict_all for lists"):
        predictor([picture(0)[0]])


def test_folders_and_videos_stream(predictor, tmp_path):
    (tmp_path / "a").mkdir()
    cv2.imwrite(str(tmp_path / "a" / "0.png"), picture(0)[0])
    assert [prediction.source for prediction in predictor.stream(tmp_path / "a")] == [str(tmp_path / "a" / "0.png")]
    found = predictor.stream(str(video(tmp_path / "b.mp4", 3)))
    assert [(found.frame, found.rate, found.frames) for found in found] == [(0, 7.0, 3), (1, 7.0, 3), (2, 7.0, 3)]
    (tmp_path / "a" / "1.png").write_text("no image")
    told = []
    assert len(list(predictor.stream([tmp_path / "a", picture(1)[0]], skipped=told.append))) == 2 and len(told) == 1
    with pytest.raises(DataError, match="1.png: "):
        list(predictor.stream(tmp_path / "a"))
    with pytest.raises(DataError, match="no such file"):
        predictor("nothing.jpg")


def test_generators_stream(predictor):
    """No more than a batch is taken ahead of what is asked for; an endless one is no trouble."""
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield picture(taken[-1])[0]

    stream = predictor.stream(endless())
    for index in range(5):
        assert next(stream).detections.center[0, 0] == pytest.approx(picture(index)[1], abs=1)
        assert len(taken) <= index // 2 * 2 + 2


def test_the_decoder_hears_of_frames(predictor, tmp_path, monkeypatch):
    """Number, time and video of each frame in ``View.meta``; of a picture nothing."""
    metas = []
    decode = predictor.model.detector.detect.decode
    monkeypatch.setattr(
        predictor.model.detector.detect,
        "decode",
        lambda maps, views, mirrored: metas.extend(view.meta for view in views) or decode(maps, views, mirrored),
    )
    clip = str(video(tmp_path / "b.mp4", 3))
    list(predictor.stream([clip, picture(4)[0]]))
    times = [meta.pop("time") for meta in metas[:3]]
    assert times == pytest.approx([0, 1 / 7, 2 / 7]) and metas == [*({"frame": index, "source": clip} for index in range(3)), {}]


def test_a_batch_gives_what_single_images_give(run, predictor):
    images = [picture(index)[0] for index in range(3)]
    single = mindpoint.Predictor(run, batch_size=1)
    for first, second in zip(predictor.predict_all(images), (single(image) for image in images)):
        np.testing.assert_allclose(first.detections.center, second.detections.center)
        np.testing.assert_allclose(first.detections.scores, second.detections.scores, atol=1e-5)


def test_predictions_convert_and_draw(predictor, tmp_path):
    prediction = predictor(picture(2)[0])
    arrays = prediction.to_numpy()
    assert {name: array.shape for name, array in arrays.items()} == {"boxes": (1, 4), "scores": (1,), "labels": (1,), "center": (1, 1, 2)}
    record = prediction.to_records()[0]
    assert (record["class"], record["score"], record["box"]) == ("spot", float(arrays["scores"][0]), arrays["boxes"][0].tolist())
    assert [record["center"][0][key] for key in ("x", "y")] == arrays["center"][0, 0].tolist()
    prediction.save(tmp_path / "drawn.png")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "drawn.png")), prediction.draw())
    assert (prediction.draw() != prediction.image).any()


def test_sizes(run, predictor):
    """From one pixel to 20,000; what is too large for the network or for OpenCV is refused."""
    predictor(np.full((1, 1, 3), 7, np.uint8))
    wide = np.zeros((40, 20000, 3), np.uint8)
    wide[10:30, 15000:] = 255
    assert predictor(wide).image.shape == wide.shape
    with pytest.raises(DataError, match="1x40000 is too large; make it smaller, to at most 32766"):
        predictor(np.zeros((40000, 1), np.uint8))
    kept = mindpoint.Predictor(run, overrides=["test.resolution=keep"])
    kept(np.full((1, 1, 3), 7, np.uint8))
    with pytest.raises(DataError, match="20000x1000 is too large for the network .* test.resolution=fixed"):
        kept(np.zeros((1000, 20000), np.uint8))


@pytest.mark.parametrize(
    "array, message",
    [
        (np.zeros((4, 4, 2), np.uint8), "shape"),
        (np.zeros((2, 4, 4, 3), np.uint8), "shape"),
        (np.zeros((0, 4, 3), np.uint8), "empty"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.full((4, 4), 7.0), "0..1"),
        (np.full((4, 4), np.nan), "0..1"),
        (np.full((4, 4), 4095, np.uint16), "array: has 16 bits per channel but no number above 4095"),
        (np.dstack([np.full((4, 4), 1023, np.uint16)] * 3 + [np.full((4, 4), 65535, np.uint16)]), "no number above 1023"),
    ],
)
def test_arrays_that_are_no_images(array, message):
    with pytest.raises(DataError, match=message):
        to_image(array)


def test_arrays_become_images():
    grey = np.array([[0, 255], [128, 1]], np.uint8)
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    for array in (grey, grey[:, :, None], expected, np.dstack([expected, grey]), grey.astype(np.uint16) * 256 + 255, grey / 255):
        np.testing.assert_array_equal(to_image(array), expected)
    assert to_image(np.array([[True, False]]))[0, :, 0].tolist() == [255, 0]


def test_sources():
    assert [source.kind for source in find_sources(["0", "rtsp://host/live?x=1"])] == ["camera", "camera"]
    named = picture_names(
        [Source("0", "camera"), Source("rtsp://host/live?x=1", "camera"), Source("a/x.mov", "video"), Source("x.png", "image")]
    )
    assert list(named.values()) == ["camera-0.mp4", "live.mp4", "x.mp4", "x.jpg"]
    with pytest.raises(ConfigError):
        mindpoint.Predictor("nothing", threshold=-1)


def test_importing_is_light():
    loaded = "*(name in sys.modules for name in ('cv2', 'numpy', 'mindspore'))"
    code = f"import sys, mindpoint; print({loaded}, mindpoint.Predictor.__name__, 'mindspore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "False", "False", "Predictor", "False"], done.stderr


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_reads_the_video(predict):
    video(Path("a.mp4"), 6)
    assert predict("a.mp4", "--out", "found", "--format", "pictures")[0] == 0
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames,avg_frame_rate", "-of", "csv=p=0"]
    assert subprocess.run([*command, "found/a.mp4"], capture_output=True, text=True).stdout.strip() == "7/1,6"


def test_a_slow_first_image_does_not_stop_the_progress(monkeypatch, capsys):
    monkeypatch.setattr("mindpoint.runtime.progress.SECONDS", 0)
    assert list(track(iter("abc"), None, "looking")) == list("abc")
    assert list(track("abc", 3, "looking")) == list("abc")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == ["looking: 1", "looking: 2", "looking: 1 of 3", "looking: 2 of 3"]
