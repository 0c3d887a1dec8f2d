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


def mindpoint(*arguments, cwd):
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    trust = ["--trust"] * (arguments[0] in ("train", "eval", "predict", "export"))  # the toys are named by their class
    done = subprocess.run(
        [sys.executable, "-m", "mindpoint", *map(str, arguments), *trust], capture_output=True, text=True, env=env, cwd=cwd
    )
    done.lines = done.stderr.strip().splitlines()
    return done


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
    done = mindpoint("train", HERE / "toy.yaml", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy 1.000" in done.stdout and not done.stderr
    for index in (100, 101):
        cv2.imwrite(str(folder / f"{index}.png"), Spots(200)[index].image)
    return folder


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
    again = mindpoint("train", run / "config.yaml", "--out", "again", cwd=work)
    assert again.returncode == 0
    first, second = [[json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (run, work / "again")]
    assert [record.get("loss") for record in first] == [record.get("loss") for record in second]


@pytest.mark.slow
def test_eval_takes_a_checkpoint_a_folder_and_changes(work):
    for model in ("runs/toy", "runs/toy/last.ckpt"):
        done = mindpoint("eval", model, "--out", "evaluated", cwd=work)
        assert done.returncode == 0 and "accuracy 1.000" in done.stdout, done.stderr
    more = mindpoint("eval", "runs/toy", "--set", "data.val.dataset.count=33", "--set", "test.batch_size=8", "--out", "more", cwd=work)
    assert more.returncode == 0 and "Spots: 33 images" in more.stdout
    assert "count: 33" in (work / "more" / "config.yaml").read_text()
    assert (
        mindpoint("eval", "runs/toy", cwd=work).returncode == 0 and (work / "runs" / "toy" / "eval-val-best" / "statistics.json").is_file()
    )
    kept = (work / "runs" / "toy" / "eval-val-best" / "statistics.json").read_bytes()
    assert "runs/toy/eval-val-best-2" in mindpoint("eval", "runs/toy", "--set", "data.val.dataset.count=12", cwd=work).stdout
    assert (work / "runs" / "toy" / "eval-val-best" / "statistics.json").read_bytes() == kept
    assert len(json.loads((work / "more" / "results.json").read_text())) == 33


@pytest.mark.slow
def test_predict_draws_and_reports(work):
    done = mindpoint("predict", "runs/toy", "100.png", "101.png", "--out", "found", cwd=work)
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
def test_broken_images_are_skipped_and_told(work):
    (work / "mixed").mkdir()
    (work / "mixed" / "text.png").write_text("no image")
    whole = (work / "100.png").read_bytes()
    (work / "mixed" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (work / "mixed" / "good.png").write_bytes(whole)
    done = mindpoint("predict", "runs/toy", "mixed", "--out", "skipped", cwd=work)
    assert refused(done, "text.png", "cut.png: is truncated")
    assert [Path(record["image"]).name for record in json.loads((work / "skipped" / "predictions.json").read_text())] == ["good.png"]


@pytest.mark.slow
def test_mistakes_of_arguments(work):
    assert refused(mindpoint("train", "nothing.yaml", cwd=work), "nothing.yaml")
    assert refused(mindpoint("train", HERE / "toy.yaml", "--out", "runs/toy", cwd=work), "runs/toy: is not an empty folder")
    assert refused(mindpoint("train", HERE / "toy.yaml", "--set", "model.backbone.chanels=3", cwd=work), "did you mean 'channels'?")
    assert refused(mindpoint("train", HERE / "toy.yaml", "--set", "train.weights=no.ckpt", cwd=work), "no.ckpt: no such checkpoint")
    assert refused(mindpoint("eval", "no.ckpt", cwd=work), "no.ckpt: no such checkpoint")
    assert refused(mindpoint("eval", "mixed", cwd=work), "neither best.ckpt nor last.ckpt")
    assert refused(mindpoint("eval", "100.png", cwd=work), "100.png: not a checkpoint: names of")
    assert refused(mindpoint("eval", "runs/toy", "--split", "test", cwd=work), "data.test")
    assert refused(
        mindpoint("eval", "runs/toy", "--set", "model.backbone.channels=6", cwd=work), "belongs to another model", "of another shape"
    )
    assert refused(mindpoint("predict", "runs/toy", "no.png", "--out", "x", cwd=work), "no.png: no such file or folder")
    assert refused(mindpoint("predict", "runs/toy", "100.png", "--out", ".", cwd=work), "contains input images")
    assert refused(mindpoint("predict", "runs/toy", "runs", "--out", "x", cwd=work), "runs: folder holds no image or video")


@pytest.mark.slow
def test_an_error_in_the_data_ends_the_training_with_its_message(work):
    broken = ["--set", "data.train.dataset.broken=17", "--set", "data.train.max_unreadable=0"]
    done = mindpoint("train", HERE / "toy.yaml", *broken, "--out", "broken", cwd=work)
    assert refused(done, "spot-17.png: image 17 is broken; mend it")
    assert len(done.lines) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_no_permission(work):
    (work / "locked").mkdir(mode=0o500)
    assert refused(mindpoint("train", HERE / "toy.yaml", "--out", "locked/run", cwd=work), "locked/run", "ermission")


@pytest.mark.slow
def test_a_run_that_could_not_start_leaves_no_folder(work):
    assert refused(mindpoint("train", HERE / "toy.yaml", "--set", "data.train.batch_size=50", "--out", "unstarted", cwd=work), "batch_size")
    wrong = ("+hooks.board.type=TensorBoard", "hooks.checkpoint.best=beauty")  # found when the folder holds files already
    refusal = mindpoint("train", HERE / "toy.yaml", "--set", wrong[0], "--set", wrong[1], "--out", "unstarted", cwd=work)
    assert refused(refusal, "unknown statistic 'beauty'")
    assert not (work / "unstarted").exists()


@pytest.mark.slow
def test_a_file_where_a_folder_should_be(work):
    assert refused(mindpoint("train", HERE / "toy.yaml", "--out", "100.png/run", cwd=work), "100.png/run: cannot be created")
    assert refused(mindpoint("predict", "runs/toy", "100.png", "--out", "100.png", cwd=work), "100.png: cannot be created")


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
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=work)
    assert refused(done, "cannot be written")
