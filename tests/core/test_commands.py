"""train, eval and predict as a user calls them, with the toy model; every mistake ends in one message and exit code 2."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from toy import Spots

HERE = Path(__file__).parent


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE)}


def with_trust(arguments):
    return [*map(str, arguments), *["--trust"] * (arguments[0] in ("train", "eval", "predict", "export"))]  # toys are named by their class


def in_own_process(*arguments, cwd):
    command = [sys.executable, "-m", "mindpoint", *with_trust(arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, cwd=cwd)


def refused(done, *parts):
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr
    return True


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a finished run and two images."""
    folder = tmp_path_factory.mktemp("work")
    done = in_own_process("train", HERE / "toy.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy 1.000" in done.stdout and not done.stderr
    for index in (100, 101):
        cv2.imwrite(str(folder / f"{index}.png"), Spots(200)[index].image)
    return folder


@pytest.fixture(scope="module")
def mindpoint(work, commands):
    """``mindpoint("eval", ...)``: a command in the folder ``work``."""
    run = commands(ENVIRONMENT, work)
    return lambda *arguments: run(*with_trust(arguments))


@pytest.mark.slow
def test_a_run_folder_holds_what_is_needed_to_repeat_it(work):
    run = work / "runs" / "toy"
    assert {path.name for path in run.iterdir()} == {
        "config.yaml", "environment.json", "log.jsonl", "training.log", "last.ckpt", "previous.ckpt", "best.ckpt", "statistics.json",
        "results.json",
    }  # fmt: skip
    (start,) = json.loads((run / "environment.json").read_text())
    assert (
        start["command"][1:] == ["train", str(HERE / "toy.yaml"), "--trust"] and start["folder"] == str(work) and start["device"] == "CPU"
    )
    assert start["versions"]["mindspore"] and start["variables"]["OMP_WAIT_POLICY"] == "PASSIVE" and start["cpu"]["cores"] >= 1
    again = in_own_process("train", run / "config.yaml", "--out", "again", cwd=work)
    assert again.returncode == 0
    first, second = [[json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (run, work / "again")]
    assert [record.get("loss") for record in first] == [record.get("loss") for record in second]


@pytest.mark.slow
def test_eval_takes_a_checkpoint_a_folder_and_changes(work, mindpoint):
    for model in ("runs/toy", "runs/toy/last.ckpt"):
        done = mindpoint("eval", model, "--out", "evaluated")
        assert done.returncode == 0 and "accuracy 1.000" in done.stdout, done.stderr
    more = mindpoint("eval", "runs/toy", "--set", "data.val.dataset.count=33", "--set", "test.batch_size=8", "--out", "more")
    assert more.returncode == 0 and "Spots: 33 images" in more.stdout
    assert "count: 33" in (work / "more" / "config.yaml").read_text()
    assert mindpoint("eval", "runs/toy").returncode == 0 and (work / "runs" / "toy" / "eval-val-best" / "statistics.json").is_file()
    kept = (work / "runs" / "toy" / "eval-val-best" / "statistics.json").read_bytes()
    assert "runs/toy/eval-val-best-2" in mindpoint("eval", "runs/toy", "--set", "data.val.dataset.count=12").stdout
    assert (work / "runs" / "toy" / "eval-val-best" / "statistics.json").read_bytes() == kept
    assert len(json.loads((work / "more" / "results.json").read_text())) == 33


@pytest.mark.slow
def test_predict_draws_and_reports(work):
    done = in_own_process("predict", "runs/toy", "100.png", "101.png", "--out", "found", cwd=work)
    assert done.returncode == 0 and "2 objects in 2 images" in done.stdout, done.stderr
    records = json.loads((work / "found" / "predictions.json").read_text())
    for record, index in zip(records, (100, 101)):
        x, y = (Spots(200)[index].objects.boxes[0, :2] + Spots(200)[index].objects.boxes[0, 2:]) / 2
        point = record["objects"][0]["center"][0]
        assert record["image"] == f"{index}.png" and record["objects"][0]["class"] == "spot"
        assert (point["name"], point["x"], point["y"]) == ("0", pytest.approx(x), pytest.approx(y))  # points without names
        drawn = cv2.imread(str(work / "found" / f"{index}.jpg"))
        assert np.abs(drawn.astype(int) - cv2.imread(str(work / f"{index}.png"))).max() > 50


@pytest.mark.slow
def test_broken_images_are_skipped_and_told(work, mindpoint):
    (work / "mixed").mkdir()
    (work / "mixed" / "text.png").write_text("no image")
    whole = (work / "100.png").read_bytes()
    (work / "mixed" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (work / "mixed" / "good.png").write_bytes(whole)
    done = mindpoint("predict", "runs/toy", "mixed", "--out", "skipped")
    assert refused(done, "text.png", "cut.png: is truncated")
    assert [Path(record["image"]).name for record in json.loads((work / "skipped" / "predictions.json").read_text())] == ["good.png"]


@pytest.mark.slow
def test_mistakes_of_arguments(work, mindpoint):
    assert refused(mindpoint("train", "nothing.yaml"), "nothing.yaml")
    assert refused(mindpoint("train", HERE / "toy.yaml", "--out", "runs/toy"), "runs/toy: is not an empty folder")
    assert refused(mindpoint("train", HERE / "toy.yaml", "--set", "model.backbone.chanels=3"), "did you mean 'channels'?")
    assert refused(mindpoint("train", HERE / "toy.yaml", "--set", "train.weights=no.ckpt"), "no.ckpt: no such checkpoint")
    assert refused(mindpoint("eval", "no.ckpt"), "no.ckpt: no such checkpoint")
    assert refused(mindpoint("eval", "mixed"), "neither best.ckpt nor last.ckpt")
    assert refused(mindpoint("eval", "100.png"), "100.png: not a checkpoint: names of")
    assert refused(mindpoint("eval", "runs/toy", "--split", "test"), "data.test")
    assert refused(mindpoint("eval", "runs/toy", "--set", "model.backbone.channels=6"), "belongs to another model", "of another shape")
    assert refused(mindpoint("predict", "runs/toy", "no.png", "--out", "x"), "no.png: no such file or folder")
    assert refused(mindpoint("predict", "runs/toy", "100.png", "--out", "."), "contains input images")
    assert refused(mindpoint("predict", "runs/toy", "runs", "--out", "x"), "runs: folder holds no image or video")


@pytest.mark.slow
def test_an_error_in_the_data_ends_the_training_with_its_message(work, mindpoint):
    broken = ["--set", "data.train.dataset.broken=17", "--set", "data.train.max_unreadable=0"]
    done = mindpoint("train", HERE / "toy.yaml", *broken, "--out", "broken")
    assert refused(done, "spot-17.png: image 17 is broken; mend it")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(work, mindpoint):
    (work / "locked").mkdir(mode=0o500)
    assert refused(mindpoint("train", HERE / "toy.yaml", "--out", "locked/run"), "locked/run", "ermission")


@pytest.mark.slow
def test_a_run_that_could_not_start_leaves_no_folder(work, mindpoint):
    assert refused(mindpoint("train", HERE / "toy.yaml", "--set", "data.train.batch_size=50", "--out", "unstarted"), "batch_size")
    wrong = ("+hooks.board.type=TensorBoard", "hooks.checkpoint.best=beauty")  # found when the folder holds files already
    refusal = mindpoint("train", HERE / "toy.yaml", "--set", wrong[0], "--set", wrong[1], "--out", "unstarted")
    assert refused(refusal, "unknown statistic 'beauty'")
    assert not (work / "unstarted").exists()


@pytest.mark.slow
def test_a_file_where_a_folder_should_be(work, mindpoint):
    assert refused(mindpoint("train", HERE / "toy.yaml", "--out", "100.png/run"), "100.png/run: cannot be created")
    assert refused(mindpoint("predict", "runs/toy", "100.png", "--out", "100.png"), "100.png: cannot be created")


@pytest.mark.slow
def test_a_full_disk_while_training_ends_in_one_message(work):
    """A limit on the size of files, which a checkpoint exceeds, stands in for the full disk."""
    code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2500, resource.RLIM_INFINITY))
from mindpoint.cli.main import main
sys.exit(main(["train", {str(HERE / "toy.yaml")!r}, "--out", "full", "--set", "hooks.log=null"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, cwd=work)
    assert refused(done, "cannot be written")
