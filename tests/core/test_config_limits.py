"""Texts that would fill the memory, take for ever, or break the recursion; numbers out of their range."""

import time
from pathlib import Path

import pytest
from config_toys import BASE
from mindpoint.config import Config, load_config
from mindpoint.errors import ConfigError, DataError, WeightsError
from mindpoint.storage.json_file import parse_json, read_json


def refused(text, *overrides, seconds=20):
    start = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        Config.from_text(text, "a.yaml", overrides, trusted=True)
    assert time.monotonic() - start < seconds
    message = str(caught.value)
    assert len(message) < 40_000 and "\n" * 25 not in message
    return message


def doubling(levels, value):
    """Lines ``z0`` to ``zN``, each ``value`` of the next one."""
    return "".join(f"z{n}: {value.format(n + 1)}\n" for n in range(levels)) + f"z{levels}: lol\n"


class TestText:
    def test_aliases(self):
        text = "z0: &z0 [a, b, c, d, e, f, g, h]\n" + "".join(f"z{n}: &z{n} [{', '.join([f'*z{n - 1}'] * 8)}]\n" for n in range(1, 40))
        assert "more than 100,000 values" in refused(BASE + text)

    def test_merged_aliases(self):
        text = "z0: &z0 {a: 1}\n" + "".join(f"z{n}: &z{n} {{<<: *z{n - 1}, a{n}: *z{n - 1}}}\n" for n in range(1, 60))
        assert "more than 100,000 values" in refused(BASE + text)

    def test_long_chains_of_aliases(self):
        text = "z0: &z0 [a]\n" + "".join(f"z{n}: &z{n} [*z{n - 1}]\n" for n in range(1, 3000))
        assert "nested in more than 100 levels" in refused(BASE + text)

    @pytest.mark.parametrize("opened", ["[", "{a: ", "- "])
    @pytest.mark.parametrize("levels", [101, 400, 20_000])
    def test_levels(self, opened, levels):
        assert "100 levels" in refused(BASE + f"z: \n  {opened * levels}")
        assert "100 levels" in refused(BASE, f"+z={opened * levels}") or opened == "- "

    @pytest.mark.slow
    def test_many_values(self):
        assert "more than 100,000 values" in refused(BASE + "z: [" + "1," * 120_000 + "]", seconds=60)

    def test_a_long_text(self):
        assert "characters; a configuration has at most 2,000,000" in refused(BASE + "# " + "x" * 3_000_000)

    def test_a_file_without_end(self, tmp_path):
        (tmp_path / "a.yaml").write_text(BASE + "#" + "x" * 3_000_000)
        with pytest.raises(ConfigError, match="a configuration has at most 2,000,000"):
            load_config(str(tmp_path / "a.yaml"))
        with pytest.raises(ConfigError, match="no such configuration file"):
            load_config("/dev/zero")

    @pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000, "1" * 500 + ".5"])
    def test_long_numbers(self, number):
        assert refused(BASE + f"seed: {number}\n") == "a.yaml:8: seed: the number is too long; at most 400 characters are allowed"

    @pytest.mark.parametrize("tagged", ["!!int 1_000", "!!int '\N{FULLWIDTH DIGIT ONE}'", "!!float 1_0.5", "!!float ' 1 '"])
    def test_only_the_digits_of_yaml(self, tagged):
        assert "remove the YAML tag" in refused(BASE + f"seed: {tagged}\n")


class TestReferences:
    @pytest.mark.parametrize("value", ["'${{z{0}}}${{z{0}}}${{z{0}}}${{z{0}}}'", "'x${{z{0}}}${{z{0}}}'"])
    def test_texts_that_double(self, value):
        assert "references insert more than 2,000,000 characters" in refused(BASE + doubling(28, value))

    def test_lists_that_double(self):
        assert "more than 100,000 values" in refused(BASE + doubling(28, "['${{z{0}}}', '${{z{0}}}', '${{z{0}}}']"))

    def test_long_chains(self):
        assert "more than 30 references form a chain" in refused(BASE + doubling(3000, "'${{z{0}}}'"))

    def test_deep_targets(self):
        text = "".join(f"z{n}: {'[' * 60}'${{z{n + 1}}}'{']' * 60}\n" for n in range(30)) + "z30: 1\n"
        assert "nested" in refused(BASE + text)

    @pytest.mark.slow
    def test_many_references_to_a_large_mapping(self):
        text = "big:\n" + "".join(f"  k{n}: 1\n" for n in range(20_000)) + "z: [" + ", ".join("'${big.k7}'" for _ in range(20_000)) + "]\n"
        assert "unknown key 'big'" in refused(BASE + text, seconds=60)


@pytest.mark.slow
def test_messages_have_an_end():
    message = refused(BASE + "train:\n  epochs: 3\n" + "".join(f"  unknown{n}: 1\n" for n in range(20_000)), seconds=60)
    lines = message.splitlines()
    assert len(lines) == 21 and lines[0].startswith("a.yaml:10: train.unknown0: unknown key") and lines[-1] == "... and 980 more problems"
    assert len(refused(BASE + f"{'x' * 1_000_000}: 1\n")) < 2000
    assert len(refused(BASE + "data: {val: {dataset: {type: '" + "y" * 1_000_000 + "'}}}\n")) < 2000


@pytest.mark.parametrize(
    "line",
    [
        "seed: 4294967296",
        f"seed: {'9' * 200}",
        "train: {epochs: 1000001}",
        "train: {epochs: 3, max_steps: 99999999999999999999}",
        "train: {epochs: 3, clip_norm: .inf}",
        "train: {epochs: 3, clip_norm: .nan}",
        "train: {epochs: 3, ema: .nan}",
        "train: {epochs: 3, loss_scale: .inf}",
        "train: {epochs: 3, loss_scale: 1e300}",
        "train: {epochs: 3, lr_factors: {backbone: .nan}}",
        "train: {epochs: 3, lr_factors: {backbone: -1}}",
        "train: {epochs: 3, accumulate: 1000000}",
        "test: {scales: [.nan]}",
        "test: {scales: [1e6]}",
        "test: {scales: [1e-9]}",
        "test: {batch_size: 1000000000}",
        "schedule: {type: 'config_toys:Schedule', lr: .inf}",
        "schedule: {type: 'config_toys:Schedule', lr: .nan}",
        f"schedule: {{type: 'config_toys:Schedule', lr: {'1' * 399}}}",
        "data: {val: {workers: 257, dataset: {type: 'config_toys:Images', path: x}}}",
        "data: {val: {batch_size: 70000, dataset: {type: 'config_toys:Images', path: x}}}",
    ],
)
def test_ranges(line):
    message = refused(BASE + line + "\n")
    assert message.startswith("a.yaml:8: ") and message.count("\n") == 0


@pytest.mark.parametrize(
    "change",
    ["size: [64, 32767]", "size: [200000, 200000]", "size: [0, 64]", "mean: [.nan, 0, 0]", "std: [1, 1, .inf]", "std: [1, 1, 1e-300]"],
)
def test_ranges_of_the_input(change):
    key = change.partition(":")[0]
    text = BASE.replace({"size": "size: [64, 96]", "mean": "mean: [0, 0, 0]", "std": "std: [1, 1, 1]"}[key], change)
    assert refused(text).startswith("a.yaml:1: input")


def test_usual_numbers_are_in_range():
    text = (
        BASE
        + "seed: 4294967295\ntest: {scales: [0.5, 1, 2.5], batch_size: 64}\ntrain: {epochs: 320, lr_factors: {x: 0}, loss_scale: 1024}\n"
    )
    config = Config.from_text(text, "a.yaml", trusted=True)
    assert config.seed == 2**32 - 1 and config.section("train").loss_scale == 1024


class TestSet:
    """A value for a text is taken as it is."""

    @pytest.mark.parametrize(
        "text", ["/data/set #1/images", "#1", "2017", "@x", "[x] y", "{a", "a: b", "1e5", "true", "a 'b", "*x", "!x", "%x", "- a", "007"]
    )
    def test_a_text(self, text):
        config = Config.from_text(BASE, "a.yaml", [f"model.backbone.label={text}"], trusted=True)
        assert config.data["model"]["backbone"]["label"] == text

    def test_quotes_null_and_numbers(self):
        def value(change, key):
            return Config.from_text(BASE + "train: {epochs: 3}\n", "a.yaml", [change], trusted=True).data["train"].get(key)

        assert value("train.weights='a #b'", "weights") == "a #b" and value('train.weights="x\\ty"', "weights") == "x\ty"
        assert value("train.weights=null", "weights") is None and value("train.weights=", "weights") is None
        assert value("train.epochs=5", "epochs") == 5 and value("train.freeze=[a, b]", "freeze") == ["a", "b"]
        assert value("train.loss_scale=dynamic", "loss_scale") == "dynamic" and value("train.loss_scale=8", "loss_scale") == 8
        assert value("train.freeze=['a #b']", "freeze") == ["a #b"]

    def test_an_unknown_place_takes_a_text_too(self):
        change = ["model.backbone={type: 'config_toys:Holder'}", "+model.backbone.path=/a #1/b", "+model.backbone.n=3"]
        arguments = Config.from_text(BASE, "a.yaml", change, trusted=True).build("model.backbone").arguments
        assert arguments["path"] == "/a #1/b" and arguments["n"] == 3

    def test_what_is_wrong_stays_wrong(self):
        assert "invalid YAML" in refused(BASE, "train.freeze=[a")
        assert "takes int or null, not '5 # five'" in refused(BASE + "train: {epochs: 3}\n", "train.epochs=5 # five")


class TestJson:
    @pytest.mark.parametrize(
        "data, message",
        [
            (b'{"a": [1,\n 2', ":2:3: the list is not JSON: Expecting ',' delimiter; it is damaged or truncated"),
            (b"", ":1:1: the list is not JSON: Expecting value; it is damaged or truncated"),
            (b'{"a": "\xff"}', ": the list is not UTF-8 text (byte 7); save it as UTF-8, or download it again"),
            (b"[" * 200_000, ":1:101: the list cannot be used: values are nested in more than 100 levels"),
            (b'["]]]]\\"]",\n' + b'{"a":' * 3000, ":2:496: the list cannot be used: values are nested in more than 100 levels"),
            (b"[1,\n 2, " + b"9" * 5000 + b"]", ":2:5: the list cannot be used: a number has more than 400 digits"),
            (b"[" + b" " * 2000 + b"]", ": too large: the list has 2,002 bytes, at most 2,000 are allowed"),
        ],
    )
    def test_refused(self, tmp_path, data, message):
        path = tmp_path / "x.json"
        path.write_bytes(data)
        with pytest.raises(WeightsError) as caught:
            read_json(path, "list", 2000 if b"   " in data else 1 << 30, WeightsError)
        assert str(caught.value) == f"{path}{message}"

    def test_no_file(self, tmp_path):
        import os

        os.mkfifo(tmp_path / "pipe")
        for path, message in (
            (tmp_path, "not a file"),
            (tmp_path / "pipe", "not a file"),
            ("/dev/zero", "not a file"),
            ("nope", "no such list"),
        ):
            with pytest.raises(DataError, match=f"{path}: {message}"):
                read_json(path, "list")

    def test_read(self, tmp_path):
        path = Path(tmp_path / "x.json")
        path.write_bytes(b'\xef\xbb\xbf{"a": ["[[[", "\\\\", 1.5, ' + b"[" * 98 + b"]" * 98 + b"]}")
        assert read_json(path, "list")["a"][:3] == ["[[[", "\\", 1.5]
        assert parse_json("[1, 2]", "there", "list") == [1, 2]
