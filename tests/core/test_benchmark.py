"""Benchmarks: what is counted by hand, what times mean, and the commands on the toy model."""

import json
from pathlib import Path

import numpy as np
import pytest
from mindpoint.benchmark.counts import calls
from mindpoint.benchmark.report import Clock, Report, spread
from mindpoint.cli.main import main
from mindpoint.native.accelerate import accelerate
from mindpoint.native.fused import conv_norm
from mindspore import nn

TOY = str(Path(__file__).parent / "toy.yaml")


class Own(nn.Cell):
    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(4, 4, 1)

    def construct(self, x):
        return self.inner(x)

    def multiply_adds(self, inputs, output):
        return 1000 * inputs[0][0] + output[2]


class Small(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, pad_mode="pad", padding=1)
        self.spread = nn.Conv2d(4, 4, (3, 1), pad_mode="pad", padding=(1, 1, 0, 0), group=2)
        self.up = nn.Conv2dTranspose(4, 4, 4, stride=2, pad_mode="pad", padding=1, group=4)
        self.relu = nn.ReLU()
        self.own = Own()
        self.dense = nn.Dense(10, 7)

    def construct(self, image):
        return self.dense(self.own(self.relu(self.up(self.relu(self.spread(self.conv(image)))))))


def test_multiply_adds_by_hand():
    done = calls(Small(), (2, 3, 8, 10))
    assert [(call.name, call.multiply_adds) for call in done] == [
        ("conv", 2 * (4 * 4 * 5) * (3 * 3 * 3)),
        ("spread", 2 * (4 * 4 * 5) * (2 * 3 * 1)),
        ("relu", 0),
        ("up", 2 * (4 * 4 * 5) * (1 * 4 * 4)),
        ("relu", 0),
        ("own", 1000 * 2 + 8),  # not what is in it
        ("dense", 2 * (4 * 8 * 7) * 10),
    ]
    assert done[0].label == "Conv2d 2x3x8x10 -> 2x4x4x5 kernel_size 3, stride 2, dilation 1, group 1"


class Fused(nn.Cell):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SequentialCell([nn.Conv2d(4, 2, 1), nn.ReLU()])

    def construct(self, x):
        return self.head(conv_norm(self.conv, self.norm, x))


def test_cells_that_one_kernel_computes_are_counted_one_by_one():
    network = Fused().set_train(False)
    plain = [(call.name, call.inputs, call.multiply_adds) for call in calls(network, (1, 3, 8, 10)) if call.multiply_adds]
    assert plain == [
        ("conv", ((1, 3, 8, 10),), 4 * 8 * 10 * 27),
        ("head.0", ((1, 4, 8, 10),), 2 * 8 * 10 * 4),
    ]
    accelerate(network)
    done = calls(network, (1, 3, 8, 10))
    assert [(call.name, call.inputs, call.multiply_adds) for call in done if call.multiply_adds] == plain
    assert ("norm", ((1, 4, 8, 10),)) in [(call.name, call.inputs) for call in done]


def test_the_clock_gives_each_part_its_own_time():
    seconds = iter([0, 1, 4, 6, 10, 20, 21, 22, 32, 40])
    clock = Clock(lambda: next(seconds))
    for _ in range(2):
        with clock("outer"), clock("inner"):
            pass
        clock.close()
    with clock("outer"):
        pass
    assert clock.rounds == [{"inner": 3, "outer": 3}, {"inner": 1, "outer": 11}]
    rows = {row["part"]: row["median_ms"] for row in clock.rows()}
    assert list(rows.items()) == [("outer", 7000), ("inner", 2000), ("all", 9000)]  # as they begin
    assert clock.rows(skip=1, each=2)[0]["median_ms"] == 5500
    assert [row["share"] for row in clock.rows(skip=1)] == ["91.7%", "8.3%", "100.0%"]


def test_a_clock_beside_the_clock():
    clock = Clock(iter([0, 10, 20, 30]).__next__, cpu=Clock(iter([0, 1, 1, 4]).__next__))
    for _ in range(2):
        with clock("part"):
            pass
        clock.close()
    assert [(row["part"], row["median_ms"], row["cpu_ms"]) for row in clock.rows()] == [("part", 10e3, 2e3), ("all", 10e3, 2e3)]
    assert clock.rows(skip=1, each=3)[0]["cpu_ms"] == 1e3


def test_spread_is_median_and_quartiles():
    assert spread([0.4, 0.1, 0.2, 0.3, 0.5]) == pytest.approx({"median_ms": 300, "quartile_1_ms": 200, "quartile_3_ms": 400})
    assert set(spread([0.25]).values()) == {250}


def test_text_of_a_report():
    rows = [{"part": "all", "median_ms": 12.3456, "share": None}, {"part": "b", "median_ms": 1234567.8, "share": "5 %"}]
    assert str(Report({"batch": 4, "peak_MiB": 0.5}, {"time": rows})).splitlines() == [
        "batch     4",
        "peak MiB  0.5",
        "",
        "time",
        "part  median ms  share",
        "all   12.35",
        "b     1234568    5 %",
    ]


@pytest.fixture
def benchmark(capsys, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # for the processes that it starts

    def run(kind, *arguments):
        capsys.readouterr()
        assert main(["benchmark", kind, TOY, "--json", *arguments]) == 0
        content = json.loads(capsys.readouterr().out)
        assert content["benchmark"] == kind and content["environment"]["versions"]["mindspore"]
        return content["facts"], content["tables"]

    return run


@pytest.mark.slow
def test_train(benchmark):
    facts, tables = benchmark("train", "--runs", "4", "--batch", "5")
    rows = {row["part"]: row for row in tables["time a step"]}
    assert facts["network_input"] == "5 x 3 x 16 x 16"
    assert facts["images_per_second"] == pytest.approx(5e3 / rows["all"]["median_ms"])
    assert facts["compile_seconds"] > 5 * rows["all"]["median_ms"] / 1e3
    assert facts["parameters"] == 3 * 4 * 16 + 2 * 4 + 4 + 1
    assert facts["multiply_adds"] == 4 * 4 * (4 * 3 * 16 + 4) and facts["multiply_adds_heads"] == 64
    assert np.isfinite(facts["last_loss"])


def test_infer(benchmark):
    facts, tables = benchmark("infer", "--runs", "3", "--batch", "2")
    rows = {row["part"]: row["median_ms"] for row in tables["time per image"]}
    assert set(rows) == {"load", "pre-process", "network", "decode", "post-process", "all"} and min(rows.values()) > 0
    assert facts["network_input"] == "2 x 3 x 16 x 16" and facts["image"] == "16 x 16"
    assert facts["images_per_second"] == pytest.approx(1e3 / rows["all"])


def test_noise_where_no_data_is_configured(benchmark):
    facts, _ = benchmark("infer", "--runs", "1", "--set", "data.val=null")
    assert facts["data"] == "images of noise, since data.val.dataset is missing" and facts["image"] == "480 x 640"


@pytest.mark.slow
def test_data(benchmark):
    facts, tables = benchmark("data", "--runs", "1", "--workers", "2")
    assert [row["part"] for row in tables["core time per sample"]] == ["read and decode", "Whole", "targets", "normalise", "all"]
    assert {(row["kind"], row["workers"]) for row in tables["delivered as batches"]} >= {("threads", 1), ("processes", 1)}
    assert all(row["images_per_second"] == pytest.approx(1e3 / row["ms_a_sample"]) for row in tables["delivered as batches"])


@pytest.mark.slow
def test_ops(benchmark):
    facts, tables = benchmark("ops", "--runs", "2")
    rows = tables["operators"]
    assert [row["operator"].split()[0] for row in rows if row["GFLOP_per_second"] is not None] and len(rows) == 3
    kinds = sorted(row["operator"].split()[0].replace("Native", "") for row in rows)  # with a compiler, convolutions use the kernel
    assert kinds == ["BatchNorm2d", "Conv2d", "Conv2d"]
    totals = [row["all_with_gradients_ms"] for row in rows]
    assert totals == sorted(totals, reverse=True) and facts["all_with_gradients_ms"] == pytest.approx(sum(totals))


@pytest.mark.slow
def test_start(benchmark):
    facts, tables = benchmark("start", "--runs", "1")
    commands = {row["command"]: row["median_ms"] for row in tables["commands"]}
    parts = {row["part"]: row["median_ms"] for row in tables["parts of a prediction"]}
    assert commands["mindpoint predict"] > parts["import MindSpore"] and parts["compile and first prediction"] > 0
    assert facts["peak_memory_MiB"] > 100


def test_too_many_threads(capsys):
    assert main(["benchmark", "data", TOY, "--threads", "100000"]) == 2
    assert "--threads 100000: this process may use" in capsys.readouterr().err
