"""Tests of a training's logs, with the toy model: they agree, survive a restart, and can be drawn and compared."""

import csv
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.config import load_config
from mindpoint.contracts.analysis import Chart, Line
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.data.build import build_dataset
from mindpoint.data.preprocess import prepare
from mindpoint.errors import ConfigError, DataError, OutputError
from mindpoint.hooks.checkpoint import Checkpoint
from mindpoint.hooks.early_stopping import EarlyStopping
from mindpoint.hooks.evaluation import Evaluation
from mindpoint.hooks.pictures import Pictures
from mindpoint.hooks.profile import costs
from mindpoint.hooks.step_log import step_values
from mindpoint.model import checkpoint
from mindpoint.runtime import device, environment
from mindpoint.runtime.progress import duration
from mindpoint.storage.images import write_image
from mindpoint.training import overfit, resume
from mindpoint.training.build import build_samples, build_trainer
from mindpoint.visual.charts import write_chart
from mindpoint.visual.history import NO_LOSSES, History, charts
from toy import Painter

HERE = Path(__file__).parent
HOOKS = {
    "csv": "mindpoint.hooks.csv_table:Csv",
    "pictures": "mindpoint.hooks.pictures:Pictures",
    "board": "mindpoint.hooks.tensorboard:TensorBoard, every: 1",
    "curves": "mindpoint.hooks.curves:Curves",
}
ALL = [f"+hooks.{name}={{type: {said.partition(',')[0]!r}{''.join(said.partition(',')[1:])}}}" for name, said in HOOKS.items()]


def trainer_of(toy, run_dir, *overrides):
    config = load_config(str(toy), overrides)
    device.setup("CPU", config.seed)
    run_dir.mkdir(parents=True, exist_ok=True)
    (run_dir / "config.yaml").write_text(config.to_yaml())
    environment.record(run_dir, "CPU")
    return build_trainer(config, run_dir)


def records(run_dir):
    return [json.loads(line) for line in (run_dir / "log.jsonl").read_text().splitlines()]


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def board(run_dir):
    """Return the events as read by TensorBoard."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return reader.EventAccumulator(str(run_dir / "tensorboard"), size_guidance={"scalars": 0, "images": 0}).Reload()


def events(run_dir):
    """Return TensorBoard's values: (step, value) by tag."""
    found = board(run_dir)
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def _without_times(text):
    """Lines of JSON or CSV without the seconds that a step took, which are their last but one and last but two values."""
    return [line.rsplit(",", 3)[0] if "step_seconds" in line or line.count(",") > 6 else line for line in text.splitlines()]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two runs; the second has half the learning rate and more images a step."""
    folder = tmp_path_factory.mktemp("runs")
    trainer_of(HERE / "toy.yaml", folder / "a", *ALL).train()
    trainer_of(HERE / "toy.yaml", folder / "b", "optimizer.lr=0.01", "data.train.batch_size=10").train()
    return folder


class TestLogs:
    @pytest.mark.slow
    def test_tables_tell_what_the_json_lines_tell(self, runs):
        steps = [record for record in records(runs / "a") if "loss" in record]
        assert [{name: float(value) for name, value in row.items()} for row in rows(runs / "a" / "steps.csv")] == steps
        assert len(steps) == 30 and set(steps[0]) >= {"loss", "spot_loss", "learning_rate", "data_seconds", "step_seconds"}
        evaluations = [{"step": r["step"], "epoch": r["epoch"], **r["metrics"]} for r in records(runs / "a") if "metrics" in r]
        assert [{name: float(value) for name, value in row.items()} for row in rows(runs / "a" / "statistics.csv")] == evaluations

    @pytest.mark.slow
    def test_tensorboard_reads_back_the_same(self, runs):
        found, steps = events(runs / "a"), [record for record in records(runs / "a") if "loss" in record]
        for tag, name in (("loss/total", "loss"), ("loss/spot_loss", "spot_loss"), ("training/learning_rate", "learning_rate")):
            assert [step for step, _ in found[tag]] == list(range(1, 31))
            np.testing.assert_allclose([value for _, value in found[tag]], [record[name] for record in steps], rtol=1e-6)
        pictures = {event.step: event.encoded_image_string for event in board(runs / "a").Images("pictures")}
        assert pictures[30] == (runs / "a" / "pictures" / "epoch-0006.jpg").read_bytes() and list(pictures) == [10, 20, 30]
        assert found["accuracy"] == [
            (record["step"], record["metrics"]["accuracy"]) for record in records(runs / "a") if "metrics" in record
        ]

    @pytest.mark.slow
    def test_a_resumed_training_leaves_each_step_once(self, toy, tmp_path):
        """A process was killed after step 30 and in the middle of a line; the checkpoint that can be read is of step 10."""
        trainer_of(toy, tmp_path, *ALL, "hooks.checkpoint.keep=9").train()
        before = {name: (tmp_path / name).read_text() for name in ("log.jsonl", "steps.csv", "statistics.csv")}
        shown = events(tmp_path)
        for name, text in before.items():
            (tmp_path / name).write_text(text + text.splitlines()[-1][:7])
        again, path = trainer_of(toy, tmp_path, *ALL, "hooks.checkpoint.keep=9"), tmp_path / "epoch-0002.ckpt"
        resume.restore(again, checkpoint.load(path), path)
        assert again.step == 10
        again.train()
        for name, text in before.items():
            assert _without_times((tmp_path / name).read_text()) == _without_times(text), name
        for tag in ("loss/total", "training/learning_rate", "training/epoch"):
            assert events(tmp_path)[tag] == shown[tag]

    @pytest.mark.slow
    def test_values_that_are_no_numbers(self, toy, tmp_path, capsys):
        trainer_of(toy, tmp_path, *ALL, "data.train.dataset={type: 'toy:Spots', count: 8, nan: 3}", "train.epochs=1").train()
        assert records(tmp_path)[0]["loss"] is None and rows(tmp_path / "steps.csv")[0]["loss"] == "nan"
        assert "loss nan  spot_loss nan" in capsys.readouterr().out
        assert math.isnan(events(tmp_path)["loss/total"][0][1])
        assert math.isnan(History.read(tmp_path).losses["loss"][1][0]) and (tmp_path / "curves.png").is_file()

    def test_other_columns_are_not_mixed(self, toy, tmp_path):
        (tmp_path / "steps.csv").write_text("step,epoch,other\n")
        with pytest.raises(OutputError, match="steps.csv: its columns .* move the file away"):
            trainer_of(toy, tmp_path, *ALL).train()

    @pytest.mark.slow
    @pytest.mark.parametrize("hook, file", [("log", "log.jsonl"), ("board", "events.out.tfevents")])
    def test_a_full_disk_ends_in_one_message(self, tmp_path, hook, file):
        """A limit on the size of files stands in for the full disk."""
        keep = (
            f"+hooks={{_replace_: true, log: {{type: {HOOKS['board'].partition(',')[0]!r}, every: 1}}}}"
            if hook == "board"
            else "hooks.checkpoint=null"
        )
        code = f"""
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from mindpoint.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
sys.exit(main(["train", {str(HERE / "toy.yaml")!r}, "--out", "full", "--set", {keep!r}]))
"""
        env = {**os.environ, "PYTHONPATH": str(HERE), "GIT_CEILING_DIRECTORIES": "/"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path)
        assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
        assert file in done.stderr and "cannot be written" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_pictures_show_truth_prediction_and_heatmap_of_each_image(runs):
    """Four columns of 16 pixels with 4 between them, below captions of 24; the third row glows in the cell where the image is bright."""
    sheet = cv2.imread(str(runs / "a" / "pictures" / "epoch-0006.jpg"))
    assert sheet.shape == (3 * 44 - 4, 4 * 20 - 4, 3)
    dataset = build_dataset(load_config(str(HERE / "toy.yaml")), "val")
    for index in range(4):
        tile = sheet[112:128, index * 20 : index * 20 + 16].astype(int).sum(axis=2)
        column, row = (dataset[index].objects.boxes[0, :2]).astype(int)
        glow = cv2.boxFilter(tile.astype(np.float32), -1, (3, 3))
        y, x = np.unravel_index(glow.argmax(), glow.shape)
        assert abs(y - row - 1.5) <= 3 and abs(x - column - 1.5) <= 3


def test_pictures_are_drawn_by_the_visualizer_and_of_images_of_any_type(tmp_path):
    """Two images of 8 pixels, bytes and floating point: blue is the visualizer's, green tells truth from prediction, red what is drawn."""
    grey = [np.full((8, 8, 3), 128, np.uint8), np.full((8, 8, 3), 128 / 255, np.float32)]
    box, label = np.array([[1, 1, 4, 4]], np.float32), np.zeros(1, np.int64)

    class Two(list):
        def ids(self):
            return [sample.image_id for sample in self]

    run = SimpleNamespace(
        val_data=Two(Sample(number, "", image, Objects(box, label)) for number, image in zip((7, 3), grey)),
        detections={number: Detections(box, np.full(1, 0.5, np.float32), label) for number in (3, 7)},
        visualizer=Painter(["a"], 200),
        heatmaps=lambda images: [({"heat": np.zeros((2, 2), np.float32)}, View((4.0, 4.0), 8.0)) for _ in images],
        run_dir=tmp_path,
        epoch=4,
    )
    Pictures(threshold=0.6).after_eval(run)
    sheet = cv2.imread(str(tmp_path / "pictures" / "epoch-0004.jpg")).astype(int)
    assert sheet.shape == (3 * 36 - 4, 2 * 12 - 4, 3)
    for left in (0, 12):
        truth, predicted, heat = (sheet[top + 24 : top + 32, left : left + 8].mean(axis=(0, 1)) for top in (0, 36, 72))
        np.testing.assert_allclose(truth, [200, 101, 0], atol=20)  # JPEG
        np.testing.assert_allclose(predicted, [200, 1, 0], atol=20)
        np.testing.assert_allclose(heat, [64, 64, 64], atol=20)


PAINTED = "+test.visualizer={type: 'toy:Painter', shade: 250}"


def test_a_visualizer_of_a_plugin_draws_predictions_and_reports(runs, tmp_path):
    source, out = tmp_path / "a.png", tmp_path / "out"
    write_image(source, build_dataset(load_config(str(HERE / "toy.yaml")), "val")[0].image)
    wanted = ["--format", "pictures", "--threshold", "0", "--set", PAINTED]
    assert main(["predict", str(runs / "a"), str(source), "--out", str(out), *wanted]) == 0
    (picture,) = (path for path in out.iterdir() if path.suffix in (".jpg", ".png"))
    np.testing.assert_allclose(cv2.imread(str(picture))[8, 8], [250, 1, 1], atol=4)
    assert main(["eval", str(runs / "a"), "--out", str(tmp_path / "eval"), "--report", str(tmp_path / "page"), "--set", PAINTED]) == 0
    assert (tmp_path / "page" / "index.html").read_text().count('"predictions, drawn":"data:image') == 10


def test_a_step_s_record_is_losses_and_what_is_known_as_none():
    times = {"data_seconds": 1.0, "step_seconds": 2.0}
    run = SimpleNamespace(epoch=2, learning_rate=0.1, losses={"loss": 3.0, "part": 1.0}, **times, skipped_steps=0, loss_scale=1024.0)
    values = step_values(run)
    assert {name: value for name, value in values.items() if name not in NO_LOSSES} == run.losses
    assert {"step", *values} - set(run.losses) == set(NO_LOSSES)
    run.loss_scale = None
    assert set(values) - set(step_values(run)) == {"loss_scale"}


class TestHistory:
    LINES = [
        {"step": 1, "epoch": 1, "learning_rate": 0.1, "loss": 4.0, "part": 2.0, "data_seconds": 0, "step_seconds": 1, "skipped_steps": 0},
        {"step": 2, "epoch": 1, "learning_rate": 0.2, "loss": None, "part": 1.0, "data_seconds": 0, "step_seconds": 1, "skipped_steps": 1},
        {"step": 2, "epoch": 1, "metrics": {"a/AP": 0.5, "a/AR": 0.6, "b/AP": None}},
    ]

    def write(self, folder, lines, end=""):
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + end)

    def test_reading(self, tmp_path):
        self.write(tmp_path, self.LINES, end='{"step": 3, "epo')
        history = History.read(tmp_path)
        assert history.losses["part"] == ([1, 2], [2.0, 1.0]) and history.learning_rate == ([1, 2], [0.1, 0.2])
        assert history.losses["loss"][1][0] == 4.0 and math.isnan(history.losses["loss"][1][1])
        assert (history.step, history.epoch) == (2, 1) and history.statistics["a/AR"] == ([2], [0.6])
        assert [chart.title for chart in charts({"": history})] == ["loss", "part", "learning rate", "a/AP", "b/AP"]

    @pytest.mark.parametrize("name, shown", [("b/AP", ["b/AP", "a/AP"]), ("a/AR", ["a/AR", "b/AP"]), (None, ["a/AP", "b/AP"])])
    def test_the_main_statistic_comes_first(self, tmp_path, capsys, name, shown):
        run = tmp_path / "run"
        run.mkdir()
        self.write(run, [*self.LINES[:2], {**self.LINES[2], "main": name}])
        assert [chart.title for chart in charts({"": History.read(run)})][3:] == shown
        (run / "config.yaml").write_text("seed: 1\n")
        assert main(["runs", "list", str(tmp_path)]) == 0
        best = {"b/AP": "b/AP n/a", "a/AR": "a/AR 0.6000", None: "a/AP 0.5000"}[name]
        assert capsys.readouterr().out.splitlines()[-1].endswith(best)

    def test_the_best_of_an_error_is_the_lowest(self, tmp_path, capsys):
        for name, values in (("one", (7.0, 5.0, 6.0)), ("two", (4.0, None, 9.0))):
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.yaml").write_text("seed: 1\n")
            lines = [{"step": n, "epoch": n, "metrics": {"a/mean_error": v}, "main": "a/mean_error"} for n, v in enumerate(values, start=1)]
            self.write(tmp_path / name, [self.LINES[0], *lines])
        assert main(["runs", "list", str(tmp_path)]) == 0
        assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()[-2:]] == ["5.0000", "4.0000"]

    def test_long_curves_are_means(self, tmp_path):
        self.write(tmp_path, [{"step": step, "epoch": 1, "learning_rate": 1.0, "loss": float(step)} for step in range(1, 801)])
        ((steps, values),) = [(line.x, line.y) for line in charts({"run": History.read(tmp_path)})[0].lines]
        assert len(steps) == 400 and steps[:2] == values[:2] == [1.5, 3.5]

    def test_damage_is_named(self, tmp_path):
        (tmp_path / "log.jsonl").write_text('{"step": 1, "epoch": 1, "metrics": {}}\nhello\n')
        with pytest.raises(DataError, match="log.jsonl:2: not a record"):
            History.read(tmp_path)
        with pytest.raises(DataError, match="nothing/log.jsonl: no such file"):
            History.read(tmp_path / "nothing")


def test_curves_need_the_json_lines(toy, tmp_path):
    with pytest.raises(ConfigError, match="Curves needs the log of the hook JsonLines"):
        trainer_of(toy, tmp_path, "hooks.log=null", ALL[3]).train()


class TestEarlyStopping:
    HOOK = "+hooks.stop={type: 'mindpoint.hooks.early_stopping:EarlyStopping', statistic: accuracy, patience: 2}"

    @pytest.mark.slow
    def test_it_ends_the_training(self, toy, tmp_path, capsys):
        trainer = trainer_of(toy, tmp_path, self.HOOK, "train.epochs=20")
        trainer.train()
        assert trainer.epoch == 6 and "accuracy has not risen above 1.0000 for 2 evaluations" in capsys.readouterr().out
        with pytest.raises(ConfigError, match="unknown statistic 'AP'; the metric has accuracy"):
            trainer_of(toy, tmp_path / "b", self.HOOK.replace("accuracy", "AP")).train()

    def test_what_counts_as_better(self):
        class Run:
            stop_reason = None

        def evaluations(hook, *values):
            run = Run()
            for value in values:
                run.metrics = {"AP": value}
                hook.after_eval(run)
            return run.stop_reason is not None

        assert not evaluations(EarlyStopping("AP", 2), 0.1, 0.1, 0.11, 0.1, 0.12)
        assert evaluations(EarlyStopping("AP", 2, min_delta=0.05), 0.1, 0.12, 0.14)
        assert evaluations(EarlyStopping("AP", 2), 0.1, math.nan, math.nan)
        assert not evaluations(EarlyStopping("AP", 2), 0.0, 0.0, math.nan, 0.0, 0.1, 0.1)  # nothing found yet
        assert evaluations(EarlyStopping("AP", 2, floor=-1), 0.0, 0.0, 0.0)
        first, second = EarlyStopping("AP", 2), EarlyStopping("AP", 2)
        evaluations(first, 0.3, 0.2)
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert evaluations(second, 0.25)

    def test_an_error_improves_downwards(self):
        class Run:
            stop_reason = None

        def reason(*values):
            hook, run = EarlyStopping("joints/mean_error", 2), Run()
            for value in values:
                run.metrics = {"joints/mean_error": value}
                hook.after_eval(run)
            return run.stop_reason

        assert reason(math.nan, math.nan, math.nan, 9.0, 8.0, 8.5, 7.0) is None
        saved, run = [], SimpleNamespace(save=lambda name: saved.append(run.metrics["joints/mean_error"]))
        keeper = Checkpoint(best="joints/mean_error")
        for value in (math.nan, 9.0, 9.5, 7.0, 8.0):
            run.metrics = {"joints/mean_error": value}
            keeper.after_eval(run)
        assert saved == [9.0, 7.0]
        assert reason(9.0, 8.0, 8.5, 8.0) == "joints/mean_error has not fallen below 8.0000 for 2 evaluations"


class TestWarningThatNothingIsFound:
    def run(self, toy, tmp_path, caplog, loss):
        """Train with losses that start at 1 and go on as given, and a statistic that stays 0."""
        trainer = trainer_of(toy, tmp_path)
        hook = Evaluation()
        trainer.metrics = {trainer.main_statistic: 0.0}
        for step in range(200):
            trainer.losses = {"loss": 1.0 if step < 20 else loss}
            hook.after_step(trainer)
        hook._warn_if_nothing_is_found(trainer)
        return caplog.text

    def test_it_names_likely_causes(self, toy, tmp_path, caplog):
        text = self.run(toy, tmp_path, caplog, 0.4)
        assert "the loss has fallen from 1 to 0.4, but accuracy is still 0" in text and "the training is short" in text

    def test_a_loss_that_stays_is_another_matter(self, toy, tmp_path, caplog):
        assert "is still 0" not in self.run(toy, tmp_path, caplog, 0.9)


class TestProfile:
    @pytest.mark.slow
    def test_a_window_of_steps(self, toy, tmp_path, capfd, monkeypatch):
        monkeypatch.setenv("MINDPOINT_KERNELS", "portable")  # whose operators have names
        trainer_of(toy, tmp_path, "+hooks.profile={type: 'mindpoint.hooks.profile:Profile', start: 4, stop: 6}", "train.epochs=2").train()
        (table,) = tmp_path.glob("profile/*/FRAMEWORK/cpu_op_type_info_*.csv")
        assert {row["op_type"]: row["type_occurrences"] for row in rows(table)}["BatchNorm"] == "3"
        (trace,) = tmp_path.glob("profile/*/ASCEND_PROFILER_OUTPUT/trace_view.json")
        names = [event["name"] for event in json.loads(trace.read_text())]
        assert sum(bool(re.search(r"backbone-Cells/norm-BatchNorm2d/BatchNorm-op\d+$", name)) for name in names) == 3
        assert "\r" not in capfd.readouterr().out

    def test_compiled_kernels_have_their_cell_s_name(self, tmp_path):
        table = tmp_path / "of_a_process" / "FRAMEWORK" / "cpu_op_detail_info_0.csv"
        table.parent.mkdir(parents=True)
        table.write_text(
            "op_type,full_op_name,op_occurrences,op_total_time(ms)\n"
            "Custom,Default/network-Network/backbone-Cells/0-NativeConv2d/Custom-op0,3,1.5\n"
            "Custom,Default/network-Network/neck-Cells/1-NativeConv2d/Custom-op1,3,1.0\n"
            "Custom,Gradients/Default/network-Network/backbone-Cells/0-NativeConv2d/Grad_Custom/Custom-op2,3,5\n"
            "ReLU,Default/network-Network/backbone-Cells/ReLU-op0,6,2.5\n"
            "Custom,Gradients/Default/Grad_Custom/Custom-op3,3,0.5\n"
        )
        assert [line.split(None, 5) for line in costs(tmp_path).splitlines()] == [
            ["47.6%", "5.00", "ms", "3", "times", "NativeConv2d, gradients"],
            ["23.8%", "2.50", "ms", "6", "times", "ReLU"],
            ["23.8%", "2.50", "ms", "6", "times", "NativeConv2d"],
            ["4.8%", "0.50", "ms", "3", "times", "training step, gradients"],
        ]

    def test_mistakes(self, toy, tmp_path, capsys):
        with pytest.raises(ConfigError, match="starts at step 31, but the training has 30 steps"):
            trainer_of(toy, tmp_path, "+hooks.profile={type: 'mindpoint.hooks.profile:Profile', start: 31, stop: 40}").train()
        assert main(["train", str(toy), "--profile", "5"]) == 2 and "write START:STOP" in capsys.readouterr().err
        assert main(["train", str(toy), "--profile", "5:3", "--out", str(tmp_path / "new")]) == 2
        assert "1 <= start <= stop" in capsys.readouterr().err and not (tmp_path / "new").exists()


class TestCommands:
    def test_runs_list(self, runs, capsys):
        assert main(["runs", "list", str(runs)]) == 0
        head, first, second = capsys.readouterr().out.splitlines()
        assert head.split() == ["RUN", "STARTED", "EPOCHS", "STEPS", "LOSS", "BEST"]
        assert first.split()[0] == "a" and first.split()[3:5] == ["6", "30"] and first.endswith("accuracy 1.0000")
        assert second.split()[0] == "b" and second.split()[3:5] == ["6", "24"]

    @pytest.mark.parametrize("steps", [[1, 2, 3, 4], list(range(1, 1001))])
    def test_steps_are_whole_numbers(self, tmp_path, steps):
        write_chart(tmp_path / "a.svg", charts({"": History({}, (steps, [1.0] * len(steps)), {}, 1)}))
        labels = re.findall(r"<!-- (.*) -->", (tmp_path / "a.svg").read_text())
        below = labels[: labels.index("step")]
        assert len(below) > 2 and all(label.isdigit() for label in below)

    @pytest.mark.parametrize("alone", [10, 0, 39])
    def test_a_value_between_gaps_is_seen(self, tmp_path, alone):
        values = [math.nan] * 40
        values[alone] = 1.0
        write_chart(tmp_path / "a.png", [Chart("", "", "", [Line("", range(1, 41), values)], form="curves")])
        blue, _, red = np.moveaxis(cv2.imread(str(tmp_path / "a.png")).astype(int), 2, 0)
        assert 5 < (blue - red > 60).sum() < 50, "one dot in the colour of the line"

    def test_runs_compare(self, runs, tmp_path, capsys):
        picture = tmp_path / "both.png"
        assert main(["runs", "compare", str(runs / "a"), str(runs / "b"), "--out", str(picture)]) == 0
        shown = capsys.readouterr().out
        lines = {line.split("  ")[0]: line.split()[1:] for line in shown.splitlines()}
        assert (
            lines["optimizer.lr"] == ["0.02", "0.01"] and lines["data.train.batch_size"] == ["8", "10"] and lines["steps"] == ["30", "24"]
        )
        assert lines["hooks.curves.type"] == ["mindpoint.hooks.curves:Curves", "-"] and "train.epochs" not in lines
        one = tmp_path / "one.png"
        main(["runs", "compare", str(runs / "a"), str(runs / "a"), "--out", str(one)])
        assert not np.array_equal(cv2.imread(str(picture)), cv2.imread(str(one)))

    def test_runs_mistakes(self, runs, tmp_path, capsys):
        for arguments, message in (
            (["compare", str(runs / "a")], "two or more"),
            (["compare", str(runs / "a"), str(tmp_path)], "log.jsonl: no such file"),
            (["list", str(tmp_path)], "contains no runs"),
            (["list", str(tmp_path / "none")], "no such folder"),
            (["compare", str(runs / "a"), str(runs / "b"), "--out", str(tmp_path / "a.xyz")], "end in .png"),
        ):
            assert main(["runs", *arguments]) == 2
            assert message in capsys.readouterr().err

    def test_plot_schedule(self, toy, tmp_path, capsys):
        picture = str(tmp_path / "schedule.png")
        multi = "schedule={type: 'mindpoint.optim.schedules:MultiStep', milestones: [3], warmup_steps: 3}"
        assert main(["config", "plot-schedule", str(toy), "--set", multi, "--out", picture]) == 0
        assert "6 epochs of 5 steps; learning rate 0.005 at the start, 0.02 at most, 0.002 at the end" in capsys.readouterr().out
        scaled = ["--processes", "2", "--set", "+train.lr_batch_size=4"]
        assert main(["config", "plot-schedule", str(toy), "--out", picture, *scaled]) == 0
        assert "6 epochs of 2 steps; learning rate 0.08 at the start" in capsys.readouterr().out
        drawn = cv2.imread(picture)
        assert main(["config", "plot-schedule", str(toy), "--out", picture, "--images", "800"]) == 0
        assert "6 epochs of 100 steps" in capsys.readouterr().out and not np.array_equal(drawn, cv2.imread(picture))
        assert main(["config", "plot-schedule", str(toy), "--images", "7"]) == 2
        assert "one step needs 8 images, and there are only 7" in capsys.readouterr().err

    def test_plot_schedule_shows_the_highest_rate(self, toy, tmp_path, capsys):
        command = ["config", "plot-schedule", str(toy), "--out", str(tmp_path / "schedule.png"), "--set"]
        assert main([*command, "train.lr_factors={'spot': 4, 'conv': 0.5}"]) == 0
        assert "learning rate 0.08 at the start" in capsys.readouterr().out
        assert main([*command, "train.lr_factors={'conv': 0.5}"]) == 0
        assert "learning rate 0.02 at the start" in capsys.readouterr().out
        assert main([*command, "optimizer={_replace_: true, type: 'config_toys:OtherNet'}"]) == 2
        assert "optimizer.lr is not a number" in capsys.readouterr().err


class TestOverfit:
    @pytest.mark.slow
    def test_passed(self, toy, tmp_path):
        trainer = trainer_of(toy, tmp_path, *overfit.overrides(load_config(str(toy)), 4))
        trainer.train()
        passed, text = overfit.verdict(trainer)
        assert passed and text.startswith("overfit: passed. accuracy is 1.000 on 4 images after 30 steps")
        config = load_config(str(tmp_path)).data
        assert "transforms" not in config["data"]["train"] and config["data"]["val"]["max_images"] == 4
        assert records(tmp_path)[0]["step"] == 1 and (tmp_path / "pictures" / "epoch-0030.jpg").is_file()

    @pytest.mark.slow
    def test_failed(self, toy, tmp_path):
        command = [sys.executable, "-m", "mindpoint", "train", str(toy), "--overfit", "4", "--set", "train.epochs=3"]
        command += ["--set", "hooks.evaluation.until={accuracy: 1.01}"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(HERE)}, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        assert "overfit: failed. accuracy is " in done.stdout and "--set train.epochs=6" in done.stdout
        assert "Spots: 40 images, the first 4 of them" in done.stdout and (tmp_path / "runs" / "toy-overfit").is_dir()

    def test_mistakes(self, toy, capsys):
        assert main(["train", str(toy), "--overfit", "0"]) == 2 and "it must be at least 1" in capsys.readouterr().err


def test_without_a_transform_training_shows_what_testing_shows(toy):
    config = load_config(str(toy), ["data.train.transforms=null", "input.size=[24, 16]"])
    samples = build_samples(config)
    expected, view = prepare(samples.dataset[3].image, config.input_spec)
    assert view.crop_size == 16
    np.testing.assert_array_equal(samples.sample(3)["image"], expected)


def test_first_images(toy):
    dataset = build_dataset(load_config(str(toy), ["data.val.max_images=4"]), "val")
    assert len(dataset) == 4 and [record["id"] for record in dataset.ground_truth()["images"]] == [0, 1, 2, 3]
    assert [record["image_id"] for record in dataset.ground_truth()["annotations"]] == [0, 1, 2, 3]
    assert dataset[-1].image_id == 3
    with pytest.raises(IndexError):
        dataset[4]
    assert len(build_dataset(load_config(str(toy), ["data.val.max_images=400"]), "val")) == 10


def test_state_of_the_code(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q", "-b", "trunk")
    assert environment.git_state(tmp_path) is None, "nothing is committed"
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    git("add", "a", "b")
    git("commit", "-q", "-m", "a")
    (tmp_path / "a").write_text("2")
    os.utime(tmp_path / "b", (1, 1))  # git would like to write down that it has looked
    index = (tmp_path / ".git" / "index").read_bytes()
    state = environment.git_state(tmp_path)
    assert (tmp_path / ".git" / "index").read_bytes() == index, "the user's repository stays as it is"
    assert state["commit"] == git("rev-parse", "HEAD") and state["branch"] == "trunk" and state["changed"] == [" M a"]


def test_each_start_of_a_run_is_recorded(tmp_path):
    environment.record(tmp_path, "CPU")
    environment.record(tmp_path, "CPU")
    assert [start["process"] for start in environment.starts(tmp_path)] == [os.getpid()] * 2
    for damaged in ("[{", '{"mine": 1}'):
        (tmp_path / "environment.json").write_text(damaged)
        with pytest.raises(OutputError, match="environment.json: is damaged"):
            environment.record(tmp_path, "CPU")
        assert (tmp_path / "environment.json").read_text() == damaged


@pytest.mark.parametrize(
    "seconds, text", [(0.00041, "0.4 ms"), (0.0123, "12 ms"), (0.9994, "999 ms"), (0.9996, "1.00 s"), (12.345, "12.35 s")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
