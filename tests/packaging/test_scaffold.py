"""``plugins new`` and ``plugins test``: what is written works at once, whatever parts are chosen."""

import ast
import itertools
import re
import sys
from pathlib import Path

import pytest
from installations import OFFLINE, Installed, pip
from mindpoint.cli.main import main
from mindpoint.scaffold import PARTS

FEW = ("--set", "train.max_steps=2", "--set", "data.train.dataset.count=16", "--set", "data.val.dataset.count=2")
PAIRS = [",".join(pair) for pair in itertools.combinations(PARTS, 2)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(parts, name="acme-birds"):
    assert main(["plugins", "new", name, "--parts", parts]) == 0
    return Path(name)


def installed(tree):
    target = tree.parent / "target"
    pip("install", *OFFLINE, "--target", target, tree.resolve())
    return Installed([target.resolve()])


@pytest.mark.parametrize("parts", [*PARTS, *PAIRS])
def test_every_choice_is_whole(folder, parts, capsys):
    """Every declared part is there, every file compiles, every type of the example is a part of the distribution or of mindpoint."""
    tree = written(parts)
    declared = re.findall(r'^(\w+) = "acme_birds\.(\w+):(\w+)"$', (tree / "pyproject.toml").read_text(), re.M)
    for name, module, attribute in declared:
        source = ast.parse((tree / f"src/acme_birds/{module}.py").read_text())
        assert name == attribute in {node.name for node in source.body if isinstance(node, ast.ClassDef)}
        assert ast.get_docstring(next(node for node in source.body if getattr(node, "name", "") == name))
    assert set(parts.split(",")) <= {module for _, module, _ in declared}
    everything = "".join(path.read_text() for path in tree.rglob("*") if path.is_file())
    assert "Acme" not in everything.replace("AcmeBirds", "") and all(len(line) <= 140 for line in everything.splitlines())
    example = (tree / "src/acme_birds/recipes/example.yaml").read_text()
    used = set(re.findall(r"type: (AcmeBirds\w+)", example))
    assert used == {name for name, _, _ in declared}
    local = re.sub(r"type: AcmeBirds(\w+)", lambda m: f"type: ./src/acme_birds/{m[1].lower()}.py:AcmeBirds{m[1]}", example)
    (tree / "local.yaml").write_text(local)
    assert main(["config", "check", str(tree / "local.yaml")]) == 0, capsys.readouterr().err


@pytest.mark.slow
def test_installed_it_passes_its_tests_and_trains(folder, commands):
    tree = written(",".join(PARTS))
    mine = installed(tree)
    mindpoint = commands(mine.environment, folder)
    assert mindpoint("plugins", "doctor").returncode == 0
    tests = mine.python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tree), str(tree / "tests"))
    assert tests.returncode == 0 and "failed" not in tests.stdout, tests.stdout
    trained = mindpoint("train", "acme-birds:example", "--out", "run", *FEW)
    assert trained.returncode == 0, trained.stderr
    assert Path("run/last.ckpt").exists()
    again = mindpoint("train", "run", "--resume", "--set", "train.max_steps=3", "--set", "runtime.mode=eager")  # no need to compile
    assert again.returncode == 0, "an installed distribution needs no trust: " + again.stderr
    table = mindpoint("plugins", "test", "acme-birds")
    assert table.returncode == 0, table.stdout
    rows = re.findall(r"^(ok|skipped|BROKEN) +\S.*?AcmeBirds(\w+)", table.stdout, re.M)
    assert {name.lower() for _, name in rows} >= set(PARTS)
    assert {name for status, name in rows if status != "ok"} <= {"Targets"}, table.stdout
    mindpoint.close()


@pytest.mark.slow
def test_a_part_that_breaks_its_contract_is_told(folder):
    tree = written("hook,transform")
    hook = tree / "src/acme_birds/hook.py"
    hook.write_text(hook.read_text().replace('self.average = state["average"]', "pass"))
    done = installed(tree).mindpoint("plugins", "test", "acme-birds")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(r"^BROKEN +hook +AcmeBirdsHook +\d of 4 .*load_state_dict must restore all values of state_dict", done.stdout, re.M)
    assert re.search(r"^ok +transform +AcmeBirdsTransform +3 of 3", done.stdout, re.M)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("acme-birds", "--parts", "bone"), "--parts: cannot write a part 'bone'; did you mean 'backbone'?"),
        (("acme-birds", "--parts", "optimizer"), "cannot write a part 'optimizer'; choose among backbone, neck, head"),
        (("Acme", "--parts", "hook"), "'Acme' is not a valid name; use small letters, digits and '-'"),
        (("../acme", "--parts", "hook"), "'../acme' is not a valid name"),
        (("mindpoint-birds", "--parts", "hook"), "names that begin with mindpoint are reserved"),
        (("json", "--parts", "hook"), "would hide Python's existing module 'json'"),
        (("class", "--parts", "hook"), "'class' is not a valid name"),
        (("taken", "--parts", "hook"), "taken: exists"),
    ],
)
def test_what_cannot_be_written(folder, arguments, message, capsys):
    Path("taken").touch()
    assert main(["plugins", "new", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert sorted(path.name for path in folder.iterdir()) == ["taken"]


def test_kinds_may_be_named_as_they_are_elsewhere_and_the_licence_is_quoted(folder):
    assert main(["plugins", "new", "acme-birds", "--parts", "hooks, mindpoint.metrics", "--license", 'My "own"']) == 0
    text = Path("acme-birds/pyproject.toml").read_text()
    assert 'license = {text = "My \\"own\\""}' in text and 'AcmeBirdsMetric = "acme_birds.metric:AcmeBirdsMetric"' in text
    if sys.version_info >= (3, 11):
        import tomllib

        assert tomllib.loads(text)["project"]["license"] == {"text": 'My "own"'}


def test_an_unknown_distribution(folder, capsys):
    assert main(["plugins", "test", "acme-nothing"]) == 2
    assert "no distribution 'acme-nothing' with parts to test is installed; installed: mindpoint" in capsys.readouterr().err
