"""A short run of the fuzzer, and its corpus."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_only_messages_come_out():
    for needed in ("hypothesis", "onnx", "onnxruntime"):
        pytest.importorskip(needed)
    done = subprocess.run([sys.executable, "-m", "tests.fuzz", "--examples", "25"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("25 inputs, only messages") == 20
