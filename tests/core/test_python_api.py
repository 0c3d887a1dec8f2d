"""``mindpoint.train``, ``mindpoint.evaluate`` and ``mindpoint.export``: what a program or a notebook calls."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import cv2
import mindpoint
import mindspore
import numpy as np
import pytest
import yaml
from mindpoint.errors import ConfigError, MindpointError, OutputError, WeightsError
from mindpoint.registry import installed
from mindpoint.registry.installed import Point

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "python.md"
SHORT = ["train.epochs=2"]


@pytest.mark.slow
def test_mappings_train_evaluate_and_go_on(toy, tmp_path):
    blocks = yaml.safe_load(toy.read_text())
    first = mindpoint.train(blocks, SHORT, out=tmp_path / "run")
    assert first.run_dir == tmp_path / "run" and first.step == 10 and first.stop_reason is None
    assert set(first.losses) == {"loss", "spot_loss"} and first.checkpoint.name == "best.ckpt"
    assert mindpoint.evaluate(first.run_dir).statistics == pytest.approx(first.metrics)

    with pytest.raises(OutputError, match="is not an empty folder"):
        mindpoint.train(blocks, SHORT, out=tmp_path / "run")
    more = mindpoint.train(blocks, ["train.epochs=3"], out=tmp_path / "run", resume=True)
    assert more.step == 15
    whole = mindpoint.train(toy, ["train.epochs=3"], out=tmp_path / "whole")
    assert whole.losses == more.losses and callable(mindpoint.train), "the package of the loop has another name"


@pytest.mark.slow
def test_another_thread_and_a_loaded_configuration(toy, tmp_path):
    results = []
    config = mindpoint.config.load_config(str(toy))
    thread = threading.Thread(target=lambda: results.append(mindpoint.train(config, SHORT, out=tmp_path / "run")))
    thread.start()
    thread.join()
    assert results[0].step == 10 and np.isfinite(results[0].losses["loss"])


def test_errors_are_exceptions_and_leave_no_folder(toy, tmp_path):
    for config, message in (
        ({"_base_": str(toy), "train": {"epochs": "two"}}, "train.epochs: takes int or null, not 'two'"),
        ({"_base_": str(toy), "seed": np.float32(3)}, "a configuration holds numbers, strings, lists and mappings"),
        (tmp_path / "absent.yaml", "no such configuration file"),
    ):
        with pytest.raises(ConfigError, match=message):
            mindpoint.train(config, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_interrupt_ends_it_beside_other_threads_and_the_program_goes_on(toy, tmp_path):
    """As in a notebook: its threads are there before MindSpore, which makes a SIGTERM of the SIGINT."""
    program = f"""
import os, signal, sys, threading, time
import mindpoint
sys.path.insert(0, {str(HERE)!r})

def interrupt():
    while not os.path.exists("run/last.ckpt"):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
try:
    mindpoint.train({str(toy)!r}, ["train.epochs=1000", "hooks.checkpoint.every_steps=1"], out="run")
except mindpoint.errors.Interrupted as error:
    print("ended:", error)
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
except KeyboardInterrupt:
    print("as before")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    *_, ended, before = done.stdout.splitlines()
    assert ended.startswith("ended: SIG") and "mindpoint train run --resume --trust" in ended and before == "as before"


@pytest.mark.parametrize(
    "said, message",
    [
        (mindpoint.API, None),
        ("1", None),
        ("1.99", "acme was made for version 1.99 of mindpoint's contracts, but this is {API}; upgrade mindpoint"),
        ("0.9", "acme was made for version 0.9 of mindpoint's contracts, but this is {API}; look for a newer acme"),
        ("2.0", "upgrade mindpoint"),
        ("one", "declares the invalid version 'one' of mindpoint's contracts; write a version such as {API}"),
    ],
)
def test_a_distribution_made_for_other_contracts_is_named(said, message, monkeypatch, caplog):
    from mindpoint.registry import entries, registry
    from mindpoint.registry.doctor import examine

    points = (Point("mindpoint.api", said, "toy", "acme", "1.0"), Point("mindpoint.hooks", "Digest", "toy:Digest", "acme", "1.0"))
    monkeypatch.setattr(installed, "points", lambda: points)
    entries._warn_of_other_api.cache_clear()
    for _ in range(2):
        assert registry("hooks").get("Digest").__name__ == "Digest"
    warnings = [record.getMessage() for record in caplog.records]
    ((problem,),) = [[finding.problem for finding in examine() if finding.kind == "api"]]
    if message is None:
        assert problem is None and not warnings
    else:
        assert message.format(API=mindpoint.API) in problem and warnings == [problem]
    entries._warn_of_other_api.cache_clear()


@pytest.mark.slow
def test_a_part_s_file_that_has_changed_is_told_on_resuming(toy, tmp_path, caplog):
    file = tmp_path / "bell.py"
    file.write_text("from mindpoint.contracts.hook import Hook\n\n\nclass Bell(Hook):\n    sound = 1\n")
    blocks = {"_base_": str(toy), "hooks": {"bell": {"type": f"{file}:Bell"}}}

    def go_on(epochs):
        caplog.clear()
        mindpoint.train(blocks, [f"train.epochs={epochs}"], out=tmp_path / "run", resume=epochs > 1)
        return f"{file} has changed since {tmp_path}/run/last.ckpt" in caplog.text

    assert not go_on(1) and not go_on(2)
    file.write_text(file.read_text().replace("1", "2"))
    assert go_on(3) and not go_on(4)


@pytest.mark.slow
def test_a_network_by_name(toy, tmp_path):
    run = mindpoint.train(toy, ["train.max_steps=2"], out=tmp_path / "run")
    new, again, trained = mindpoint.create_model(toy), mindpoint.create_model(toy), mindpoint.create_model(toy, weights=run.checkpoint)
    arrays = [{name: value.asnumpy() for name, value in network.parameters_dict().items()} for network in (new, again, trained)]
    assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
    assert not all(np.array_equal(arrays[0][name], arrays[2][name]) for name in arrays[0])
    (shape,) = [value.shape for value in trained(mindspore.Tensor(np.zeros((2, 3, 16, 16), np.float32)))]
    assert shape[0] == 2 and list(trained.maps) == ["spot"]


@pytest.mark.slow
def test_the_page_on_python(toy, tmp_path, monkeypatch):
    """Its program trains, evaluates, exports and predicts; the file finds what the network finds."""
    program = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)[1]
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(toy.read_text())
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    cv2.imwrite("photo.jpg", image)
    here = {}
    exec(program, here)
    run, exported = here["result"], here["exported"]
    assert Path("drawn.jpg").exists() and here["evaluation"].statistics == pytest.approx(run.metrics)
    assert exported.path == Path("mine.onnx") and "mine.onnx" in exported.report and "verified" in exported.report
    theirs, ours = (mindpoint.Predictor(model, threshold=0)(image).detections for model in (run.run_dir, exported.path))
    assert len(ours) and np.allclose(ours.boxes, theirs.boxes, atol=1e-3) and np.allclose(ours.scores, theirs.scores, atol=1e-5)

    for arguments, error, message in (
        ({}, OutputError, "mine.onnx: exists"),
        ({"model": exported.path}, WeightsError, "is already an exported model"),
        ({"model": "absent.ckpt", "out": None}, WeightsError, "absent.ckpt"),
        ({"dynamic": "batch"}, ConfigError, "dynamic: 'batch' is not allowed; it must be a list whose entries are 'batch' or 'size'"),
        ({"dynamic": ["height"]}, ConfigError, "dynamic: "),
        ({"format": "tflite"}, MindpointError, "tflite"),
    ):
        with pytest.raises(error, match=message):
            mindpoint.export(**{"model": run.run_dir, "out": "mine.onnx", **arguments})
