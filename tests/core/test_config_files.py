"""Inheritance, overrides and references."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from config_toys import BASE, Points
from mindpoint.config import Config, load_config, renamed, shipped
from mindpoint.errors import ConfigError
from mindpoint.registry import installed, registry


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write files into an empty working directory."""
    monkeypatch.chdir(tmp_path)
    registry("sections").register("points", Points)

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / (path.name + ".yaml")).write_text(text, encoding="utf-8")

    write(base=BASE)
    yield write
    registry("sections").unregister("points")


def data(name="a.yaml", *overrides):
    return load_config(name, overrides).data


def errors(name="a.yaml", *overrides):
    with pytest.raises(ConfigError) as caught:
        load_config(name, overrides)
    return str(caught.value).splitlines()


def origins(name, *overrides):
    return {path: where for path, _, where in load_config(name, overrides).leaves()}


def test_mappings_merge_and_lists_replace(write):
    write(a="_base_: base.yaml\ninput: {size: [32, 32]}\nmodel: {backbone: {width: 2}}\n")
    found = data()
    assert found["input"] == {"size": [32, 32], "mean": [0, 0, 0], "std": [1, 1, 1]}
    assert found["model"]["backbone"] == {"type": "config_toys:Net", "depth": 3, "width": 2}
    assert origins("a.yaml")["input.size"] == "a.yaml:2"
    assert origins("a.yaml")["input.mean"] == "base.yaml:1"


def test_another_type_replaces_the_block(write):
    write(a="_base_: base.yaml\nmodel: {backbone: {type: 'config_toys:OtherNet'}}\n")
    assert data()["model"]["backbone"] == {"type": "config_toys:OtherNet"}


def test_the_same_type_spelled_otherwise_merges(write):
    write(
        a="_base_: b.yaml\nhooks: {x: {type: 'config_toys:Hook'}}\n",
        b="_base_: base.yaml\nhooks: {x: {type: 'Config-Toys:hook', every: 5}}\n",
    )
    assert data()["hooks"]["x"] == {"type": "config_toys:Hook", "every": 5}


def test_replace_forces_it_and_is_not_seen_later(write):
    write(
        b="_base_: base.yaml\npoints: {names: [left_eye, right_eye]}\n",
        a="_base_: b.yaml\ninput: {_replace_: true, size: [8, 8], mean: [1, 1, 1], std: [2, 2, 2]}\n"
        "points: {_replace_: false, sizes: [1, 1]}\n",
    )
    found = data()
    assert found["input"] == {"size": [8, 8], "mean": [1, 1, 1], "std": [2, 2, 2]}
    assert found["points"] == {"names": ["left_eye", "right_eye"], "sizes": [1, 1]}
    write(
        a="_base_: [b.yaml, c.yaml]\n",
        b="_base_: base.yaml\npoints: {sizes: [1, 1]}\n",
        c="points: {_replace_: true, names: [nose]}\n",
    )
    assert data()["points"] == {"names": ["nose"]}
    write(d="_base_: c.yaml\npoints: {sizes: [3]}\n", a="_base_: [b.yaml, d.yaml]\npoints: {_replace_: false}\n")
    assert data()["points"] == {"names": ["nose"], "sizes": [3]}
    write(a="_base_: base.yaml\ninput: {_replace_: 1}\n")
    assert errors() == ["a.yaml:2: input._replace_: 1 is neither true nor false"]


def test_null_takes_out_slots_and_entries_but_stays_an_argument(write):
    write(
        b="_base_: base.yaml\nmodel: {neck: {type: 'config_toys:Neck'}, heads: {box: {type: 'config_toys:Head', width: 9}}}\n"
        "data: {val: {dataset: {type: 'config_toys:Images', path: x}}}\ntrain: {epochs: 1, weights: w.ckpt}\n",
        a="_base_: b.yaml\nmodel: {neck: null, backbone: {weights: null}, heads: {box: ~}}\ndata: {val: null}\ntrain: {weights: null}\n",
        c="_base_: a.yaml\nmodel: {heads: {box: {type: 'config_toys:Head'}}}\n",
    )
    found = data()
    assert set(found["model"]) == {"backbone", "heads"}
    assert set(found["model"]["heads"]) == {"pose"}
    assert found["model"]["backbone"]["weights"] is None
    assert found["data"] == {}
    assert found["train"] == {"epochs": 1, "weights": None}
    assert data("c.yaml")["model"]["heads"]["box"] == {"type": "config_toys:Head"}, "nothing is inherited from below the null"


def test_several_bases_merge_left_to_right_relative_to_their_file(write):
    write(
        parts__one="seed: 1\ntrain: {epochs: 1, max_steps: 1}\n",
        parts__two="_base_: deep/three.yaml\nseed: 2\n",
        parts__deep__three="seed: 3\ntrain: {epochs: 3}\n",
        a="_base_: [base.yaml, parts/one.yaml, parts/two.yaml]\n",
    )
    found = data()
    assert found["seed"] == 2
    assert found["train"] == {"epochs": 3, "max_steps": 1}
    assert origins("a.yaml")["train.epochs"] == "parts/deep/three.yaml:2"


def test_a_file_may_be_inherited_twice(write):
    write(b="_base_: base.yaml\nseed: 1\n", c="_base_: base.yaml\n", a="_base_: [b.yaml, c.yaml]\n")
    assert data()["seed"] == 1


def test_bad_bases(write):
    write(
        a="_base_: [base.yaml, basis.yaml, 3, sub/x.yaml]\n",
        sub__x="_base_: ../y.yaml\n",
        y="seed: 1\n_base_:\n  - a.yaml\n",
        z="_base_: {x: 1}\n",
    )
    assert errors() == [
        "a.yaml:1: _base_: file 'basis.yaml' not found; did you mean 'base.yaml'?",
        "a.yaml:1: _base_: takes a path or a list of paths, not 3",
        "y.yaml:3: _base_: circular inheritance: a.yaml -> sub/x.yaml -> y.yaml -> a.yaml; remove one of these",
    ]
    assert errors("z.yaml")[0] == "z.yaml:1: _base_: takes a path or a list of paths, not {'x': 1}"


def test_a_broken_base_is_told_with_its_own_line_and_without_what_follows_from_it(write):
    write(a="_base_: b.yaml\nseed: -1\n", b=BASE + "train: {epochs: [}\n")
    assert errors() == [
        "b.yaml:8: invalid YAML: while parsing a flow node expected the node content, but found '}'; look for a missing value or bracket",
        "a.yaml:2: seed: -1 is not allowed; it must be 0 or more",
    ]


def test_files_that_are_none(write, tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    (tmp_path / "folder").mkdir()
    write(list="- 1\n")
    assert errors("latin.yaml") == ["latin.yaml: not a UTF-8 text file; save it as UTF-8"]
    assert errors("list.yaml") == ["list.yaml:1: a configuration must be a mapping; write 'key: value'"]
    assert errors("absent/a.yaml")[0].startswith("absent/a.yaml: no such configuration file; ")
    assert errors("folder")[0].startswith("folder: the folder does not contain config.yaml; ")


@pytest.mark.untrusted
def test_a_run_folder_means_its_resolved_configuration(write):
    write(runs__x__config=BASE)
    assert load_config("runs/x", trusted=True).data == data("base.yaml")
    with pytest.raises(ConfigError, match="refused: names the class 'config_toys:Net'"):
        load_config("runs/x")


def test_overrides(write):
    write(a="_base_: base.yaml\nmodel: {backbone: {weights: {x: 1.0}}}\n")
    found = data(
        "a.yaml",
        "model.backbone.depth=18",
        "input.size.1=32",
        "model.backbone.weights.x=1e-4",
        "+model.backbone.weights.y=2",
        "model.backbone.width=0.5",  # an argument of the constructor that no file mentions
        "train.epochs=7",  # a section that no file mentions
        "+hooks.log={type: 'config_toys:Hook'}",
        "seed=${train.epochs}",
    )
    assert found["model"]["backbone"] == {"type": "config_toys:Net", "depth": 18, "width": 0.5, "weights": {"x": 1e-4, "y": 2}}
    assert found["input"]["size"] == [64, 32]
    assert found["train"] == {"epochs": 7}
    assert found["hooks"] == {"log": {"type": "config_toys:Hook"}}
    assert found["seed"] == 7


@pytest.mark.parametrize(
    "own, overrides, expected",
    [
        ("{steps: 5}", [], {"epochs": 3, "steps": 5}),
        ("{steps: 5}", ["train.epochs=7"], {"epochs": 7}),
        ("{steps: 5}", ["train={epochs: 7}"], {"epochs": 7}),
        ("{steps: 5}", ["train.epochs=7", "train.steps=9"], {"epochs": 7, "steps": 9}),
        ("{steps: 5}", ["train.epochs=null"], {"epochs": None, "steps": 5}),
        ("{steps: 5}", ["train.ema=0.5"], {"epochs": 3, "steps": 5, "ema": 0.5}),
        ("{steps: 5, epochs: 4}", [], {"epochs": 4, "steps": 5}),
    ],
)
def test_what_is_set_later_is_not_overridden_by_another_key(write, own, overrides, expected):
    write(a="_base_: base.yaml\ntrain: {epochs: 3}\n", b=f"_base_: a.yaml\ntrain: {own}\n", c="_base_: b.yaml\ntrain: {epochs: 6}\n")
    assert data("b.yaml", *overrides)["train"] == expected
    assert data("c.yaml")["train"] == {"epochs": 6}


def test_an_override_merges_as_a_file_does(write):
    other = "model.backbone.type=config_toys:OtherNet"
    assert data("base.yaml", other)["model"]["backbone"] == {"type": "config_toys:OtherNet"}
    assert data("base.yaml", other, "model.backbone.blocks=4")["model"]["backbone"] == {"type": "config_toys:OtherNet", "blocks": 4}
    assert data("base.yaml", "model.backbone={type: 'config_toys:OtherNet', blocks: 3}")["model"]["backbone"]["blocks"] == 3
    assert data("base.yaml", "model.backbone={width: 2}")["model"]["backbone"] == {"type": "config_toys:Net", "depth": 3, "width": 2}
    replaced = data("base.yaml", "model.backbone={_replace_: true, type: 'config_toys:Net', depth: 1}")
    assert replaced["model"]["backbone"] == {"type": "config_toys:Net", "depth": 1}
    assert list(data("base.yaml", "+model.heads.box={type: 'config_toys:Head'}", "model.heads.pose=null")["model"]["heads"]) == ["box"]


def test_the_last_override_wins_and_names_itself(write):
    assert origins("base.yaml", "seed=1", "seed=2")["seed"] == "--set seed"
    assert data("base.yaml", "seed=1", "seed=2")["seed"] == 2


@pytest.mark.parametrize(
    "override, message",
    [
        ("model.bakcbone.depth=1", "--set model.bakcbone.depth: unknown key 'model.bakcbone'; did you mean 'model.backbone'?"),
        ("train.epoch=1", "--set train.epoch: unknown key 'train.epoch'; did you mean 'train.epochs'?"),
        ("model.backbone.depht=1", "--set model.backbone.depht: config_toys:Net has no argument 'depht'; did you mean 'depth'?"),
        (
            "model.heads.box.width=1",
            "--set model.heads.box.width: unknown key 'model.heads.box'; known here: pose; --set +model.heads.box.width=... adds it",
        ),
        ("input.size.2=1", "--set input.size.2: input.size has 2 items, counted from 0; to add more, set the whole list"),
        ("seed.x=1", "--set seed.x: unknown key 'seed.x'; --set +seed.x=... adds it"),
        ("classes.0.x=1", "--set classes.0.x: classes.0 is not a mapping, so it has no 'x'"),
        ("seed", "--set seed: write KEY=VALUE, with dots in KEY, e.g. --set train.epochs=10"),
        ("a..b=1", "--set a..b=1: write KEY=VALUE, with dots in KEY, e.g. --set train.epochs=10"),
        (
            "seed=[1",
            "--set seed: invalid YAML: while parsing a flow sequence expected ',' or ']', but got '<stream end>'; look for a "
            "missing comma or bracket; a ${reference} inside brackets needs quotes",
        ),
        ("seed=x", "--set seed: takes int, not 'x'"),
        ("model.backbone={depth: x}", "--set model.backbone: model.backbone.depth: Net takes int, not 'x'"),
    ],
)
def test_overrides_that_cannot_be(write, override, message):
    assert errors("base.yaml", override) == [message]


def test_references(write):
    write(
        a="_base_: base.yaml\n"
        "seed: ${model.backbone.depth}\n"
        "train: {epochs: '${seed}', weights: 'w-${seed}-${input.std.0}-$${x}.ckpt'}\n"
        "model:\n"
        "  backbone: {depth: 7, stages: '${input.size}', label: '${classes.0}', frozen: '${data.train.shuffle}'}\n"
        "  neck: '${blocks_below}'\n"
        "data: {train: {dataset: {type: 'config_toys:Images', path: x}, shuffle: true}}\n",
        b="_base_: a.yaml\nmodel: {neck: null, backbone: {depth: 9}}\n",
    )
    assert errors() == [
        "a.yaml:6: model.neck: '${blocks_below}': unknown key 'blocks_below'; known here: input, classes, model, seed, train, data"
    ]
    found = data("b.yaml", "input.std=[2,2,2]")
    assert found["seed"] == 9, "resolved after merging"
    assert found["train"] == {"epochs": 9, "weights": "w-9-2-${x}.ckpt"}
    assert found["model"]["backbone"]["stages"] == [64, 96]
    assert found["model"]["backbone"]["label"] == "person"
    assert found["model"]["backbone"]["frozen"] is True


def test_a_reference_to_a_block_copies_it_resolved(write):
    write(
        a="_base_: base.yaml\nseed: 4\ndata:\n  train: {dataset: {type: 'config_toys:Images', path: 'x${seed}'}}\n  val: '${data.train}'\n"
        "test: {batch_size: '${data.val.batch_size}'}\n",
    )
    assert errors() == ["a.yaml:6: test.batch_size: '${data.val.batch_size}': unknown key 'data.val.batch_size'; known here: dataset"]
    found = data("a.yaml", "data.train.batch_size=6")
    assert found["data"]["val"] == {"dataset": {"type": "config_toys:Images", "path": "x4"}, "batch_size": 6}
    assert found["test"] == {"batch_size": 6}


def test_references_that_cannot_be(write):
    write(
        a="_base_: base.yaml\n"
        "seed: ${train.epochs}\n"
        "train:\n  epochs: ${test.batch_size}\n  weights: 'x${model}'\n"
        "test:\n  batch_size: ${seed}\n"
        "data: {train: '${data}'}\n"
    )
    assert errors() == [
        "a.yaml:2: seed: circular reference: train.epochs -> test.batch_size -> seed -> train.epochs; write one of these values out",
        "a.yaml:4: train.epochs: circular reference: test.batch_size -> seed -> train.epochs -> test.batch_size; "
        "write one of these values out",
        "a.yaml:5: train.weights: '${model}' is not a single value and cannot be part of a string",
        "a.yaml:7: test.batch_size: circular reference: seed -> train.epochs -> test.batch_size -> seed; write one of these values out",
        "a.yaml:8: data.train: circular reference: data -> data; write one of these values out",
    ]


def test_the_resolved_text_means_the_same(write):
    write(
        a="_base_: base.yaml\nseed: 3\n"
        "train: {epochs: 2, weights: 'a$${seed}-${seed}-010'}\n"
        "model: {neck: null, backbone: {width: 1e-4, label: 'yes', weights: {a: 1.0, b: 1e9}}}\n"
    )
    config = load_config("a.yaml", ["+hooks.log.type=config_toys:Hook"])
    again = Config.from_text(config.to_yaml(), "run/config.yaml", trusted=True)
    assert again.data == config.data
    assert repr(again.data) == repr(config.data), "types too"
    assert again.to_yaml() == config.to_yaml()
    assert again.data["train"]["weights"] == "a${seed}-3-010"
    assert Config.from_text(config.to_yaml(origin=True), "x", trusted=True).data == config.data


@pytest.fixture
def acme(tmp_path, monkeypatch):
    """A distribution ``acme-ctdet`` with configurations in two folders; importing its packages fails."""
    for name, text in {
        "acme_ctdet/recipes/base.yaml": BASE,
        "acme_ctdet/recipes/parts/long.yaml": "train: {epochs: 70}\n",
        "acme_more/small.yaml": "_base_: [acme-ctdet:base.yaml, 'Acme_Ctdet:parts/long']\nseed: 4\n",
        "acme_more/beside.yaml": "_base_: small.yaml\nseed: 5\n",
    }.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for package in ("acme_ctdet", "acme_more"):
        (tmp_path / "site" / package / "__init__.py").write_text("raise RuntimeError('imported')")
    info = tmp_path / "site" / "acme_ctdet-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-ctdet\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mindpoint.configs]\nfirst = acme_ctdet:recipes\nsecond = acme_more\n")
    values = ("acme_ctdet:recipes", "acme_more", "acme_gone", "acme_more:nothing/here")
    found = tuple(installed.Point("mindpoint.configs", value, value, "acme-ctdet", "1.0") for value in values)
    monkeypatch.setattr(installed, "points", lambda: found)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path / "site"


class TestConfigurationsOfOthers:
    def test_are_found_by_distribution_and_name(self, write, acme):
        assert data("acme-ctdet:base") == data("acme-ctdet:base.yaml") == data("base.yaml")
        small = load_config("ACME_ctdet:small")
        assert small.seed == 4 and small.section("train").epochs == 70 and small.stem == "small"
        assert data("acme-ctdet:beside")["seed"] == 5, "a base without a colon is beside the file"
        assert sorted(shipped()) == ["acme-ctdet:base", "acme-ctdet:beside", "acme-ctdet:small"]

    def test_can_be_inherited(self, write, acme):
        write(a="_base_: acme-ctdet:small\nseed: 9\n")
        assert data() == {**data("acme-ctdet:small"), "seed": 9}

    def test_a_file_with_a_colon_in_its_name_comes_first(self, write, acme):
        write(**{"acme-ctdet:base": "_base_: base.yaml\nseed: 123\n"})
        assert data("acme-ctdet:base")["seed"] == 123

    def test_errors_name_what_is_there(self, write, acme):
        assert errors("acme-ctdet:bsae") == ["acme-ctdet:bsae: no such configuration file; did you mean 'acme-ctdet:base'?"]
        assert errors("acme-ctdet:zzz")[0].endswith("; shipped configurations: acme-ctdet:base, acme-ctdet:beside, acme-ctdet:small")
        gone = "no distribution 'acme-gone' with configurations is installed; those with configurations: acme-ctdet"
        assert errors("acme-gone:base") == [f"acme-gone:base: no such configuration file; {gone}"]
        write(a="_base_: [base.yaml, acme-gone:base, acme-ctdet:smal]\n")
        assert errors() == [
            f"a.yaml:1: _base_: file 'acme-gone:base' not found; {gone}",
            "a.yaml:1: _base_: file 'acme-ctdet:smal' not found; did you mean 'acme-ctdet:small'?",
        ]

    def test_on_the_command_line(self, acme, tmp_path):
        path = os.pathsep.join([str(acme), str(Path(__file__).parent)])

        def mindpoint(*arguments):
            command = [sys.executable, "-m", "mindpoint", "config", *arguments]
            return subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60)

        assert mindpoint("check", "acme-ctdet:small").stdout == "acme-ctdet:small: ok\n"
        names = [line.split()[0] for line in mindpoint("list").stdout.splitlines()]
        assert names[-3:] == ["acme-ctdet:base", "acme-ctdet:beside", "acme-ctdet:small"] and "quickstart" in names
        done = mindpoint("check", "acme-ctdet:bsae")
        assert done.returncode == 2 and done.stderr.endswith("did you mean 'acme-ctdet:base'?\n")


class TestFormerNames:
    """Keys that had another name before still work, and say so once."""

    @pytest.fixture(autouse=True)
    def anew(self):
        renamed._warn.cache_clear()

    def warnings(self, caplog):
        return [record.getMessage() for record in caplog.records]

    def test_in_a_file(self, write, caplog):
        write(a="_base_: base.yaml\ninput: {color: rgb}\ntrain: {epochs: 3, average: 0.5}\n"
              "data: {val: {dataset: {type: 'config_toys:Images', path: x}, images: 7}}\n")  # fmt: skip
        config = load_config("a.yaml")
        assert (config.input_spec.channel_order, config.section("train").ema, config.split("val").max_images) == ("rgb", 0.5, 7)
        assert config.data["train"] == {"epochs": 3, "ema": 0.5}
        assert self.warnings(caplog) == [
            "a.yaml:2: input.color: the key 'color' is now called 'channel_order'; the old name will be removed",
            "a.yaml:3: train.average: the key 'average' is now called 'ema'; the old name will be removed",
            "a.yaml:4: data.val.images: the key 'images' is now called 'max_images'; the old name will be removed",
        ]

    @pytest.mark.parametrize("below, above", [("average", "ema"), ("ema", "average"), ("average", "average")])
    def test_a_file_lies_over_its_base_whatever_their_names(self, write, below, above):
        write(b=f"_base_: base.yaml\ntrain: {{epochs: 3, {below}: 0.5}}\n", a=f"_base_: b.yaml\ntrain: {{{above}: 0.25}}\n")
        assert data()["train"] == {"epochs": 3, "ema": 0.25}

    def test_after_set(self, write, caplog):
        write(a="_base_: base.yaml\ntrain: {epochs: 3, ema: 0.5}\n")
        assert data("a.yaml", "train.average=0.75")["train"] == {"epochs": 3, "ema": 0.75}
        assert data("a.yaml", "+train={average: 0.125}")["train"]["ema"] == 0.125
        assert self.warnings(caplog)[0] == "--set train.average: the key 'average' is now called 'ema'; the old name will be removed"

    def test_a_file_that_is_read_twice_warns_once(self, write, caplog):
        write(b="train: {epochs: 3, average: 0.5}\n", c="_base_: b.yaml\n", a="_base_: [base.yaml, b.yaml, c.yaml]\n")
        data(), data()
        assert len(self.warnings(caplog)) == 1

    def test_both_names_in_one_place_contradict_each_other(self, write):
        write(a="_base_: base.yaml\ntrain:\n  average: 0.5\n  ema: 0.25\n  epochs: 3\n")
        assert errors() == ["a.yaml:3: train.average: 'average' is the former name of 'ema', which is set at a.yaml:4; remove one of them"]

    def test_arguments_of_parts_keep_their_names(self, write, caplog):
        write(a="_base_: base.yaml\nhooks: {images: {type: 'config_toys:Hook'}}\n")
        assert list(data()["hooks"]) == ["images"] and not self.warnings(caplog)
