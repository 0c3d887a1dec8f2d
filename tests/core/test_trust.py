"""A configuration out of a model file or a run's folder was perhaps written by a stranger: it must not run anything."""

import json
import sys
from pathlib import Path

import config_toys
import pytest
from config_toys import BASE
from mindpoint.config import Config, Trust, load_config
from mindpoint.errors import ConfigError, WeightsError
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.registry import installed, registry
from mindpoint.registry.installed import Point

INSTALLED = (
    ("mindpoint.backbones", "Net", "config_toys:Net"),
    ("mindpoint.backbones", "Holder", "config_toys:Holder"),
    ("mindpoint.heads", "Head", "config_toys:Head"),
    ("mindpoint.hooks", "Hook", "config_toys:Hook"),
    ("mindpoint.datasets", "Images", "config_toys:Images"),
    ("mindpoint.schedules", "Schedule", "config_toys:Schedule"),
    ("mindpoint.commands", "spoil", "trust_attack:command"),
    ("mindpoint.checks", "spoil", "trust_attack:command"),
    ("mindpoint.backbones", "Odd", "trust_attack:NotABackbone"),
)
NAMED = BASE.replace("config_toys:", "")
CODE = """\
from pathlib import Path
Path(__file__).with_name('imported').touch()
def command(*arguments, **more):
    Path(__file__).with_name('ran').touch()
class NotABackbone:
    def __init__(self, **arguments):
        command()
"""

pytestmark = pytest.mark.untrusted


@pytest.fixture(autouse=True)
def attack(monkeypatch, tmp_path):
    """Parts of an installed distribution, and a module that leaves a trace when it is imported or run."""
    points = tuple(Point(*point, "acme", "1.0") for point in INSTALLED)
    monkeypatch.setattr(installed, "points", lambda: points)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("trust_attack.py").write_text(CODE)
    yield
    sys.modules.pop("trust_attack", None)
    assert not Path("ran").exists()


def build(text, path="model.backbone", *overrides, **more):
    return Config.from_text(text, "evil.ckpt", overrides).build(path, **more)


def refused(text, path="model.backbone", *overrides):
    with pytest.raises(ConfigError) as caught:
        build(text, path, *overrides)
    assert not Path("imported").exists()
    return str(caught.value)


def backbone(block):
    return NAMED.replace("{type: 'Net', depth: 3}", block)


@pytest.mark.parametrize(
    "block",
    [
        "{type: 'subprocess:getoutput', cmd: 'touch ran'}",
        "{type: 'os:system', command: 'touch ran'}",
        "{type: 'trust_attack:command'}",
        "{type: 'config_toys:Net', depth: 3}",
        "{type: Net, depth: 3, inner: {type: 'trust_attack:command'}}",
        "{type: Net, depth: 3, inner: [{a: {type: 'subprocess:getoutput', cmd: 'touch ran'}}]}",
        "{type: Holder, hook: {type: 'trust_attack:command'}}",
        "{type: Holder, hooks: {a: {type: Hook, every: {type: 'trust_attack:command'}}}}",
    ],
)
def test_a_class_is_not_named_anywhere(block):
    message = refused(backbone(block))
    assert "evil.ckpt:5: model.backbone" in message and "refused: names the class" in message
    assert "--config" in message and "--trust, if you trust the author of this file: it can run code" in message


def test_trust_lifts_it():
    text = backbone("{type: 'config_toys:Net', depth: 3, inner: {type: 'config_toys:OtherNet'}}")
    assert Config.from_text(text, "mine.ckpt", trusted=True).build("model.backbone").inner.blocks == 2


def test_the_command_line_may_name_a_class():
    net = build(NAMED, "model.backbone", "model.backbone={type: 'config_toys:OtherNet', blocks: 5}")
    assert net.blocks == 5
    assert "refused" in refused(
        backbone("{type: Net, depth: 3, inner: {type: 'trust_attack:command'}}"), "model.backbone", "model.backbone.depth=4"
    )


@pytest.mark.parametrize(
    "block, message",
    [
        ("{type: Net, depth: {type: Hook}}", "model.backbone.depth: Net takes int, not a block with a part"),
        ("{type: Net, depth: {hook: {type: Hook}}}", "model.backbone.depth: Net takes int, not a block with a part"),
        ("{type: Net, depth: 3, stages: [{type: Hook}]}", "model.backbone.stages: Net takes [int, ...], not a block with a part"),
        ("{type: Net, depth: 3, weights: {a: {type: Hook}}}", "takes {str: float} or null, not a block with a part"),
        ("{type: Net, depth: '3'}", "model.backbone.depth: Net takes int, not '3'"),
        ("{type: Hook}", "'Hook' is a hook, not a backbone"),
        ("{type: Holder, commands: {type: spoil}}", "is inside another block"),
        ("{type: Holder, checks: [{type: spoil}]}", "is inside another block"),
        ("{type: Holder, command: {type: 'acme:spoil'}}", "'acme' is neither an installed distribution with classes nor a module"),
        ("{type: Holder, schedule: {type: Hook}}", "'Hook' is a hook, not a schedule"),
    ],
)
def test_arguments_are_of_the_declared_types_and_kinds(block, message):
    """Whoever wrote it: a part with a wrong argument is not built."""
    assert message in refused(backbone(block))
    with pytest.raises(ConfigError):
        Config.from_text(backbone(block), "mine.yaml", trusted=True).build("model.backbone")


def test_the_kind_is_checked_before_anything_is_called():
    with pytest.raises(ConfigError, match="Odd.* is not a backbone"):
        build(backbone("{type: Odd, a: 1}"))


def test_nested_parts_of_a_kind_are_found_by_name():
    made = build(backbone("{type: Holder, hook: {type: Hook, every: 4}, rest: {schedules: 3}}"))
    assert type(made.arguments["hook"]) is config_toys.Hook and made.arguments["hook"].every == 4


@pytest.mark.parametrize(
    "line", ["_base_: secret.yaml", "_base_: [/etc/passwd]", "test: {_replace_: true}", "seed: {_replace_: true, a: 1}"]
)
def test_no_other_files_and_no_replacing(line):
    Path("secret.yaml").write_text("seed: 5\npassword: x\n")
    message = refused(NAMED + line + "\n")
    assert message.startswith("evil.ckpt:8: ") and "refused: '_" in message and "--trust" in message
    assert "password" not in message and "secret.yaml:" not in message


class TestData:
    """A model file must not choose what `eval` reads."""

    TEXT = NAMED + "data: {val: {dataset: {type: Images, path: /secret}}}\nhooks: {h: {type: Hook, every: 3}}\n"

    def test_a_name_of_a_file_is_refused(self):
        message = refused(self.TEXT, "data.val.dataset")
        assert message == (
            "evil.ckpt:8: data.val.dataset.path: refused: '/secret' comes from a model file and may name a file to read; "
            "continue with --set data.val.dataset.path=VALUE, with your own --config, or with --trust, if you trust the author of "
            "this file: it can run code"
        )

    def test_what_the_command_line_names_is_read(self):
        assert build(self.TEXT, "data.val.dataset", "data.val.dataset.path=/mine").length == 5
        assert "refused" in refused(self.TEXT, "data.val.dataset", "data.val.batch_size=5")

    def test_a_reference_does_not_launder_it(self):
        text = self.TEXT.replace("path: /secret", "path: '${classes.0}'")
        assert "refused" in refused(text, "data.val.dataset")
        assert "refused" in refused(text, "data.val.dataset", "data.val.dataset.path=${classes.0}")
        assert "refused" in refused(text, "data.val.dataset", "data.val.dataset.path=a-${classes.0}")

    def test_what_is_not_built_is_not_refused(self):
        text = self.TEXT.replace("type: Hook", "type: 'trust_attack:command'")
        assert build(text).depth == 3

    def test_numbers_are_no_files(self):
        assert build(self.TEXT, "hooks.h", run_dir=Path()).every == 3

    def test_trust(self):
        assert Config.from_text(self.TEXT, "a", trusted=True).build("data.val.dataset").length == 7

    def test_the_class_of_a_part(self):
        assert Config.from_text(self.TEXT, "evil.ckpt").class_at("data.val.dataset") is config_toys.Images
        with pytest.raises(ConfigError, match="refused: names the class"):
            Config.from_text(self.TEXT.replace("type: Images", "type: 'trust_attack:NotABackbone'"), "evil.ckpt").class_at(
                "data.val.dataset"
            )
        assert not Path("imported").exists()

    def test_of_a_run(self):
        assert Config.from_text(self.TEXT, "run/a.ckpt", trusted=Trust.RUN).build("data.val.dataset").length == 7
        with pytest.raises(ConfigError, match="refused"):
            Config.from_text(backbone("{type: 'os:system', command: 'touch ran'}"), "a", trusted=Trust.RUN).build("model.backbone")

    def test_changed_keeps_it(self):
        config = Config.from_text(self.TEXT, "evil.ckpt").changed(["data.val.batch_size=7"])
        assert config.split("val").batch_size == 7
        with pytest.raises(ConfigError, match="refused"):
            config.build("data.val.dataset")
        assert config.changed(["data.val.dataset.path=/m"]).build("data.val.dataset").length == 2


class TestRunFolder:
    def write(self, text):
        Path("run").mkdir()
        Path("run/config.yaml").write_text(text)

    def test_of_a_stranger(self):
        self.write(NAMED + "hooks: {x: {type: 'trust_attack:command'}}\n")
        with pytest.raises(ConfigError, match="run/config.yaml:8: hooks.x.type: refused: names the class 'trust_attack:command'"):
            load_config("run")
        assert not Path("imported").exists()
        Path("run/config.yaml").write_text(NAMED + "hooks: {x: {type: 'config_toys:Hook'}}\n")
        with pytest.raises(ConfigError, match="refused"):
            load_config("run")
        assert load_config("run", trusted=True).build("hooks.x").every == load_config("run/config.yaml").build("hooks.x").every == 1

    def test_it_reads_the_data_of_the_run(self):
        self.write(TestData.TEXT)
        assert load_config("run").build("data.val.dataset").length == 7

    def test_bases(self):
        self.write("_base_: ../secret.yaml\n" + NAMED)
        with pytest.raises(ConfigError, match="run/config.yaml:1: _base_: refused"):
            load_config("run")


@pytest.mark.parametrize("name", ["trust_attack:NotABackbone", "trust_attack:command", "trust_attack:CODE", "trust_attack:Path.touch"])
def test_check_imports_nothing(name):
    """Not even when the source does not tell what a class takes."""
    text = f"{NAMED}\nhooks: {{x: {{type: '{name}', a: 1}}}}\n"
    for overrides in ([], ["hooks.x.b=3"]):
        try:
            remarks = Config.from_text(text, "mine.yaml", overrides, trusted=True).remarks
        except ConfigError as error:
            remarks = str(error)
        assert "hooks.x" in str(remarks)
        assert not Path("imported").exists()


def test_what_cannot_be_checked_is_remarked_and_told_when_built():
    config = Config.from_text(NAMED + "hooks: {x: {type: 'this:s'}}\n", "mine.yaml", trusted=True)
    assert config.remarks == ("mine.yaml:8: hooks.x.type: hook 's' (this:s) cannot be checked without importing it",)
    sys.modules.pop("this", None)
    with pytest.raises(ConfigError, match="is not a hook"):
        config.build("hooks.x")
    assert registry("hooks").names() == ["Hook"]


GOOD = {
    "config": "seed: 0",
    "classes": ["a"],
    "category_ids": [1],
    "fields": [{"name": "x", "shape": [2], "type": "float32"}],
    "preprocessing": {"size": [64, 64]},
    "maps": {"hm": {"channels": 1, "stride": 4}},
    "inputs": {},
    "divisor": 32,
    "decoded": False,
    "batch": 1,
    "dynamic_size": False,
}


def metadata(**changes):
    texts = {name: value if name == "config" else json.dumps(value) for name, value in {**GOOD, **changes}.items()}
    return {f"mindpoint.{name}": text for name, text in {"format": "2", "version": "0.1.0", **texts}.items()}


@pytest.mark.parametrize(
    "name, value",
    [
        *(("maps", value) for value in (7, {"hm": 1}, {"hm": {"channels": 10**12, "stride": 4}}, {"hm": {"channels": 1, "stride": 0}})),
        *(("classes", value) for value in ("ab", [1], {"a": 1}, None)),
        *(("divisor", value) for value in (0, -1, 1.5, "32", True)),
        *(("batch", value) for value in (0, -1, 1.5, 10**9, "1")),
        *(("preprocessing", value) for value in ({}, [], {"size": [64]}, {"size": [64, 0]}, {"size": [10**6, 64]})),
        *(("decoded", value) for value in ("yes", 1, None)),
        *(("fields", value) for value in (3, [3], [{"name": 1, "shape": []}])),
        *(("inputs", value) for value in ([1], {"plane": -1})),
    ],
)
def test_metadata_of_exports_that_nobody_writes(name, value):
    assert ExportMetadata.from_metadata(metadata(), Path("x.onnx")).divisor == 32
    with pytest.raises(WeightsError, match="x.onnx: its metadata are"):
        ExportMetadata.from_metadata(metadata(**{name: value}), Path("x.onnx"))


def test_metadata_that_are_cut_off():
    texts = metadata()
    texts["mindpoint.maps"] = "{" * 500
    with pytest.raises(WeightsError, match="x.onnx"):
        ExportMetadata.from_metadata(texts, Path("x.onnx"))
