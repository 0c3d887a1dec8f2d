"""YAML text to values and back."""

import math

import pytest
from mindpoint.config.node import Problems
from mindpoint.config.text import one_line, parse, to_text
from mindpoint.errors import ConfigError


def read(text, problems=None):
    return parse(text, lambda line: f"a.yaml:{line}", Problems() if problems is None else problems)


def failure(text):
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value)


def duplicates(text):
    problems = Problems()
    read(text, problems)
    with pytest.raises(ConfigError) as caught:
        problems.raise_any()
    return str(caught.value).splitlines()


SCALARS = [
    ("1e-4", 1e-4),
    ("1E5", 1e5),
    ("-1.5e+3", -1500.0),
    (".5", 0.5),
    ("5.", 5.0),
    ("12", 12),
    ("-12", -12),
    ("+3", 3),
    ("010", 10),
    ("0o17", 15),
    ("0x1F", 31),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("190:20:30.15", "190:20:30.15"),
    ("true", True),
    ("TRUE", True),
    ("False", False),
    ("yes", "yes"),
    ("no", "no"),
    ("on", "on"),
    ("Off", "Off"),
    ("y", "y"),
    ("null", None),
    ("~", None),
    ("", None),
    ("nUll", "nUll"),
    ("2024-01-31", "2024-01-31"),
    ("2024-01-31 10:00:00", "2024-01-31 10:00:00"),
    ("=", "="),
    (".inf", math.inf),
    ("-.Inf", -math.inf),
    ("inf", "inf"),
    ("1e", "1e"),
    ("'12'", "12"),
    ('"true"', "true"),
    ("1.2.3", "1.2.3"),
]


@pytest.mark.parametrize("text, value", SCALARS, ids=[text or "empty" for text, _ in SCALARS])
def test_scalars_follow_yaml_1_2(text, value):
    found = read(f"key: {text}").child("key").value
    assert (found, type(found)) == (value, type(value))


def test_not_a_number():
    assert math.isnan(read("key: .NaN").child("key").value)


def test_every_entry_remembers_its_line():
    root = read("a: 1\nb:\n  c:\n    - x\n    - {d: y,\n       e: z}\nf: >\n  long\n  text\ng: 1\n")
    assert root.child("a").where == "a.yaml:1"
    assert root.child("b").where == "a.yaml:2"
    assert root.child("b").child("c").where == "a.yaml:3"
    assert root.child("b").child("c").child("1").where == "a.yaml:5"
    assert root.child("b").child("c").child("1").child("e").where == "a.yaml:6"
    assert root.child("g").where == "a.yaml:10"


def test_anchors_and_merge_keys():
    root = read("a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: *a\nd: {<<: *a, x: 5}\ne:\n  y: 6\n  <<: [*b, *a]\n")
    data = root.plain()
    assert data["c"] == {"x": 1, "y": 2}
    assert data["d"] == {"x": 5, "y": 2}
    assert data["e"] == {"x": 1, "y": 6, "z": 4}
    assert root.child("c").where == "a.yaml:3"
    assert root.child("d").child("y").where == "a.yaml:1"


def test_duplicate_keys_are_all_reported():
    assert duplicates("a: 1\nb: {c: 1, d: 2,\n    c: 3}\na: 2\n") == [
        "a.yaml:3: b.c: duplicate key 'c', already set at a.yaml:2; remove one of them",
        "a.yaml:4: a: duplicate key 'a', already set at a.yaml:1; remove one of them",
    ]


def test_keys_are_texts():
    assert duplicates("a:\n  1: x\n") == ["a.yaml:2: a: the key 1 is not a string; put it in quotes"]


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "a:\n\tb: 1\n",
            "a.yaml:2: invalid YAML: while scanning for the next token found character '\\t' that cannot start any token; "
            "indent with spaces, not tabs",
        ),
        (
            "a: b: c\n",
            "a.yaml:1: invalid YAML: mapping values are not allowed here; put a string that contains ': ' in quotes; "
            "otherwise check the indentation",
        ),
        (
            "a: {x: ${b}}\n",
            "a.yaml:1: invalid YAML: while parsing a flow mapping expected ',' or '}', but got '{'; look for a missing comma or "
            "bracket; a ${reference} inside brackets needs quotes",
        ),
        (
            "a: [1, 2\nb: 3\n",
            "a.yaml:2: invalid YAML: while parsing a flow sequence expected ',' or ']', but got ':'; look for a missing comma or "
            "bracket; a ${reference} inside brackets needs quotes",
        ),
        (
            "a: 1\nb\n",
            "a.yaml:3: invalid YAML: while scanning a simple key could not find expected ':'; a key needs a colon and a space after it",
        ),
        (
            "a: *b\n",
            "a.yaml:1: invalid YAML: found undefined alias 'b'; an anchor (&name) must come before its alias (*name) in the same file",
        ),
        ("a: 'x\n", "a.yaml:2: invalid YAML: while scanning a quoted scalar found unexpected end of stream; close the quotes"),
        (
            "a: 1\n---\nb: 2\n",
            "a.yaml:2: invalid YAML: expected a single document in the stream but found another document; one file holds one "
            "configuration; remove the '---'",
        ),
        ("a: \x07\n", "a.yaml:1: invalid YAML: the character '\\x07' is not allowed; remove it"),
        ("a: !!python/object:os.system {}\n", "a.yaml:1: a: the YAML tag '!!python/object:os.system' is not supported; remove it"),
        ("a: !!int x\n", "a.yaml:1: a: 'x' is not a valid int; remove the YAML tag"),
        ("a: &a [*a]\n", "a.yaml:1: a.0: the alias is inside its own anchor; write the value out"),
    ],
)
def test_what_is_no_yaml_is_said_with_line_and_advice(text, message):
    assert failure(text) == message


@pytest.mark.parametrize(
    "value",
    [
        "1e-4",
        "010",
        "1:30",
        "yes",
        "null",
        "",
        "2024-01-31",
        "a: b",
        "# x",
        "${a}",
        "line\nline\n",
        " x ",
        "é",
        "'\"",
        "<<",
        "=",
        "0x1F",
        "1_0",
        "-",
        1e-4,
        1e22,
        5.0,
        math.inf,
        -0.0,
        True,
        None,
        10**20,
        [],
        {},
        [[1, "2"], [None]],
        [{"a": [True, {}]}],
    ],
    ids=repr,
)
def test_text_round_trip(value):
    found = read(f"key: {one_line(value)}").child("key").plain()
    assert (found, repr(found)) == (value, repr(value))


def test_tree_round_trip():
    text = "a:\n  b: [1, 2]\n  'on': {x: {}, y: []}\n'1': 2\n"
    root = read(text)
    again = to_text(root)
    assert again == "a:\n  b: [1, 2]\n  'on':\n    x: {}\n    y: []\n'1': 2\n"
    assert read(again).plain() == root.plain()
