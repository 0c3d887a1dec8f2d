"""The environment that MindSpore finds, in real processes and whichever way the framework is entered."""

import os
import platform
import subprocess
import sys

import pytest
from mindpoint.runtime import cpu, guard

matters = pytest.mark.skipif(not guard.matters(), reason="only CPUs with AVX-512 need the guard")
TELL = "import os; print(os.environ.get('ONEDNN_MAX_CPU_ISA'), os.environ.get('OMP_WAIT_POLICY'))"


def run(code, *arguments, **environment):
    env = {name: value for name, value in os.environ.items() if name not in ("ONEDNN_MAX_CPU_ISA", "OMP_WAIT_POLICY", "GLOG_v")}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**env, **environment}, timeout=100)


@matters
@pytest.mark.parametrize(
    "entry",
    [
        "import mindpoint",
        "from mindpoint.config import load_config",
        "import mindpoint.storage.files",
        "import mindpoint_centernet",
        "from mindpoint_centernet.heatmaps import gaussian",
        "from mindpoint.cli.main import main",
    ],
)
def test_every_import_sets_it(entry):
    done = run(f"{entry}\n{TELL}")
    assert (done.stdout.split(), done.stderr) == (["AVX2", "PASSIVE"], "")


def test_importing_changes_nothing_else():
    imports = "import mindpoint, mindpoint.config, mindpoint_centernet"
    code = f"import os; before = set(os.environ.items()); {imports}; print(*sorted(set(os.environ.items()) - before))"
    done = run(code)
    assert {name for name in ("GLOG_v", "MS_", "OMP_NUM") if name in done.stdout} == set()
    assert done.stdout.count("(") == (2 if guard.matters() else 1)


def test_the_commands_keep_mindspore_quiet_unless_told_otherwise():
    code = "import os; from mindpoint.cli.main import main; main(['config', 'list']); print('level', os.environ['GLOG_v'])"
    assert "level 3" in run(code).stdout and "level 1" in run(code, GLOG_v="1").stdout


@matters
def test_processes_started_later_inherit_it():
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {TELL!r}])"
    assert run(f"import mindpoint\n{child}").stdout.split() == ["AVX2", "PASSIVE"]


@matters
def test_it_is_there_before_the_command_line_imports_mindspore(tmp_path):
    (tmp_path / "mindspore.py").write_text(f"{TELL}\nraise SystemExit(0)\n")
    done = run(
        "import sys; from mindpoint.cli.main import main; main(sys.argv[1:])", "predict", "x.ckpt", "x.jpg", PYTHONPATH=str(tmp_path)
    )
    assert "x.jpg: no such file" in done.stderr or "--out" in done.stderr  # arguments are looked at first, without MindSpore
    done = run("import mindpoint_centernet.layers", PYTHONPATH=str(tmp_path))
    assert done.stdout.split() == ["AVX2", "PASSIVE"]


@pytest.mark.parametrize("name", ["ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"])
def test_the_users_own_setting_wins(name):
    done = run(f"import mindpoint\n{TELL}\nprint(os.environ.get('{name}'))", **{name: "AVX512_CORE", "OMP_WAIT_POLICY": "ACTIVE"})
    first, policy, own = done.stdout.split()
    assert (policy, own) == ("ACTIVE", "AVX512_CORE") and first in ("AVX512_CORE", "None")


@matters
def test_mindspore_first_is_warned_of_and_still_helped(tmp_path):
    (tmp_path / "mindspore.py").write_text("")
    code = f"import mindspore\nimport mindpoint\n{TELL}"
    done = run(code, PYTHONPATH=str(tmp_path))
    assert done.stdout.split()[0] == "AVX2"
    assert "import mindpoint first, or set ONEDNN_MAX_CPU_ISA=AVX2" in done.stderr
    own = run(code, PYTHONPATH=str(tmp_path), ONEDNN_MAX_CPU_ISA="AVX2")
    assert own.stderr == ""


@pytest.mark.parametrize(
    "machine, flags, expected",
    [
        ("x86_64", {"avx", "avx2", "avx512f", "avx512vl"}, True),
        ("x86_64", {"avx", "avx2"}, False),
        ("x86_64", set(), True),
        ("aarch64", {"asimd", "sve"}, False),
        ("aarch64", set(), False),
    ],
)
def test_which_cpus_need_it(monkeypatch, machine, flags, expected):
    monkeypatch.setattr(cpu, "features", lambda: frozenset(flags))
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert guard.matters() is expected
