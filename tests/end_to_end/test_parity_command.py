"""The command that compares this project with the official implementation; test_parity_of_detection.py takes detection."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "parity.py"
QUICK = ["--only", "decode", "--only", "soft_nms", "--only", "preprocess", "--only", "evaluation"]


def parity(*arguments):
    return subprocess.run([sys.executable, str(TOOL), *map(str, arguments)], capture_output=True, text=True)


@pytest.mark.slow
def test_table_json_and_status(golden, coco_mini):
    done = parity("--golden", golden, "--coco", coco_mini, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout and "comparisons pass" in done.stdout
    rows = json.loads(parity("--golden", golden, "--coco", coco_mini, *QUICK, "--json").stdout)
    assert {row["area"] for row in rows} >= {"decode", "flip merge", "post-process", "soft-NMS", "pre-process", "evaluation"}
    assert all(row["passed"] and row["error"] <= row["tolerance"] for row in rows)


@pytest.mark.slow
def test_a_number_that_is_off_fails_and_is_named(golden, coco_mini, tmp_path):
    for name in ("evaluation.json", "detections.json", "official_state_dict.json"):
        shutil.copy(golden / name, tmp_path / name)
    changed = json.loads((tmp_path / "evaluation.json").read_text())
    changed["stats"]["keypoints"][1] += 1e-5
    (tmp_path / "evaluation.json").chmod(0o644)
    (tmp_path / "evaluation.json").write_text(json.dumps(changed))
    done = parity("--golden", tmp_path, "--coco", coco_mini, "--only", "evaluation")
    assert done.returncode == 1
    assert "FAIL" in done.stdout and "AP50: 1e-05 > 1e-06" in done.stdout


def test_folders_that_are_not_what_they_should_be(golden, coco_mini, tmp_path):
    shutil.copy(golden / "official_state_dict.json", tmp_path)
    (tmp_path / "empty").mkdir()
    for folder, message in ((tmp_path / "none", "no such folder"), (tmp_path / "empty", "determines the task"), (tmp_path, "decode.npz")):
        done = parity("--golden", folder, "--coco", coco_mini, "--only", "decode")
        assert done.returncode == 2 and "Traceback" not in done.stderr and message in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("folder, count", [("golden", 423), ("golden_networks", 30), ("golden_zoo", 12)])
def test_every_number_of_every_other_folder(folder, count, coco_mini, request):
    done = parity("--golden", request.getfixturevalue(folder), "--coco", coco_mini)
    assert done.returncode == 0 and f"{count} of {count} comparisons pass" in done.stdout, done.stdout + done.stderr
