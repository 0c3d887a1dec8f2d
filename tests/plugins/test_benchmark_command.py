"""Benchmarks of the shipped models."""

import json

from mindpoint.benchmark.counts import calls
from mindpoint.cli.main import main
from mindpoint_centernet.ops.deform_conv import DeformConv2d


def test_deformable_convolution_counts_both_of_its_convolutions():
    (call,) = calls(DeformConv2d(4, 6, 3, 2, 1), (2, 4, 8, 10))
    pixels, taps = 2 * 4 * 5, 4 * 3 * 3
    assert call.multiply_adds == pixels * taps * 6 + pixels * taps * 27


def test_noise_where_the_data_set_is_missing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--json", "--runs", "1", "--batch", "4", "--workers", "1", "--set", "input.size=[64, 64]"]
    assert main(["benchmark", "data", "dla34_dcn_coco", *arguments]) == 0
    content = json.loads(capsys.readouterr().out)
    described = content["facts"]["data"]
    assert described.startswith("images of noise, since ") and "no such annotation file" in described
    parts = [row["part"] for row in content["tables"]["core time per sample"]]
    assert parts == ["read and decode", "RandomView", "ColorAugment", "targets", "normalise", "all"]
