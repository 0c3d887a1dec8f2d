"""A short run of the fuzzer, and its corpus."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mindpoint import Predictor
from mindpoint.errors import WeightsError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_only_messages_come_out():
    for needed in ("hypothesis", "onnx", "onnxruntime"):
        pytest.importorskip(needed)
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--examples", "12"], cwd=ROOT, capture_output=True, text=True, errors="replace", timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("12 inputs, only messages") == 20


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    "name, other",
    [(b"mindpoint.config", b"mindpoint.confi\xff"), (b"[64, 96]", b"[64, 9\xff]"), (b"image", b"imag\xff"), (b"image", b"other")],
)
def test_names_and_texts_of_a_file_that_are_not_as_told(engine, name, other, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip(engine)
    from tests.fuzz.targets import onnx_files

    (data,) = onnx_files()
    assert name in data
    (tmp_path / "a.onnx").write_bytes(data.replace(name, other))
    with pytest.raises(WeightsError, match="a.onnx: (damaged|.* cannot run it with image 1x3x64x96)"):
        Predictor(tmp_path / "a.onnx", engine=engine)(np.full((40, 60, 3), 99, np.uint8))
