"""The comparison with the official implementation judges: tolerances come from files, and what is off fails."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import mindpoint_parity
import numpy as np
import pytest
from mindpoint.cli.main import main
from mindpoint.contracts.comparison import Comparison, as_json, as_table
from mindpoint.errors import DataError
from mindpoint_parity import decode, soft_nms, targets, train
from mindpoint_parity.reference import load_tolerances

SHIPPED = json.loads((Path(mindpoint_parity.__file__).parent / "tolerances.json").read_text())
ROWS = [Comparison("a", "one", 0.5, 1.0), Comparison("a", "two", 2.0, 1.0), Comparison("b", "three", float("nan"), 1.0)]


def test_tables_and_json():
    assert [row.passed for row in ROWS] == [True, False, False]
    lines = as_table(ROWS).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["a", "2", "2", "1", "FAIL"],
        ["b", "1", "nan", "1", "FAIL"],
        ["a:", "two:", "2", ">", "1"],
        ["b:", "three:", "nan", ">", "1"],
        ["1", "of", "3", "comparisons", "pass"],
    ]
    assert [(row["case"], row["error"], row["passed"]) for row in json.loads(as_json(ROWS))] == [
        ("one", 0.5, True),
        ("two", 2.0, False),
        ("three", None, False),
    ]


def test_which_file_wins(tmp_path):
    folder, file = tmp_path / "golden", tmp_path / "mine.json"
    folder.mkdir()
    assert load_tolerances(folder) == SHIPPED
    for path, value in ((folder / "tolerances.json", 0.25), (file, 0.125)):
        path.write_text(json.dumps({**SHIPPED, "soft_nms": {"rows": value}}))
    assert load_tolerances(folder)["soft_nms"]["rows"] == 0.25
    assert load_tolerances(folder, file)["soft_nms"]["rows"] == 0.125


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "is not JSON"),
        ("[]", "numbers by area and quantity"),
        (json.dumps({**SHIPPED, "train": 3}), "numbers by area and quantity"),
        (json.dumps({name: area for name, area in SHIPPED.items() if name != "network"}), "network: maps is missing"),
        (json.dumps({**SHIPPED, "soft_nms": {"row": 1}}), "soft_nms: rows is missing; soft_nms: row is unknown"),
        (json.dumps({**SHIPPED, "soft_nms": {"rows": "1e-4"}}), "soft_nms: rows is '1e-4', not a positive number"),
        (json.dumps({**SHIPPED, "soft_nms": {"rows": float("nan")}}), "soft_nms: rows is nan, not a positive number"),
        (json.dumps({**SHIPPED, "soft_nms": {"rows": True}}), "soft_nms: rows is True, not a positive number"),
    ],
)
def test_wrong_tolerances_are_one_message(tmp_path, text, message):
    file = tmp_path / "t.json"
    file.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_tolerances(tmp_path, file)
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)


def test_the_command_takes_a_file(golden, coco_mini, tmp_path, capsys):
    arguments = ["parity", "--golden", str(golden), "--coco", str(coco_mini), "--only", "preprocess", "--tolerances"]
    file = tmp_path / "strict.json"
    assert main([*arguments, str(file)]) == 2 and f"{file}: cannot be read" in capsys.readouterr().err
    file.write_text(json.dumps({**SHIPPED, "preprocess": {"matrix": 1e-30}}))
    assert main([*arguments, str(file)]) == 1 and "FAIL" in capsys.readouterr().out


def test_tolerances_decide(reference):
    strict = replace(reference, tolerances={**SHIPPED, "decode": {**SHIPPED["decode"], "rows in the image": 1e-30}})
    assert {row.area for row in decode.check(strict) if not row.passed} == {"post-process"}


def test_a_joint_that_is_off_fails(reference, monkeypatch):
    ours = decode.decode_maps

    def moved(*arguments, **settings):
        found = ours(*arguments, **settings)
        found.keypoints[0, 0, 0] += 2e-4
        return found

    monkeypatch.setattr(decode, "decode_maps", moved)
    rows = decode.check(reference)
    assert not any(row.passed for row in rows if row.area == "decode") and all(row.passed for row in rows if row.case.endswith("/maps"))


def test_a_lost_row_fails(reference, monkeypatch):
    """The suppression gives one row less."""
    ours = soft_nms.soft_nms
    monkeypatch.setattr(soft_nms, "soft_nms", lambda boxes, scores: ours(boxes[:-1], scores[:-1]))
    rows = soft_nms.check(reference)
    assert rows and not any(row.passed for row in rows)


def test_a_target_that_is_off_fails(reference, tmp_path):
    """One number of one array of one case."""
    with np.load(reference.golden / "targets.npz") as file:
        arrays = {name: file[name] for name in file.files}
    name = next(name for name in arrays if name.endswith("/hps"))
    arrays[name] = arrays[name].copy()
    arrays[name].flat[3] += 1e-3
    np.savez(tmp_path / "targets.npz", **arrays)
    shutil.copyfile(reference.golden / "targets.json", tmp_path / "targets.json")
    assert [row.case for row in targets.check(replace(reference, golden=tmp_path)) if not row.passed] == [name]


class Replayed:
    """Gives the reference's own numbers, ``factor`` times the one that is named."""

    def __init__(self, expected, name="", factor=1.0):
        self.expected, self.name, self.factor = expected, name, factor

    def run(self, updates, perturbation=0):
        for losses in self.expected["losses"]:
            yield {name: value * (self.factor if name == self.name else 1) for name, value in losses.items()}

    def gradient_norms(self):
        norms = self.expected["grad_l2_step0"].items()
        return {name: norm * (self.factor if self.name == "gradients" else 1) for name, norm in norms if norm is not None}

    def weights(self):
        norms = self.expected["param_l2_after"]
        return {name: np.array([norm * (self.factor if self.name == "weights" else 1)]) for name, norm in norms.items()}


@pytest.mark.parametrize(
    "name, factor, failing",
    [
        ("", 1.0, set()),
        ("hm_loss", 1.002, {"hm_loss after 0 updates"}),
        ("off_loss", 1.002, set()),
        ("gradients", 1.02, {"median gradient"}),
        ("weights", 1.03, {"norms after"}),
    ],
)
def test_a_training_that_is_off_fails(reference, monkeypatch, name, factor, failing):
    expected = json.loads((reference.golden / "train.json").read_text())
    monkeypatch.setattr(train, "Replay", lambda golden, dense, weights: Replayed(expected["dense" if dense else "sparse"], name, factor))
    cases = [row.case.split("/")[1] for row in train.check(reference) if not row.passed]
    assert {" ".join(case.split()[:2]) if case.startswith("norms") else case for case in cases} == failing
