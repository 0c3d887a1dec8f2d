"""``type: ./parts.py:Bell``: parts in files, without a distribution."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from config_toys import BASE
from mindpoint.config import Config, load_config
from mindpoint.errors import ConfigError
from mindpoint.registry import installed, local, registry
from mindpoint.registry.installed import Point

PART = """\
from mindpoint.contracts.hook import Hook


class Bell(Hook):
    \"\"\"Rings.\"\"\"

    word = "ding"

    def __init__(self, times: int = 1):
        self.times = times
"""
USER = BASE + "hooks:\n  bell: {type: ../parts/bell.py:Bell, times: 2}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, text in {"parts/bell.py": PART, "other/bell.py": PART.replace("ding", "dong"), "experiments/a.yaml": USER}.items():
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
    return tmp_path


def error(*overrides, path="experiments/a.yaml"):
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    return str(caught.value)


def test_paths_begin_where_the_file_is_and_on_the_command_line_in_the_working_folder(folder):
    bell = load_config("experiments/a.yaml").build("hooks.bell")
    assert (bell.word, bell.times) == ("ding", 2)
    Path("experiments/below").mkdir()
    Path("experiments/below/b.yaml").write_text("_base_: ../a.yaml\nhooks: {gong: {type: ../../other/bell.py:Bell}}\n")
    both = load_config("experiments/below/b.yaml", ["+hooks.third={type: other/bell.py:Bell, times: 3}"])
    assert [(hook.word, hook.times) for hook in both.build_all("hooks").values()] == [("ding", 2), ("dong", 1), ("dong", 3)]
    assert both.data["hooks"]["bell"]["type"] == f"{folder}/parts/bell.py:Bell"


def test_arguments_are_checked_without_an_import():
    Path("parts/bell.py").write_text("raise RuntimeError('imported')\n" + PART)
    assert error("hooks.bell.times=often") == "--set hooks.bell.times: Bell takes int, not 'often'"
    assert error("hooks.bell.type=parts/bell.py:Bel").endswith("parts/bell.py does not define 'Bel'; did you mean 'Bell'?")
    assert error("hooks.bell.type=./bell.py:Bell").endswith("bell.py, but this file does not exist")
    assert "it must derive from mindpoint.contracts.parts.Backbone" in error("model.backbone={type: parts/bell.py:Bell}")
    with pytest.raises(
        ConfigError, match=r"a\.yaml:\d+: hooks\.bell\.type: hook 'Bell' \(.*/parts/bell\.py:Bell\) failed to import: Runtime"
    ):
        load_config("experiments/a.yaml").build("hooks.bell")


def test_a_module_beside_is_not_imported_but_its_file_is_proposed():
    Path("gong.py").write_text(PART)
    assert error("hooks.bell.type=gong:Bell").endswith("nor a module; write './gong.py:Bell' for the file in this folder")


def test_the_saved_configuration_means_the_same_anywhere(folder, monkeypatch):
    text = load_config("experiments/a.yaml").to_yaml()
    monkeypatch.chdir("/")
    assert Config.from_text(text, "config.yaml", trusted=True).build("hooks.bell").word == "ding"


@pytest.mark.untrusted
def test_a_model_or_run_of_somebody_else_names_no_file(folder, monkeypatch):
    point = Point("mindpoint.backbones", "Net", "config_toys:Net", "acme", "1.0")
    monkeypatch.setattr(installed, "points", lambda: (point,))
    Path("evil.py").write_text("from pathlib import Path\nPath('ran').touch()\n" + PART)
    for name in ("./evil.py", f"{folder}/evil.py"):
        text = f"{BASE}hooks: {{bell: {{type: '{name}:Bell'}}}}\n"
        Path("run").mkdir(exist_ok=True)
        Path("run/config.yaml").write_text(text)
        with pytest.raises(ConfigError, match=rf"hooks\.bell\.type: refused: names the class '{folder}/evil\.py:Bell'"):
            load_config("run", parts=("hooks",))
        with pytest.raises(ConfigError, match="refused"):
            Config.from_text(text, "evil.ckpt").build("hooks.bell")
    assert not Path("ran").exists()
    assert load_config("run", parts=("hooks",), trusted=True).build("hooks.bell").word == "ding"


def test_any_process_imports_it_by_its_module(folder):
    kind = registry("hooks").get("./parts/bell.py:Bell")
    code = "import sys, pickle, mindpoint.registry; print(pickle.load(sys.stdin.buffer).word)"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(kind()), capture_output=True, cwd="/")
    assert done.stdout == b"ding\n", done.stderr
    assert not list(folder.rglob("__pycache__"))


def test_a_changed_file_counts_with_the_next_reading(folder):
    first = load_config("experiments/a.yaml")
    assert first.build("hooks.bell").word == "ding"
    before = local.digests()[f"{folder}/parts/bell.py"]
    Path("parts/bell.py").write_text(PART.replace("ding", "bong"))
    assert first.build("hooks.bell").word == "ding", "a configuration in use keeps what it has"
    assert load_config("experiments/a.yaml").build("hooks.bell").word == "bong"
    assert local.digests()[f"{folder}/parts/bell.py"] != before


def test_describing_one():
    found = registry("hooks").describe("./parts/bell.py:Bell")
    assert found.doc == "Rings." and found.file.endswith("parts/bell.py") and str(found.signature) == "(times: int = 1)"


def test_a_part_in_a_mapping_may_leave_out_its_name():
    Path("holder.py").write_text(
        "from mindpoint.contracts.hook import Hook\n"
        "class Named:\n    def __init__(self, name: str, inner: object = None):\n        self.name, self.inner = name, inner\n"
        "class Holder(Hook):\n    def __init__(self, shapes: dict, one: object = None):\n        self.shapes, self.one = shapes, one\n"
    )
    block = "{type: ./holder.py:Holder, shapes: {a: {type: ./holder.py:Named}, b: {type: ./holder.py:Named, name: c}}}"
    shapes = load_config("experiments/a.yaml", [f"+hooks.holder={block}"]).build("hooks.holder").shapes
    assert {key: named.name for key, named in shapes.items()} == {"a": "a", "b": "c"}
    for inner in ("shapes: {}, one: {type: ./holder.py:Named}", "shapes: {a: {type: ./holder.py:Named, inner: {type: ./holder.py:Named}}}"):
        assert "Named needs the argument 'name' (str)" in error(f"+hooks.holder={{type: ./holder.py:Holder, {inner}}}")
