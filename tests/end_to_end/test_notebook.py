"""docs/notebook.ipynb runs from top to bottom in an empty folder; git holds it without outputs."""

import ast
import base64
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"
nbformat = pytest.importorskip("nbformat", reason="the notebook needs the extra docs")
nbclient = pytest.importorskip("nbclient", reason="the notebook needs the extra docs")


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_has_no_outputs(notebook):
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []


@pytest.mark.slow
def test_it_runs(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # for !mindpoint
    done = nbclient.NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": tmp_path}}).execute()
    new, trained, seen, exported, records, drawn = [cell.outputs for cell in done.cells if cell.cell_type == "code"][1:]
    assert "train it with: mindpoint train mine.yaml" in _text(new)
    assert 0 <= float(_text(trained[-1:])) <= 1
    assert "mine.onnx: " in _text(exported) and "verified: " in _text(exported)
    found = ast.literal_eval(_text(records[-1:]))
    assert found and {record["class"] for record in found} <= {"mug", "star"}
    assert _picture(seen, "image/jpeg").size and _picture(drawn, "image/png").shape == (128, 128, 3)


def _text(outputs):
    return "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)


def _picture(outputs, kind):
    return cv2.imdecode(np.frombuffer(base64.b64decode(outputs[-1].data[kind]), np.uint8), cv2.IMREAD_COLOR)
