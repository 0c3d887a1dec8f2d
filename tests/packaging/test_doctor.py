"""The command ``doctor`` as a process: on this machine, with the guard off, and with broken packages."""

import json
import os
import subprocess
import sys

import pytest
from mindpoint.runtime import guard


def doctor(*arguments, **environment):
    command = [sys.executable, "-m", "mindpoint", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=200)


def report(**environment):
    done = doctor("--json", **environment)
    content = json.loads(done.stdout)
    assert content["ok"] is (done.returncode == 0)
    return done.returncode, {check["name"]: check for check in content["checks"]}


@pytest.mark.slow
def test_a_sound_installation():
    code, checks = report()
    assert (code, [check for check in checks.values() if check["problem"]]) == (0, [])
    assert checks["numpy"]["value"].endswith("(<2,>=1.25)")
    assert {"python", "mindspore", "cpu", "cores", "memory", "shared memory", "instruction-set guard"} <= set(checks)
    assert checks["device"]["value"] != "CPU" or checks["convolution"]["value"].startswith("fast path on: 3x3 at ")
    assert {"c++ compiler", "convolution kernel", "deformable kernel"} <= set(checks)  # the last is the plugin's own


@pytest.mark.slow
@pytest.mark.skipif(not guard.matters(), reason="only CPUs with AVX-512 need the guard")
def test_without_the_guard_it_says_so():
    code, checks = report(ONEDNN_MAX_CPU_ISA="ALL")
    assert code == 1
    assert checks["convolution"]["value"].startswith("fast path off: ")
    assert "set ONEDNN_MAX_CPU_ISA=AVX2" in checks["convolution"]["problem"]
    assert checks["instruction-set guard"]["value"] == "your own setting: ONEDNN_MAX_CPU_ISA=ALL"


@pytest.mark.slow
def test_broken_packages(tmp_path):
    """A MindSpore that ends the interpreter, requirements that do not hold, and checks that find, fail and cannot be imported."""
    info = tmp_path / "acme_sick-1.0.dist-info"
    info.mkdir()
    needs = ("numpy>=3", "acme-absent>=2", "acme-extra; extra == 'more'", "acme-odd >>1", "acme-torn>=1")
    lines = ["Metadata-Version: 2.1", "Name: acme-sick", "Version: 1.0", *(f"Requires-Dist: {need}" for need in needs)]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    (info / "entry_points.txt").write_text(
        "[mindpoint.checks]\nacme-finds = acme_sick:finds\nacme-fails = acme_sick:fails\nacme-lost = acme_lost:check\n"
    )
    (tmp_path / "acme_sick.py").write_text(
        "from mindpoint.doctor.check import Check\n"
        "def finds():\n    return [Check('acme licence', 'expired', problem='renew it'), Check('acme key', 'there')]\n"
        "def fails():\n    raise KeyError('acme')\n"
    )
    torn = tmp_path / "acme_torn-1.0.dist-info"
    torn.mkdir()
    (torn / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-torn\n")  # no version
    (torn / "entry_points.txt").write_text("[mindpoint.hooks]\nA = a:A\n[mindpoint.hooks\n")
    (torn / "direct_url.json").write_text("{torn")
    (tmp_path / "mindspore.py").write_text("import os\nos.abort()\n")
    code, checks = report(PYTHONPATH=str(tmp_path))
    assert code == 1
    assert "acme-sick needs >=3: " in checks["numpy"]["problem"] and "mindpoint needs <2,>=1.25" in checks["numpy"]["problem"]
    assert checks["acme-absent"]["problem"].endswith("-m pip install 'acme-absent>=2'")
    assert "acme-extra" not in checks and checks["acme-torn"]["problem"].endswith("-m pip install 'acme-torn>=1'")
    odd = checks["requirement of acme-sick"]
    assert odd["value"] == "acme-odd >>1" and odd["note"].startswith("cannot be read (") and odd["problem"] is None
    assert "its parts are missing; install it again: " in checks["entry points of acme-torn"]["problem"]
    assert checks["convolution"]["problem"].startswith("MindSpore does not run here (signal 6)")
    assert checks["acme licence"]["problem"] == "renew it" and checks["acme key"]["problem"] is None
    assert "KeyError: 'acme'" in checks["acme-fails"]["problem"]
    assert "acme_lost" in checks["check acme-lost"]["problem"]
    lines = doctor(PYTHONPATH=str(tmp_path)).stdout.splitlines()
    assert "PROBLEM  acme licence              expired" in lines and lines[-1].endswith(" problems")
