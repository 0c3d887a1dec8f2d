"""Prediction whose stages overlap, and live sources: the newest frame, several at once, reconnecting."""

import json
import os
import threading
from pathlib import Path

import cv2
import mindpoint
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.errors import ConfigError, DataError
from mindpoint.inference.live import Live
from mindpoint.model import checkpoint
from mindpoint.model.network import build_network
from mindpoint.runtime.ahead import ahead
from toy import Spots

WAIT = 20  # seconds that no test needs if all is well


class TestAhead:
    def test_order_and_end(self):
        assert list(ahead(iter(range(100)), 3)) == list(range(100))

    def test_an_item_is_made_while_another_one_is_used(self):
        second = threading.Event()

        def items():
            yield 1
            second.set()
            yield 2

        made = ahead(items(), 1)
        assert next(made) == 1 and second.wait(WAIT)
        assert next(made) == 2

    def test_no_more_than_said_are_made(self):
        taken, many = [], threading.Event()

        def items():
            for number in range(100):
                taken.append(number)
                if number == 4:
                    many.set()
                yield number

        made = ahead(items(), 2)
        assert next(made) == 0
        assert not many.wait(0.3) and len(taken) <= 4  # used, two waiting, one in hand
        made.close()
        assert len(taken) <= 4

    def test_an_error_comes_after_what_was_made_before(self):
        def items():
            yield 1
            raise DataError("broken")

        made = ahead(items(), 5)
        assert next(made) == 1
        with pytest.raises(DataError, match="broken"):
            next(made)

    def test_closing_ends_the_thread_and_the_items(self):
        before, closed = threading.active_count(), []

        def items():
            try:
                yield from range(1000)
            finally:
                closed.append(True)

        made = ahead(items(), 2)
        next(made)
        made.close()
        assert closed == [True] and threading.active_count() == before


@pytest.fixture(scope="module")
def model(toy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    config = load_config(str(toy))
    arrays = {name: parameter.asnumpy() for name, parameter in build_network(config).parameters_dict().items()}
    checkpoint.save(folder / "toy.ckpt", arrays, {"config": config.to_yaml()})
    assert main(["export", str(folder / "toy.ckpt"), "--dynamic", "batch"]) == 0
    return str(folder / "toy.onnx")


@pytest.fixture
def predictor(model):
    return mindpoint.Predictor(model, threshold=0, batch_size=2)


def video(path, count, zoom=4):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25.0, (16 * zoom, 16 * zoom))
    for index in range(count):
        writer.write(np.kron(Spots(1000)[index].image, np.ones((zoom, zoom, 1), np.uint8)))
    writer.release()
    return path


def address(path):
    """Return the address of a file in place of a network camera; it delivers as fast as it is read."""
    return f"file://{path}"


@pytest.mark.slow
def test_what_is_found_does_not_depend_on_threads(predictor, tmp_path):
    clip = str(video(tmp_path / "a.mp4", 9))
    (tmp_path / "b.png").write_text("no image")
    pictures = [Spots(1000)[index].image for index in range(5)]
    seen = []
    for threads in (False, True):
        told = []
        found = list(predictor.stream([clip, str(tmp_path / "b.png"), *pictures], skipped=told.append, ahead=threads))
        assert len(told) == 1
        seen.append([(one.source, one.frame, one.time, one.to_records()) for one in found])
    assert seen[0] == seen[1] and len(seen[0]) == 14


def test_an_error_ends_the_stream_where_it_belongs(predictor, tmp_path):
    (tmp_path / "b.png").write_text("no image")
    stream = predictor.stream([Spots(9)[0].image, Spots(9)[1].image, str(tmp_path / "b.png"), Spots(9)[2].image], ahead=True)
    assert next(stream) and next(stream)
    with pytest.raises(DataError, match="b.png"):
        next(stream)


def test_every_nth_frame(predictor, model, tmp_path, monkeypatch):
    clip = video(tmp_path / "a.mp4", 8)
    assert [found.frame for found in predictor.stream(str(clip), every=3)] == [0, 3, 6]
    assert [found.frame for found in predictor.stream([str(clip), Spots(1)[0].image], every=3, frames=4)] == [0, 3, None]
    monkeypatch.chdir(tmp_path)
    assert main(["predict", model, str(clip), "--every", "3", "--out", "out", "--threshold", "0"]) == 0
    assert [record["frame"] for record in json.loads(Path("out/predictions.json").read_text())] == [0, 3, 6]
    with pytest.raises(ConfigError, match="every: 0 is not in 1"):
        predictor.stream(str(clip), every=0)


def test_of_a_live_source_the_newest_frame_is_taken(predictor, tmp_path):
    live, all_read = Live(), threading.Event()
    stream = predictor.stream(address(video(tmp_path / "a.mp4", 40)), live=live)
    frames = [next(stream).frame]
    for _ in range(200):  # the source is read to its end while nobody asks
        if live.read == 40:
            break
        all_read.wait(0.05)
    frames += [found.frame for found in stream]
    assert frames[-1] == 39 and len(frames) == 2 and frames[0] < 39
    assert live.read == 40 and live.dropped == 38 and len(live.latencies) == 2
    assert str(live).startswith("38 of 40 frames dropped for newer ones, ") and live.latencies[1] > 0


def test_several_live_sources_take_turns(predictor, tmp_path):
    addresses = [address(video(tmp_path / f"{name}.mp4", 200)) for name in "ab"]
    live = Live()
    found = list(predictor.stream(addresses, live=live))
    for name in addresses:
        frames = [one.frame for one in found if one.source == name]
        assert frames == sorted(set(frames)) and frames[-1] == 199
    assert live.read == 400 and live.dropped == 400 - len(found)


@pytest.mark.slow
def test_a_stream_that_begins_late_and_breaks_off_is_opened_again(predictor, tmp_path):
    ready, path = video(tmp_path / "ready.mp4", 4), tmp_path / "street.mp4"
    threading.Timer(0.5, lambda: os.replace(ready, path)).start()
    read = []
    live = Live(reconnect=WAIT)
    found = list(predictor.stream(address(path), frames=6, live=live, skipped=read.append))
    assert found[-1].frame == 5 and live.read == 6 and read == []  # four, and two after it was opened again
    times = [one.time for one in found]
    assert times == sorted(times)


def test_a_live_source_that_fails_is_told_and_the_others_go_on(predictor, tmp_path):
    told = []
    names = [address(tmp_path / "none.mp4"), address(video(tmp_path / "a.mp4", 5))]
    found = list(predictor.stream(names, live=Live(), skipped=told.append))
    assert found[-1].frame == 4 and [str(error) for error in told] == [f"camera {names[0]}: cannot be opened"]
    with pytest.raises(DataError, match="cannot be opened"):
        list(predictor.stream(names[0], live=Live()))


def test_a_live_source_with_too_large_frames_ends_and_the_others_go_on(predictor, tmp_path, monkeypatch):
    monkeypatch.setattr("mindpoint.inference.predictor.LONGEST", 100)
    told, names = [], [address(video(tmp_path / "large.mp4", 5, zoom=8)), address(video(tmp_path / "a.mp4", 5))]
    found = list(predictor.stream(names, live=Live(), skipped=told.append))
    assert found[-1].frame == 4 and {one.source for one in found} == {names[1]}
    assert [str(error) for error in told] == [
        f"{names[0]}: an image of 128x128 is too large; make it smaller, to at most 100 pixels per side"
    ]


def test_the_command_writes_a_video_of_each_live_source_and_tells_what_was_dropped(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = [address(video(tmp_path / f"{name}.mp4", 60)) for name in "ab"]
    assert main(["predict", model, *names, "--live", "--out", "out", "--threshold", "0"]) == 0
    said = capsys.readouterr().out
    records = json.loads(Path("out/predictions.json").read_text())
    for name in names:
        capture = cv2.VideoCapture(f"out/{Path(name).name}")
        written = 0
        while capture.read()[0]:
            written += 1
        assert written == sum(record["image"] == name for record in records) > 0
    assert f"{120 - len(records)} of 120 frames dropped for newer ones, " in said and "from reading to prediction" in said


def test_mistakes(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    clip = video(tmp_path / "a.mp4", 2)
    for arguments, message in (
        ([str(clip), "--live"], "a.mp4: is not live; only cameras and URLs are"),
        ([str(clip), "--reconnect", "3"], "--reconnect needs --live"),
        ([address(clip), "--live", "--reconnect", "-1"], "--reconnect is -1; it must be at least 0 seconds"),
        ([str(clip), "--every", "0"], "--every: 0 is not in 1"),
    ):
        assert main(["predict", model, *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert not Path("runs").exists() or not os.listdir("runs/predict")
