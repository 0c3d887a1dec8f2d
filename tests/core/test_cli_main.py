"""The command line as a process: messages, exit codes, what is imported, how long help takes."""

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import mindpoint
import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def run(*arguments, path=None, **environment):
    env = {**os.environ, **environment}
    if path is not None:
        env["PYTHONPATH"] = str(path)
    return subprocess.run([sys.executable, "-m", "mindpoint", *arguments], capture_output=True, text=True, env=env, timeout=60)


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A distribution with commands of its own; its folder goes to PYTHONPATH."""
    root = tmp_path_factory.mktemp("commands")
    info = root / "acme_commands-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-commands\nVersion: 1.0\n")
    names = ("greet", "fail", "interrupt", "import", "load", "crash", "flood", "dud")
    points = "".join(f"acme-{name} = acme_commands:{name.replace('import', 'import_')}\n" for name in names)
    (info / "entry_points.txt").write_text(f"[mindpoint.commands]\n{points}acme-lost = acme_commands_lost:main\n")
    (root / "acme_commands.py").write_text('''
import os, signal, sys
from mindpoint.errors import ConfigError, MindpointError

def greet(argv):
    """Say hello to everybody who is named."""
    print("hello", *argv)
    return 7

def fail(argv):
    raise ConfigError("a.yaml:3: no such key" + "\\nb.yaml:4: nor that" * len(argv))

def interrupt(argv):
    raise KeyboardInterrupt

class InterruptAt:
    def __init__(self, module):
        self.module = module

    def find_spec(self, name, path, target=None):
        if name == self.module:
            os.kill(os.getpid(), signal.SIGINT)

def import_(argv):
    sys.meta_path.insert(0, InterruptAt(*argv))
    import mindspore

def load(argv):
    raise ImportError("initialization failed") from KeyboardInterrupt()  # as pybind11 does when a module is being initialised

def crash(argv):
    return 1 / 0

def flood(argv):
    for i in range(1000000):
        print("line", i)
    return 0

dud = "text"
''')
    return root


def test_help_lists_built_in_and_declared_commands(commands):
    done = run("--help", path=commands)
    assert done.returncode == 0 and done.stderr == ""
    for name in ("train", "eval", "predict", "config", "plugins"):
        assert re.search(rf"^  {name} +\S", done.stdout, re.M), f"{name} has no line of help"
    assert re.search(r"^  acme-greet +Say hello to everybody who is named\.$", done.stdout, re.M)
    assert re.search(r"^  acme-lost +from acme-commands$", done.stdout, re.M)


def test_no_command_is_an_error_and_shows_where_to_begin():
    done = run()
    assert done.returncode == 2 and done.stdout == ""
    shown = re.findall(r"^  mindpoint (\S+)", done.stderr, re.M)
    assert shown == ["train", "predict", "new", "export"] and "'mindpoint --help' lists all commands" in done.stderr


def test_version():
    assert run("--version").stdout == f"mindpoint {mindpoint.__version__}\n"


@pytest.mark.parametrize("given, meant", [("trian", "'train'"), ("Plugin", "'plugins'"), ("acme-gret", "'acme-greet'")])
def test_unknown_command_suggests_the_nearest(commands, given, meant):
    done = run(given, path=commands)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith(f"mindpoint: error: unknown command '{given}'; did you mean ") and meant in done.stderr


def test_unknown_command_without_a_near_one():
    assert run("xyzzy").stderr == "mindpoint: error: unknown command 'xyzzy'; 'mindpoint --help' lists all commands\n"


def test_declared_command_gets_its_arguments_and_gives_the_exit_code(commands):
    done = run("acme-greet", "--you", "and me", path=commands)
    assert (done.returncode, done.stdout, done.stderr) == (7, "hello --you and me\n", "")


def test_error_of_the_user_is_one_message_without_traceback(commands):
    done = run("acme-fail", path=commands)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "mindpoint: error: a.yaml:3: no such key\n")
    several = run("acme-fail", "one more", path=commands)
    assert several.stderr == "mindpoint: error:\na.yaml:3: no such key\nb.yaml:4: nor that\n"


def test_debugging_shows_the_traceback(commands):
    done = run("acme-fail", path=commands, MINDPOINT_DEBUG="1")
    assert done.returncode == 2 and "Traceback" in done.stderr and done.stderr.endswith("mindpoint: error: a.yaml:3: no such key\n")


def test_bug_keeps_its_traceback(commands):
    done = run("acme-crash", path=commands)
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


def test_command_that_cannot_be_imported_or_called(commands):
    lost = run("acme-lost", path=commands)
    assert lost.returncode == 2 and lost.stderr.count("\n") == 1
    assert "command 'acme-lost' of acme-commands 1.0 (acme_commands_lost:main) failed to import: ModuleNotFoundError" in lost.stderr
    assert "neither a class nor a function" in run("acme-dud", path=commands).stderr


@pytest.mark.parametrize("words", [["interrupt"], ["import", "mindspore.nn"], ["import", "mindspore.train"], ["load"]], ids=" ".join)
def test_interrupt(commands, words):
    done = run(f"acme-{words[0]}", *words[1:], path=commands)
    assert (done.returncode, done.stderr) == (128 + signal.SIGINT, "mindpoint: interrupted\n")


def test_reader_that_goes_away_is_no_error(commands):
    env = {**os.environ, "PYTHONPATH": str(commands)}
    process = subprocess.Popen([sys.executable, "-m", "mindpoint", "acme-flood"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    process.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "--help"], ["config", "--help"], ["train", "--help"]], ids=" ".join)
def test_help_is_quick(arguments):
    def seconds():
        """Of a core, so that other work on the machine does not count."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run(*arguments).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.5


@pytest.mark.parametrize("name", ["train", "eval", "predict", "parity"])
def test_scripts_take_the_arguments_of_the_command(name):
    script = subprocess.run([sys.executable, str(TOOLS / f"{name}.py"), "--help"], capture_output=True, text=True, timeout=60)
    assert script.returncode == 0
    assert script.stdout.startswith(f"usage: mindpoint {name} ")


PARTS = '''
from mindpoint.contracts.hook import Hook

class Bell(Hook):
    """Ring at the end
    of every epoch.

    Nobody sees this."""

    def __init__(self, times: int = 3):
        pass

class Loose:
    pass
'''


@pytest.mark.slow
def test_show_a_class_of_a_module(tmp_path):
    (tmp_path / "my_parts.py").write_text(PARTS)

    def show(name, **variables):
        program = Path(sys.executable).parent / "mindpoint"
        command, environment = [program, "plugins", "show", name], {**os.environ, "PYTHONPATH": str(tmp_path), **variables}
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, env=environment)

    assert show("my_parts:Bell").stdout == (
        "hook Bell\n  Ring at the end of every epoch.\n  defined as    my_parts:Bell\n"
        f"  defined in    {tmp_path}/my_parts.py:4\n  arguments\n    times: int = 3\n"
    )
    assert show("my_parts:Loose").stdout.startswith("class Loose\n")
    wrong = {"my_parts:Gone": "has no attribute 'Gone'", "no_such:Bell": "nor a module", "Bell": "unknown part 'Bell'"}
    for name, text in wrong.items():
        done = show(name)
        assert done.returncode == 2 and text in done.stderr and "Traceback" not in done.stderr
    assert "nor a module" in show("my_parts:Bell", PYTHONPATH="").stderr  # the folder that one happens to be in may be a stranger's


@pytest.mark.slow
def test_plugins_treats_a_declared_kind_as_its_own(tmp_path):
    info = tmp_path / "acme_tracking-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tracking\nVersion: 1.0\n")
    kinds, trackers = "trackers = acme_tracking:BoxTracker", "Greedy = acme_tracking:Greedy\nOdd = json:dumps"
    (info / "entry_points.txt").write_text(f"[mindpoint.kinds]\n{kinds}\n[mindpoint.trackers]\n{trackers}\n")
    (tmp_path / "acme_tracking.py").write_text("class BoxTracker:\n    pass\n\n\nclass Greedy(BoxTracker):\n    pass\n")
    listed = run("plugins", "list", "trackers", path=tmp_path).stdout
    assert re.search(r"^box tracker +Greedy +acme-tracking 1\.0 +acme_tracking:Greedy$", listed, re.M)
    assert run("plugins", "show", "greedy", path=tmp_path).stdout.startswith("box tracker Greedy\n")
    doctor = run("plugins", "doctor", path=tmp_path).stdout
    assert re.search(r"^ok +kind +trackers +acme-tracking", doctor, re.M) and re.search(r"^ok +box tracker +Greedy", doctor, re.M)
    assert re.search(r"^BROKEN +box tracker +Odd .* is not a box tracker: it must derive from acme_tracking\.BoxTracker$", doctor, re.M)
