"""Tests of the check of configurations, and of building parts."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import config_toys
import pytest
from config_toys import BASE
from mindpoint.config import Config, injection, load_config
from mindpoint.config.schema import InferenceSettings, RuntimeSettings, SplitSettings, TrainSettings
from mindpoint.errors import ConfigError, DataError
from mindpoint.registry import installed, registry


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setattr(installed, "points", lambda: ())
    with ExitStack() as stack:
        stack.enter_context(registry("sections").registered("points", config_toys.Points))
        for kind, name in (("backbones", "Net"), ("necks", "Neck"), ("heads", "Head"), ("heads", "PointHead"), ("schedules", "Schedule")):
            stack.enter_context(registry(kind).registered(f"Toy{name}", getattr(config_toys, name)))
        yield


def errors(text, *overrides):
    with pytest.raises(ConfigError) as caught:
        Config.from_text(text, "a.yaml", overrides, trusted=True)
    return str(caught.value).splitlines()


def error(line, *overrides):
    """Return the errors of BASE, which has seven lines, with one more line."""
    (message,) = errors(BASE + line + "\n", *overrides)
    return message


def test_everything_wrong_is_reported_in_one_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text("_base_: a.yaml\ntrain:\n  epochs: two\n")
    Path("a.yaml").write_text(
        "_base_: [base.yaml, bsae.yaml]\n"
        "input: {size: [64, 64], mean: [0, 0, 0], std: [1, 1, 1]}\n"
        "points: {names: [a, b], sizes: [1]}\n"
        "modle: {}\n"
        "model:\n"
        "  backbone: {type: ToyNte, depth: 3}\n"
        "  neck: {type: ToyNet, depth: 3}\n"
        "  heads:\n"
        "    pose: {type: toy-head, widht: 3}\n"
        "    box: {type: ToyHead, width: '3'}\n"
        "  decoder: {channels: 3}\n"
        "  losses: {pose: {type: 'config_toys:Net'}}\n"
        "seed: ${train.epoch}\n"
        "train: {epochs: 3, epochs: 4, max_steps: 0}\n"
        "data: {train: {dataset: null, batch_size: 0}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config("a.yaml", ["model.heads.pose.depth=3", "trian.epochs=3", "test.flip=1"])
    assert str(caught.value).splitlines() == [
        "a.yaml:14: train.epochs: duplicate key 'epochs', already set at a.yaml:14; remove one of them",
        "base.yaml:1: _base_: circular inheritance: a.yaml -> base.yaml -> a.yaml; remove one of these",
        "a.yaml:1: _base_: file 'bsae.yaml' not found; did you mean 'base.yaml'?",
        "--set model.heads.pose.depth: toy-head has no argument 'depth'; did you mean 'width'?",
        "--set trian.epochs: unknown key 'trian'; did you mean 'train'?",
        "a.yaml:13: seed: '${train.epoch}': unknown key 'train.epoch'; did you mean 'epochs'?",
        "a.yaml:14: train.max_steps: 0 is not allowed; it must be 1 or more",
        "a.yaml:3: points.sizes: 1 values for 2 points",
        "a.yaml:4: modle: unknown key 'modle'; did you mean 'model'?",
        "a.yaml:6: model.backbone.type: unknown backbone 'ToyNte'; did you mean 'ToyNet'?",
        "a.yaml:7: model.neck.type: 'ToyNet' is a backbone, not a neck",
        "a.yaml:9: model.heads.pose.widht: ToyHead has no argument 'widht'; did you mean 'width'?",
        "a.yaml:10: model.heads.box.width: ToyHead takes int, not '3'; remove the quotes",
        "a.yaml:11: model.decoder: names no decoder; add 'type: ...'",
        "a.yaml:12: model.losses.pose.type: loss 'Net' (config_toys:Net) is a backbone, not a loss: it must derive from "
        "mindpoint.contracts.parts.Loss",
        "a.yaml:15: data.train.batch_size: 0 is not allowed; it must be 1 or more",
        "--set test.flip: takes bool, not 1",
    ]


@pytest.mark.parametrize(
    "line, message",
    [
        ("modle: {}", "a.yaml:8: modle: unknown key 'modle'; did you mean 'model'?"),
        (
            "xyz: 1",
            "a.yaml:8: xyz: unknown key 'xyz'; the keys here are runtime, input, model, data, optimizer, schedule, train, test, "
            "hooks, points, classes, seed",
        ),
        ("train: {epoch: 3, epochs: 3}", "a.yaml:8: train.epoch: unknown key 'epoch'; did you mean 'epochs'?"),
        ("train: {weights: x}", "a.yaml:8: train: set 'steps' or 'epochs', the length of the training"),
        ("train: 3", "a.yaml:8: train: takes a mapping of keys to values, not 3"),
        ("train: {epochs: 1.5}", "a.yaml:8: train.epochs: takes int or null, not 1.5"),
        ("train: {epochs: true}", "a.yaml:8: train.epochs: takes int or null, not true"),
        ("train: {epochs: 0}", "a.yaml:8: train.epochs: 0 is not allowed; it must be 1 or more"),
        ("train: {epochs: 3, max_steps: 0}", "a.yaml:8: train.max_steps: 0 is not allowed; it must be 1 or more"),
        ("train: {epochs: 3, weights: 3}", "a.yaml:8: train.weights: takes str or null, not 3"),
        ("test: {flip: yes}", "a.yaml:8: test.flip: takes bool, not 'yes'; write true"),
        ("test: {flip: 'false'}", "a.yaml:8: test.flip: takes bool, not 'false'; write false"),
        ("test: {scales: []}", "a.yaml:8: test.scales: [] is not allowed; it must be 1 to 64 factors, each in 1/64..64"),
        ("test: {scales: [1, 0]}", "a.yaml:8: test.scales: [1, 0] is not allowed; it must be 1 to 64 factors, each in 1/64..64"),
        ("test: {scales: [1, x]}", "a.yaml:8: test.scales.1: takes float, not 'x'"),
        ("test: {scales: 1}", "a.yaml:8: test.scales: takes [float, ...], not 1; write [1]"),
        ("test: {resolution: keeep}", "a.yaml:8: test.resolution: takes 'fixed' or 'keep', not 'keeep'; did you mean 'keep'?"),
        ("runtime: {device: GPU}", "a.yaml:8: runtime.device: takes 'auto' or 'CPU' or 'Ascend', not 'GPU'; did you mean 'CPU'?"),
        ("data: {val: {batch_size: 3}}", "a.yaml:8: data.val: 'dataset' is missing; add a block with a dataset"),
        ("hooks: {log: {every: 2}}", "a.yaml:8: hooks.log: names no hook; add 'type: ...'"),
        ("hooks: {log: {type: 3}}", "a.yaml:8: hooks.log.type: takes the name of a hook, not 3"),
        ("hooks: {log: Console}", "a.yaml:8: hooks.log: takes a mapping of keys to values, not 'Console'"),
        ("hooks: {log: {type: ToyHead}}", "a.yaml:8: hooks.log.type: 'ToyHead' is a head, not a hook"),
        (
            "hooks: {log: {type: 'config_toys:Hook', evry: 2}}",
            "a.yaml:8: hooks.log.evry: Hook has no argument 'evry'; did you mean 'every'?",
        ),
        ("hooks: {log: {type: 'config_toys:Hook', qqq: 2}}", "a.yaml:8: hooks.log.qqq: Hook has no argument 'qqq'; it takes every"),
        (
            "schedule:\n  epochs: 3\n  type: ToySchedul",
            "a.yaml:10: schedule.type: unknown schedule 'ToySchedul'; did you mean 'ToySchedule'?",
        ),
    ],
)
def test_messages(line, message):
    assert error(line) == message


@pytest.mark.parametrize(
    "change, message",
    [
        ("depth=x", "depth: Net takes int, not 'x'"),
        ("depth='3'", "depth: Net takes int, not '3'; remove the quotes"),
        ("mode=deform", "mode: Net takes 'plain' or 'deformable', not 'deform'; did you mean 'deformable'?"),
        ("frozen=on", "frozen: Net takes bool, not 'on'; write true"),
        ("weights=[1]", "weights: Net takes {str: float} or null, not [1]"),
        ("stages=4", "stages: Net takes [int, ...], not 4; write [4]"),
    ],
)
def test_values_of_arguments(change, message):
    assert errors(BASE, f"model.backbone.{change}") == [f"--set model.backbone.{message}"]


def test_the_item_to_blame_is_named():
    assert error("", "model.backbone.stages=[1, x]") == "--set model.backbone.stages: model.backbone.stages.1: Net takes int, not 'x'"
    assert error("", "model.backbone.weights={hm: 1, wh: '2'}") == (
        "--set model.backbone.weights: model.backbone.weights.wh: Net takes float, not '2'; remove the quotes"
    )
    assert error("", "input.size.1=x") == "--set input.size.1: takes int, not 'x'"


def test_an_int_does_for_a_float_and_null_for_an_optional():
    config = Config.from_text(
        BASE, "a.yaml", ["model.backbone.width=2", "model.backbone.weights=null", "model.backbone.weights={hm: 1}"], trusted=True
    )
    assert config.data["model"]["backbone"]["width"] == 2
    assert config.data["model"]["backbone"]["weights"] == {"hm": 1}


def test_a_missing_argument_is_told_at_the_type():
    text = BASE.replace("{type: 'config_toys:Net', depth: 3}", "\n    width: 3\n    type: ToyNet")
    assert errors(text) == ["a.yaml:7: model.backbone: ToyNet needs the argument 'depth' (int); add 'depth: ...'"]


def test_what_is_missing_on_top():
    assert errors("seed: 1\n") == [
        "a.yaml:1: 'classes' is missing; add 'classes: ...' ([str, ...])",
        "a.yaml:1: 'input' is missing; add a section",
        "a.yaml:1: 'model' is missing; add a section",
    ]
    assert errors(BASE, "model={_replace_: true, heads: {}}") == [
        "--set model: 'backbone' is missing; add a block with a backbone",
        "--set model: 'heads' is missing; add a section",
    ]


@pytest.mark.parametrize(
    "change, message",
    [
        ("+points={names: [a, b], sizes: [1]}", "--set points: points.sizes: 1 values for 2 points"),
        ("+points={names: [a, b], pairs: [[0, 1], [1, c]]}", "--set points: points.pairs.1: there is no point c"),
        ("input.std=[0, 1, 1]", "--set input.std: (0, 1, 1) is not allowed; it must be in 1e-6..1e6"),
        ("input.size=[0, 3]", "--set input.size: (0, 3) is not allowed; it must be (height, width), each in 1..32766"),
        ("input.size=[3]", "--set input.size: takes [int, int], not [3]"),
        ("classes=[a, a]", "--set classes: [a, a] is not allowed; it must be a list of distinct names, at least one"),
    ],
)
def test_what_the_contracts_say_is_told_with_its_place(change, message):
    assert errors(BASE, change) == [message]


def test_values_that_no_annotation_describes():
    (message,) = errors(BASE + "points: {names: [a], pairs: [[{}, 0]]}\n")
    assert message.startswith("a.yaml:8: points: holds a value that cannot be used: ") and message.endswith("'dict'")


def test_settings_have_defaults():
    more = "train: {epochs: 3}\ndata: {extra: {dataset: {type: 'config_toys:Images', path: x}, workers: 1}}\n"
    config = Config.from_text(BASE + more, "a.yaml", trusted=True)
    assert config.section("train") == TrainSettings(epochs=3, max_steps=None, weights=None)
    assert config.section("test") == InferenceSettings("fixed", None, False, (1.0,), False, 1)
    assert config.section("runtime") == RuntimeSettings("auto")
    assert config.split("extra") == SplitSettings(batch_size=1, workers=1, shuffle=True, processes=False)
    assert (config.classes, config.seed, config.input_spec.size) == (["person"], 0, (64, 96))
    assert config.has("data.extra") and not config.has("data.train")
    with pytest.raises(ConfigError, match="a.yaml: the section 'data.val' is missing; data has extra"):
        config.split("val")
    with pytest.raises(ConfigError, match="a.yaml: the section 'train' is missing; add it"):
        Config.from_text(BASE, "a.yaml", trusted=True).section("train")
    with pytest.raises(ConfigError) as caught:
        config.require("train", "optimizer", "data.extra.dataset", "data.val.dataset")
    assert str(caught.value) == "a.yaml: 'optimizer' is missing; add it\na.yaml: 'data.val.dataset' is missing; add it"


def test_a_constructor_is_given_what_it_names():
    config = Config.from_text(BASE + "schedule: {type: ToySchedule, epochs: 5}\npoints: {names: [a, b]}\n", "a.yaml", trusted=True)
    net = config.build("model.backbone")
    assert type(net) is config_toys.Net and (net.depth, net.width) == (3, 1.0)
    assert net.points is config.vocabulary["points"] and net.points.names == ("a", "b"), "the configuration gives what it holds"
    schedule = config.build("schedule", epochs=9, steps_per_epoch=7)
    assert (schedule.epochs, schedule.steps_per_epoch, schedule.lr) == (5, 7, 0.5), "the file wins over the run"
    heads = config.build_all("model.heads", in_features=((8, 4),))
    assert list(heads) == ["pose"] and heads["pose"].in_features == ((8, 4),) and heads["pose"].classes == ["person"]
    assert config.build("model.neck") is None
    assert config.build_all("hooks") == {}


def test_named_parts_are_built_in_order():
    text = BASE + "hooks:\n" + "".join(f"  {name}: {{type: 'config_toys:Hook', every: {n}}}\n" for n, name in enumerate("cab", 1))
    built = Config.from_text(text, "a.yaml", ["hooks.a=null"], trusted=True).build_all("hooks")
    assert [(name, hook.every) for name, hook in built.items()] == [("c", 1), ("b", 3)]


def test_blocks_inside_arguments_are_built_first():
    inner = "{parts: [{type: 'config_toys:Net', depth: 1}], one: {type: 'config_toys:OtherNet'}}"
    text = BASE + "points: {names: [a]}\n"
    net = Config.from_text(text, "a.yaml", [f"model.backbone.inner={inner}"], trusted=True).build("model.backbone")
    assert net.inner["parts"][0].depth == 1 and net.inner["parts"][0].points.names == ("a",)
    assert net.inner["one"].blocks == 2
    assert errors(
        BASE + "", "model.backbone.inner={type: ToyNet}", "model.backbone.stages=[{type: 'config_toys:OtherNet', blocks: x}]"
    ) == [
        "--set model.backbone.inner: model.backbone.inner.type: 'ToyNet' is inside another block; write its class as package.module:Class",
        "--set model.backbone.stages: Net takes [int, ...], not a block with a part",
        "--set model.backbone.stages: model.backbone.stages.0.blocks: OtherNet takes int, not 'x'",
    ]


@pytest.mark.parametrize(
    "path, kind, message",
    [
        ("nowhere", DataError, "a.yaml:10: data.train.dataset: nowhere: no such folder"),
        ("empty", ConfigError, "a.yaml:11: data.train.dataset.path: it holds no image"),
        ("text", ConfigError, "a.yaml:11: data.train.dataset.path: it is a text"),
        ("zero", ConfigError, "a.yaml:10: data.train.dataset: Images failed to build: ZeroDivisionError: division by zero"),
    ],
)
def test_errors_of_constructors_are_told_with_their_place(path, kind, message):
    text = BASE + f"data:\n  train:\n    dataset: {{type: 'config_toys:Images',\n              path: {path}}}\n"
    config = Config.from_text(text, "a.yaml", trusted=True)
    with pytest.raises(kind) as caught:
        config.build("data.train.dataset")
    assert str(caught.value) == message
    assert type(caught.value) is kind
    if path == "zero":
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_section_of_a_plugin_is_optional_and_needed_by_those_who_name_it():
    config = Config.from_text(BASE, "a.yaml", trusted=True)
    assert config.vocabulary == {} and config.build("model.backbone").points is None
    needy = BASE.replace("config_toys:Head", "config_toys:PointHead")
    assert errors(needy) == ["a.yaml:7: model.heads.pose: PointHead needs the section 'points'; add 'points: ...' at the top level"]
    assert Config.from_text(needy + "points: {names: [a]}\n", "a.yaml", trusted=True).build("model.heads.pose").points.names == ("a",)
    given = needy.replace("'config_toys:PointHead'", "'config_toys:PointHead', points: 3")
    assert Config.from_text(given, "a.yaml", trusted=True).build("model.heads.pose").points == 3
    assert errors(BASE, "+points.names=3") == ["--set points.names: takes [str, ...], not 3"]
    assert errors(BASE, "points.nams=3") == ["--set points.nams: unknown key 'points.nams'; did you mean 'points.names'?"]


def test_a_section_that_nobody_declares_is_an_unknown_key():
    registry("sections").unregister("points")
    try:
        assert error("points: {names: [a]}").startswith("a.yaml:8: points: unknown key 'points'; the keys here are ")
        needy = BASE.replace("config_toys:Head", "config_toys:PointHead")
        assert errors(needy) == ["a.yaml:7: model.heads.pose: PointHead needs the argument 'points' (anything); add 'points: ...'"]
    finally:
        registry("sections").register("points", config_toys.Points)


def test_a_section_must_be_a_dataclass():
    with registry("sections").registered("points", dict):
        assert errors(BASE + "points: {}\n") == [
            "section 'points' (builtins:dict) is not a dataclass; a section of the configuration must be one"
        ]


class TestNestedBlocks:
    """A block in an argument that is called like a kind is looked up there."""

    def build(self, argument, *overrides):
        text = BASE.replace("config_toys:Net', depth: 3", f"config_toys:Holder', {argument}")
        return Config.from_text(text, "a.yaml", overrides, trusted=True).build("model.backbone")

    @pytest.mark.parametrize("argument", ["schedule: {type: toy-schedule, %s}", "schedules: {a: [{type: ToySchedule, %s}]}"])
    def test_by_name(self, argument):
        built = self.build(argument % "epochs: 2, steps_per_epoch: 1").arguments
        schedule = built["schedule"] if "schedule" in built else built["schedules"]["a"][0]
        assert type(schedule) is config_toys.Schedule and schedule.epochs == 2

    def test_in_other_arguments_only_by_class(self):
        assert self.build("rate: {type: 'config_toys:Hook', every: 4}").arguments["rate"].every == 4
        with pytest.raises(ConfigError, match="'ToySchedule' is inside another block; write its class as package.module:Class"):
            self.build("rate: {type: ToySchedule}")

    def test_its_kind_is_checked(self):
        with pytest.raises(ConfigError, match="a.yaml:5: model.backbone.schedule.type: 'ToyNet' is a backbone, not a schedule"):
            self.build("schedule: {type: ToyNet}")
        with pytest.raises(ConfigError, match=r"schedule 'Hook' \(config_toys:Hook\) is a hook, not a schedule"):
            self.build("schedule: {type: 'config_toys:Hook'}")


class TestOnlyWhatIsUsed:
    TEXT = BASE + "hooks: {gone: {type: Gone, every: 3}, bad: {every: 3}}\nacme: {size: 3}\nschedule: {type: Gone}\n"

    def test_other_slots_are_checked_for_their_form(self):
        with pytest.raises(ConfigError) as caught:
            Config.from_text(self.TEXT, "a.yaml", parts=["model.backbone"], trusted=True)
        assert str(caught.value) == "a.yaml:8: hooks.bad: names no hook; add 'type: ...'"
        with pytest.raises(ConfigError) as caught:
            Config.from_text(self.TEXT, "a.yaml", ["hooks.bad=null", "seed=x", "model.backbone.depth=x"], ["model.backbone"], trusted=True)
        assert str(caught.value).splitlines() == ["--set model.backbone.depth: Net takes int, not 'x'", "--set seed: takes int, not 'x'"]

    @pytest.mark.parametrize("parts", [["model"], ["model.backbone", "model.heads"], ["model.heads.pose"]])
    def test_a_prefix_means_all_below_it(self, parts):
        text = self.TEXT.replace("config_toys:Head'", "config_toys:Head', widht: 3")
        with pytest.raises(ConfigError) as caught:
            Config.from_text(text, "a.yaml", ["hooks.bad=null"], parts, trusted=True)
        assert str(caught.value) == "a.yaml:7: model.heads.pose.widht: Head has no argument 'widht'; did you mean 'width'?"

    def test_what_is_not_used_may_be_absent(self):
        text = BASE.replace("  heads:\n    pose: {type: 'config_toys:Head'}\n", "")
        assert Config.from_text(text, "a.yaml", parts=["model.backbone"], trusted=True).build("model.backbone").depth == 3
        with pytest.raises(ConfigError, match="'heads' is missing"):
            Config.from_text(text, "a.yaml", parts=["model"], trusted=True)

    def test_building_checks(self):
        config = Config.from_text(self.TEXT, "a.yaml", ["hooks.bad={type: 'config_toys:Hook', evry: 3}"], ["model"], trusted=True)
        assert config.build("model.backbone").depth == 3
        with pytest.raises(ConfigError, match="a.yaml:10: schedule.type: unknown schedule 'Gone'"):
            config.build("schedule", epochs=1, steps_per_epoch=1)
        with pytest.raises(ConfigError, match="--set hooks.bad: hooks.bad.evry: Hook has no argument 'evry'; did you mean 'every'?"):
            config.build("hooks.bad")

    def test_from_a_file(self, tmp_path):
        (tmp_path / "a.yaml").write_text(self.TEXT)
        config = load_config(str(tmp_path / "a.yaml"), ["hooks.bad=null"], ("model.backbone",))
        assert config.build("model.backbone").depth == 3


class TestInjection:
    def test_every_part_gets_the_input_and_the_classes(self):
        """Also a hook, whose constructor requires them and whose block does not give them."""
        config = Config.from_text(BASE + "hooks: {sized: {type: 'config_toys:SizedHook'}}\n", "a.yaml", trusted=True)
        hook = config.build("hooks.sized", run_dir=Path())
        assert hook.input_spec is config.input_spec and hook.classes == ["person"]
        for kind in ("decoders", "losses", "metrics", "hooks", "schedules"):
            assert {"input_spec", "classes", "points"} <= set(injection.given(kind))

    def test_what_is_not_in_the_table_cannot_be_given(self):
        with pytest.raises(ValueError, match="injection does not list in_features for backbones"):
            Config.from_text(BASE, "a.yaml", trusted=True).build("model.backbone", in_features=())

    def test_a_constructor_made_at_run_time(self):
        """Its source does not tell what it takes, but the class does."""
        with registry("backbones").registered("Made", type("Made", (config_toys.Net,), {})):
            made = Config.from_text(BASE + "points: {names: [b]}\n", "a.yaml", ["model.backbone={type: Made, depth: 1}"], trusted=True)
            assert made.build("model.backbone").points.names == ("b",)


def test_a_class_of_another_kind():
    """Its source tells, and where it does not, the class."""
    must = "it must derive from mindpoint.contracts.hook.Hook"
    wrong = {"json:JSONEncoder": "is not a hook", "json:dumps": "is not a hook", "config_toys:Images": "is a dataset, not a hook"}
    for name, said in wrong.items():
        message = f"--set hooks.x: hooks.x.type: hook '{name.partition(':')[2]}' ({name}) {said}: {must}"
        assert errors(BASE, f"+hooks.x={{type: '{name}'}}") == [message]
    with registry("hooks").registered("Odd", config_toys.Images), pytest.raises(ConfigError, match="'Odd' .* is a dataset, not a hook"):
        Config.from_text(BASE, "a.yaml", ["+hooks.x={type: Odd}"], trusted=True)
    Made = type("Made", (config_toys.OtherNet,), {})
    config_toys.Made = Made
    try:
        config = Config.from_text(BASE, "a.yaml", ["+hooks.x={type: 'config_toys:Made'}"], ["model"], trusted=True)
        with pytest.raises(ConfigError, match=f"hook 'Made' .* is a backbone, not a hook: {must}") as caught:
            config.build_all("hooks", run_dir=Path())
        assert caught.value.exit_code == 2
    finally:
        del config_toys.Made


@pytest.fixture
def command(tmp_path):
    code = "import sys; from mindpoint.cli.main import main; code = main(); "
    code += "bad = [m for m in sys.modules if m.partition('.')[0] in ('mindspore', 'cv2', 'mindpoint_centernet', 'config_toys')]; "
    code += "assert not bad, bad; sys.exit(code)"
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", code, "config", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout, done.stderr

    (tmp_path / "a.yaml").write_text(BASE)
    (tmp_path / "b.yaml").write_text("_base_: a.yaml\nseed: 7\nmodel: {backbone: {depth: 4}}\n")
    (tmp_path / "bad.yaml").write_text("_base_: a.yaml\nseed: x\nmodel: {backbone: {depht: 4}}\n")
    return command


def test_command_check(command):
    assert command("check", "a.yaml", "b.yaml", "--set", "seed=3") == (0, "a.yaml: ok\nb.yaml: ok\n", "")
    code, out, err = command("check", "a.yaml", "bad.yaml", "absent.yaml", "--set", "model.backbone.width=x")
    assert (code, out) == (2, "")
    assert err.splitlines()[:-1] == [
        "mindpoint: error:",
        "--set model.backbone.width: Net takes float, not 'x'",
        "bad.yaml:3: model.backbone.depht: Net has no argument 'depht'; did you mean 'depth'?",
        "bad.yaml:2: seed: takes int, not 'x'",
    ], "each once, although a.yaml and bad.yaml share the first"
    assert err.splitlines()[-1].startswith("absent.yaml: no such configuration file")


def test_command_show(command, tmp_path):
    code, out, err = command("show", "b.yaml", "--set", "+hooks.log.type=config_toys:Hook")
    assert (code, err) == (0, "")
    assert (
        Config.from_text(out, "out", trusted=True).data == load_config(str(tmp_path / "b.yaml"), ["+hooks.log.type=config_toys:Hook"]).data
    )
    code, out, _ = command("show", "b.yaml", "--origin", "--set", "seed=8")
    lines = {line.partition(":")[0].strip(): line.partition("  # ")[2] for line in out.splitlines()}
    assert (lines["depth"], lines["seed"], lines["classes"]) == ("b.yaml:3", "--set seed", "a.yaml:2")


def test_command_diff(command):
    assert command("diff", "a.yaml", "a.yaml") == (0, "", "")
    code, out, _ = command("diff", "a.yaml", "b.yaml")
    assert code == 1
    assert [line.split() for line in out.splitlines()] == [
        ["-", "model.backbone.depth:", "3", "#", "a.yaml:5"],
        ["+", "model.backbone.depth:", "4", "#", "b.yaml:3"],
        ["+", "seed:", "7", "#", "b.yaml:2"],
    ]
