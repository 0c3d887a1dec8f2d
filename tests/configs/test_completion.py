"""Shell completion, asked for as argcomplete's shell functions do."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from mindpoint.cli.completion import can_complete
from mindpoint.config import shipped
from mindpoint.registry import Entry, registry

HEAVY = ("mindspore", "cv2", "matplotlib", "scipy", "pycocotools", "onnxruntime", "tqdm")


def asked(line, cwd, path="", **variables):
    """Return what the program writes to file descriptor 8 for a line with the cursor at its end."""
    words = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9"}
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -m mindpoint 8>&1 9>/dev/null >/dev/null', sys.executable],
        cwd=cwd, capture_output=True, text=True, timeout=60, env={**os.environ, **words, "PYTHONPATH": str(path), **variables},
    )  # fmt: skip
    return [word.strip() for word in done.stdout.split("\n") if word], done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("completion")
    (root / "runs" / "mine").mkdir(parents=True)
    (root / "mine.yaml").write_text("_base_: quickstart.yaml\nmy_own: {depth: 3}\n")
    (root / "图像.json").write_text("{}")
    return root


@pytest.mark.parametrize("line, expected", [
    ("mindpoint tr", {"train"}),
    ("mindpoint --ver", {"--version"}),
    ("mindpoint config pl", {"plot-schedule"}),
    ("mindpoint data co", {"convert", "correct"}),
    ("mindpoint data check --sp", {"--split"}),
    ("mindpoint migrate o", {"opts"}),
    ("mindpoint weights to", {"to-official"}),
    ("mindpoint train quickstart --ov", {"--overfit"}),
    ("mindpoint train mi", {"mine.yaml"}),
    ("mindpoint train --out r", {"runs/"}),
    ("mindpoint predict runs/", {"runs/mine/"}),
    ("mindpoint data check 图", {"图像.json"}),
    ("mindpoint train mine.yaml --set my", {"my_own.depth="}),
    ("mindpoint eval runs/mine --config quickstart --set train.ep", {"train.epochs="}),
    ("mindpoint export runs/mine --precision flo", {"float32", "float16"}),
    ("mindpoint synthesize drawn --draw ", {"people", "things"}),
    ("mindpoint nothing such", set()),
])  # fmt: skip
def test_completions(folder, line, expected):
    assert set(asked(line, folder)[0]) == expected


def test_every_command_and_shipped_configuration_is_completed(folder):
    commands = asked("mindpoint ", folder)[0]
    assert {"train", "doctor", *registry("commands").names()} <= set(commands)
    assert set(shipped()) <= set(asked("mindpoint train ", folder)[0])


@pytest.mark.parametrize(
    "line", ["", "train qui", "train quickstart --set train.e", *(f"{name} -" for name in registry("commands").names())]
)
def test_completion_imports_nothing_heavy(folder, line):
    _, done = asked(f"mindpoint {line}", folder, PYTHONPROFILEIMPORTTIME="1")
    modules = set(re.findall(r"\|\s+([\w.]+)$", done.stderr, re.M))
    assert "argcomplete" in modules and not modules & set(HEAVY)


COMMANDS = {
    "own": ("    parser = _parser('acme-own')\n    parser.parse_args(argv)\n    open('ran', 'w').close()\n", True),
    "nested": ("    'help'\n    LIMIT = 3\n    args = _parsed(argv)\n    open('ran', 'w').close()\n", True),
    "kind": ("    Louder(prog='mindpoint acme-kind').parse_args(argv)\n    open('ran', 'w').close()\n", True),
    "plain": ("    open('ran', 'w').close()\n", False),
    "late": ("    open('ran', 'w').close()\n    _parsed(argv)\n", False),
    "maybe": ("    if open('ran', 'w'):\n        _parsed(argv)\n", False),
    "circle": ("    circle(argv)\n    open('ran', 'w').close()\n", False),
    "other": ("    Other.Parser()\n    open('ran', 'w').close()\n", False),
}


@pytest.fixture
def acme(tmp_path):
    """A distribution with the commands above. Those that complete make their parser in a helper or in a class of their own."""
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mindpoint.commands]\n" + "".join(f"acme-{name} = acme:{name}\n" for name in COMMANDS))
    (tmp_path / "acme.py").write_text(
        "from mindpoint.cli.parser import Parser\n"
        "class Louder(Parser):\n    def __init__(self, **options):\n        super().__init__(**options)\n"
        "        self.add_argument('--loud')\n"
        "class Other:\n    class Parser:\n        pass\n"
        "def _parser(name):\n    parser = Parser(prog=f'mindpoint {name}')\n    parser.add_argument('--loud')\n    return parser\n"
        "def _parsed(argv):\n    return _parser('acme-nested').parse_args(argv)\n"
        + "".join(f"def {name}(argv):\n{body}" for name, (body, _) in COMMANDS.items())
    )
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_only_a_command_that_begins_with_its_parser_is_run(acme, name, monkeypatch):
    monkeypatch.syspath_prepend(acme)
    assert can_complete(Entry(registry("commands").kind, f"acme-{name}", f"acme:{name}")) == COMMANDS[name][1]


def test_a_command_that_does_not_complete_is_not_run(folder, acme):
    assert set(asked("mindpoint acme-", folder, acme)[0]) == {f"acme-{name}" for name in COMMANDS}
    for name in ("plain", "nested"):
        assert asked(f"mindpoint acme-{name} --l", folder, acme)[0] == ["--loud"] * COMMANDS[name][1]
    assert not (folder / "ran").exists()


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
def test_bash_completes(folder):
    """With the function that docs/completion.md lets bash load."""
    bin_folder = os.path.dirname(sys.executable)
    script = (
        f'PATH="{bin_folder}:$PATH"; eval "$(register-python-argcomplete mindpoint)"; COMP_LINE="mindpoint train quickstart_d"; '
        'COMP_POINT=${#COMP_LINE}; COMP_WORDS=(mindpoint train quickstart_d); COMP_CWORD=2; COMP_TYPE=9; '
        '_python_argcomplete mindpoint quickstart_d train; printf "%s\\n" "${COMPREPLY[@]}"'
    )  # fmt: skip
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["quickstart_detection", "quickstart_detection_mobilenetv3"], done.stderr
