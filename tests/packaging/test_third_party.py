"""Other people's distributions, installed with pip: good, broken, conflicting, of the wrong kind, stale, removed, out of date."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
FIND = "import sys; from mindpoint.registry import *; print(registry(sys.argv[1]).find(sys.argv[2], 'a.yaml:7: here'))"
GET = "import sys; from mindpoint.registry import *; print(registry(sys.argv[1]).get(sys.argv[2], 'a.yaml:7: here'))"


def rows(done, distribution):
    """Lines of ``plugins doctor`` on a distribution: name to [(status, problem), ...]."""
    found = {}
    for line in done.stdout.splitlines():
        match = re.match(rf"(ok|BROKEN) +\S.*? +(\S+) +{distribution} \S+(?: +(\S.*))?$", line)
        if match:
            found.setdefault(match[2], []).append((match[1], match[3]))
    return found


def failure(installed, kind, name, program=GET):
    """Type and text of the error that ``get`` (or ``find``) raises."""
    done = installed.python("-c", program, kind, name)
    assert done.returncode == 1, done.stdout
    error, _, text = done.stderr.splitlines()[-1].partition(": ")
    return error.rpartition(".")[2], text


@pytest.fixture(scope="module")
def sick(install):
    """Return the doctor's output with the good distribution and all bad ones installed."""
    done = install("acme_pose", "acme_broken", "acme_conflict", "acme_wrong_kind", "acme_stale").mindpoint("plugins", "doctor")
    assert done.returncode == 1 and done.stderr == ""
    return done


@pytest.mark.slow
def test_good_one_is_listed_shown_found_and_sound(install):
    good = install("acme_pose")
    assert good.listed()["acme-pose"] == {"PlainPyramid", "ForegroundHead", "ForegroundLoss", "Diary"}
    assert good.listed("backbones")["acme-pose"] == {"PlainPyramid"}
    shown = good.mindpoint("plugins", "show", "plain_pyramid").stdout
    assert "backbone PlainPyramid\n  Maps of strides 4, 8, 16, 32, ..., each half the size of the one before.\n" in shown
    assert "acme-pose 1.0" in shown and "channels: [int, ...] = (16, 32, 64, 128)" in shown
    assert re.search(r"defined in .*/acme_pose/backbone\.py:15$", shown, re.M)
    assert good.python("-c", GET, "hooks", "acme-pose:diary").stdout == "<class 'acme_pose.diary.Diary'>\n"
    doctor = good.mindpoint("plugins", "doctor")
    assert doctor.returncode == 0 and doctor.stdout.endswith("\nno problems\n"), doctor.stdout
    assert rows(doctor, "acme-pose") == {name: [("ok", None)] for name in good.listed()["acme-pose"]}


def test_removed_one_is_an_unknown_name(install):
    error, text = failure(install(), "backbones", "PlainPyramid", FIND)
    assert error == "UnknownPlugin"
    assert text.startswith("a.yaml:7: here: unknown backbone 'PlainPyramid'; ") and "is its distribution missing?" in text


@pytest.mark.slow
def test_broken_ones_trouble_only_those_who_name_them(install):
    both = install("acme_broken", "acme_pose")
    assert both.listed()["acme-broken"] == {"RT", "Abrupt", "Quitter"}
    assert both.python("-c", GET, "hooks", "Diary").returncode == 0
    where = "a.yaml:7: here: backbone 'RT' of acme-broken 1.0 (acme_broken.rt:RT) failed to import: RuntimeError: needs driver 7"
    assert failure(both, "backbones", "RT") == ("PluginImportError", where)
    assert failure(both, "hooks", "Quitter")[1].endswith("failed to import: SystemExit: no licence found")


@pytest.mark.slow
def test_doctor_survives_parts_that_raise_quit_or_crash(sick):
    broken = rows(sick, "acme-broken")
    assert broken["RT"] == [("BROKEN", "failed to import: RuntimeError: needs driver 7")]
    assert "ended the interpreter during import (exit status 3)" in broken["Abrupt"][0][1]
    assert "SystemExit: no licence found" in broken["Quitter"][0][1]
    assert "goodbye" not in sick.stdout
    assert rows(sick, "acme-pose") == {name: [("ok", None)] for name in ("PlainPyramid", "ForegroundHead", "ForegroundLoss", "Diary")}


@pytest.mark.slow
def test_doctor_counts_the_problems(sick):
    broken = [line for line in sick.stdout.splitlines() if line.startswith("BROKEN")]
    assert len(broken) == 9  # three broken, two stale, two of the wrong kind, two in conflict
    assert sick.stdout.endswith("\n9 problems\n")


@pytest.mark.slow
def test_showing_a_broken_one_needs_no_import(install):
    broken = install("acme_stale").mindpoint("plugins", "show", "Gone")
    assert broken.returncode == 2 and "has no attribute 'Gone'" in broken.stderr and "Traceback" not in broken.stderr
    assert install("acme_broken").mindpoint("plugins", "list", "backbones").returncode == 0


@pytest.mark.slow
def test_conflict_is_settled_by_naming_the_distribution(install, sick):
    conflict = install("acme_conflict")
    error, text = failure(conflict, "backbones", "DLA34", FIND)
    assert error == "PluginConflict"
    for part in ("mindpoint ", "acme-conflict 2.0 (acme_conflict:DLA34)", "'mindpoint:DLA34'", "'acme-conflict:dla-34'"):
        assert part in text
    assert conflict.python("-c", GET, "backbones", "acme-conflict:DLA34").stdout == "<class 'acme_conflict.DLA34'>\n"
    assert "(mindpoint_centernet.backbones.dla:DLA34)" in conflict.python("-c", FIND, "backbones", "mindpoint:DLA34").stdout
    assert conflict.python("-c", FIND, "backbones", "ResNet").returncode == 0
    problem = "also declared by acme-conflict 2.0; write 'mindpoint:DLA34' in configurations"
    assert ("BROKEN", problem) in rows(sick, "mindpoint")["DLA34"]


@pytest.mark.slow
def test_wrong_kind(install, sick):
    wrong = install("acme_wrong_kind")
    said = "(acme_wrong_kind:Sideways) is a neck, not a backbone: it must derive from mindpoint.contracts.parts.Backbone"
    assert failure(wrong, "backbones", "sideways") == ("WrongKind", f"a.yaml:7: here: backbone 'Sideways' of acme-wrong-kind 1.0 {said}")
    assert failure(wrong, "necks", "sideways", FIND) == ("WrongKind", "a.yaml:7: here: 'Sideways' is a backbone, not a neck")
    assert "is a neck, not a backbone" in rows(sick, "acme-wrong-kind")["Sideways"][0][1]
    assert "neither a class nor a function" in rows(sick, "acme-wrong-kind")["NotEvenCallable"][0][1]


@pytest.mark.slow
def test_stale_entry_points(sick):
    found = rows(sick, "acme-stale")
    assert "module 'acme_stale' has no attribute 'Gone'" in found["Gone"][0][1]
    assert "No module named 'acme_stale_neck'" in found["Lost"][0][1]
    assert all("reinstall acme-stale with pip" in problem for [(_, problem)] in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("where", ["setup.cfg", "pyproject.toml"])
def test_editable_install_whose_declarations_changed(install, tmp_path, where):
    if where == "pyproject.toml" and sys.version_info < (3, 11):
        pytest.skip("the standard library reads TOML from Python 3.11 on")
    source = shutil.copytree(FIXTURES / "acme_pose", tmp_path / "acme_pose")
    if where == "pyproject.toml":
        (source / "setup.cfg").unlink()
        with open(source / "pyproject.toml", "a") as file:
            file.write('\n[project]\nname = "acme-pose"\nversion = "1.0"\n[tool.setuptools]\npackages = ["acme_pose"]\n')
            file.write('[project.entry-points."mindpoint.hooks"]\nDiary = "acme_pose.diary:Diary"\n')
    site = tmp_path / "site"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site), "-e", str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    installed = install()
    # Python reads no .pth files from PYTHONPATH, so the source itself stands beside the metadata
    installed.environment["PYTHONPATH"] = f"{site}:{source}"
    assert installed.mindpoint("plugins", "doctor").returncode == 0

    text = (source / where).read_text()
    (source / where).write_text(text.replace("Diary = ", "Journal = ").replace("Diary=", "Journal="))
    doctor = installed.mindpoint("plugins", "doctor")
    assert doctor.returncode == 1 and doctor.stdout.endswith("\n2 problems\n")
    for name in ("Diary", "Journal"):
        problems = [problem for status, problem in rows(doctor, "acme-pose")[name] if status == "BROKEN"]
        assert len(problems) == 1 and "not declared" in problems[0] and f"pip install --no-deps -e {source}" in problems[0]
