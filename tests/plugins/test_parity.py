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
from mindpoint_parity.seeded import golden_state

FOLDER = Path(mindpoint_parity.__file__).parent / "tolerances"
SHIPPED = json.loads((FOLDER / "multi_pose.json").read_text())
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
    listed = folder / "official_state_dict.json"
    with pytest.raises(DataError, match=r"needs official_state_dict\*.json or .*, which .* determines the task"):
        load_tolerances(folder)
    for head, task in (("hps", "multi_pose"), ("reg", "ctdet")):
        listed.write_text(json.dumps({"params": [["hm.2.bias", [1]], [f"{head}.2.bias", [2]]]}))
        assert load_tolerances(folder) == json.loads((FOLDER / f"{task}.json").read_text())
    for path, value in ((folder / "tolerances.json", 0.25), (file, 0.125)):
        path.write_text(json.dumps({**SHIPPED, "soft_nms": {"rows": value}}))
    assert load_tolerances(folder)["soft_nms"]["rows"] == 0.25
    assert load_tolerances(folder, file)["soft_nms"]["rows"] == 0.125


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "is not JSON"),
        ("[]", "must be .area: .quantity: number"),
        (json.dumps({**SHIPPED, "train": 3}), "must be .area: .quantity: number"),
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
    file.write_text(json.dumps({"preprocess": {"matrix": 1e-30}}))
    assert main([*arguments, str(file)]) == 1 and "FAIL" in capsys.readouterr().out
    file.write_text(json.dumps({**SHIPPED, "preprocess": {"matrixes": 1}}))
    assert main([*arguments, str(file)]) == 2 and "preprocess: the tolerance of preprocess: matrix is missing" in capsys.readouterr().err


def test_an_area_without_numbers_or_images(golden, golden_networks, capsys):
    assert main(["parity", "--golden", str(golden), "--only", "merge"]) == 2
    assert f"merge: {golden} has no values for this area" in capsys.readouterr().err
    assert main(["parity", "--golden", str(golden_networks), "--only", "train"]) == 2
    assert "train.json is missing" in capsys.readouterr().err
    assert main(["parity", "--golden", str(golden), "--only", "evaluation"]) == 2
    assert "--coco is missing" in capsys.readouterr().err


def test_seeded_weights_are_those_that_the_folder_tells(golden, tmp_path):
    for name in ("official_state_dict.json", "seeded_weights_check.json"):
        (tmp_path / name).write_text((golden / name).read_text())
    told = json.loads((tmp_path / name).read_text())
    assert len(golden_state(tmp_path)) > 300
    told["base.level0.1.running_var"][2] += 1e-5
    (tmp_path / name).write_text(json.dumps(told))
    with pytest.raises(DataError, match="base.level0.1.running_var begins with .* which are not the seeded values"):
        golden_state(tmp_path)


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
    assert _failing_targets(reference, arrays, tmp_path) == [name]


def test_a_heat_map_that_reaches_one_pixel_further_fails(reference_ctdet, tmp_path):
    """A cell of almost 0 that is not stored: the values agree to the tolerance, the cells do not."""
    with np.load(reference_ctdet.golden / "targets.npz") as file:
        arrays = {name: file[name] for name in file.files}
    last = arrays["case02/hm_value"].argmin()
    for part in ("index", "value"):
        arrays[f"case02/hm_{part}"] = np.delete(arrays[f"case02/hm_{part}"], last)
    arrays["case14/dense_wh_value"] = arrays["case14/dense_wh_value"] + np.float32(1e-3)
    assert _failing_targets(reference_ctdet, arrays, tmp_path) == ["case02/hm_index", "case14/dense_wh_index"]


def _failing_targets(reference, arrays, folder):
    np.savez(folder / "targets.npz", **arrays)
    for name in ("targets.json", "official_state_dict.json"):
        shutil.copyfile(reference.golden / name, folder / name)
    return [row.case for row in targets.check(replace(reference, golden=folder)) if not row.passed]


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
    monkeypatch.setattr(
        train, "Replay", lambda reference, weights, setting: Replayed(expected["dense" if setting.loss else "sparse"], name, factor)
    )
    cases = [row.case.split("/")[1] for row in train.check(reference) if not row.passed]
    assert {" ".join(case.split()[:2]) if case.startswith("norms") else case for case in cases} == failing
