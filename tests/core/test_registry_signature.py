"""Constructor signatures read from source. Modules raise when imported, unless the test is about importing."""

import textwrap

import pytest
from mindpoint.registry import UNKNOWN, PluginImportError, registry, signature_of
from mindpoint.registry.annotation import parse


@pytest.fixture
def source(tmp_path, monkeypatch):
    """``source(name, text)`` makes a module; ``name`` may have dots, packages are made."""

    def make(name, text, importable=False):
        *packages, module = name.split(".")
        folder = tmp_path
        for package in packages:
            folder = folder / package
            folder.mkdir(exist_ok=True)
            (folder / "__init__.py").touch()
        (folder / f"{module}.py").write_text(textwrap.dedent(text) + ("" if importable else "\nraise RuntimeError('imported')\n"))
        monkeypatch.syspath_prepend(str(tmp_path))

    return make


def signature(name):
    return signature_of(registry("optimizers").find(name))  # a kind without a base class


def test_defaults_and_annotations(source):
    source(
        "sig_plain",
        """
        SIZE = 3
        class A:
            def __init__(
                self, first, count: int, rate: float = 1e-4, /, shape: tuple = (1, -2), *rest, name: str, size: int = SIZE, on=None
            ):
                pass
        """,
    )
    found = signature("sig_plain:A")
    assert [(p.name, p.required, p.default) for p in found.parameters] == [
        ("first", True, UNKNOWN),
        ("count", True, UNKNOWN),
        ("rate", False, 1e-4),
        ("shape", False, (1, -2)),
        ("name", True, UNKNOWN),
        ("size", False, UNKNOWN),
        ("on", False, None),
    ]
    assert not found.accepts_any_keyword and found.file.endswith("sig_plain.py") and found.line == 4
    assert str(found.parameter("rate").annotation) == "float" and found.parameter("nothing") is None


def test_function_and_any_keyword(source):
    source("sig_function", "def make(size: int, **options): pass")
    found = signature("sig_function:make")
    assert str(found) == "(size: int, **)" and found.accepts_any_keyword


def test_dataclass_fields_with_inheritance(source):
    source(
        "sig_data",
        """
        import dataclasses
        from dataclasses import dataclass, field, InitVar
        from typing import ClassVar, List
        @dataclass
        class Base:
            a: int
            b: float = 0.5
        @dataclasses.dataclass(frozen=True)
        class Child(Base):
            kinds: ClassVar[int] = 3
            b: float = 0.25
            names: List[str] = field(default_factory=list)
            cache: dict = field(default=None, init=False)
            start: InitVar[int] = 4
            last: int = field(default=7)
            plain = 9
        class Grandchild(Child):
            extra: int = 3
        """,
    )
    expected = "(a: int, b: float = 0.25, names: [str, ...] = ..., start: int = 4, last: int = 7)"
    assert str(signature("sig_data:Child")) == expected
    assert str(signature("sig_data:Grandchild")) == expected


def test_inherited_constructor_through_packages_aliases_and_star_imports(source):
    source("sig_pkg.base", "class Root:\n    def __init__(self, depth: int = 18): pass")
    source("sig_pkg.stars", "from .base import *")
    source("sig_pkg.middle", "from . import stars as s\nclass Mixin: pass\nclass Middle(Mixin, s.Root): pass")
    source("sig_pkg.leaf", "import sig_pkg.middle\nfrom typing import Generic\nclass Leaf(sig_pkg.middle.Middle): pass\nAlias = Leaf")
    assert str(signature("sig_pkg.leaf:Alias")) == "(depth: int = 18)"


def test_class_without_constructor_takes_nothing(source):
    source("sig_none", "from mindspore import nn\nfrom abc import ABC\nclass A(ABC): pass\nclass B(nn.Cell, A): pass")
    assert str(signature("sig_none:A")) == str(signature("sig_none:B")) == "()"


def test_nested_class_and_conditional_definitions(source):
    source(
        "sig_if",
        """
        try:
            from sig_fast import A
        except ImportError:
            A = None
        if True:
            class C:
                class D:
                    def __init__(self, x: int): pass
        """,
    )
    source("sig_fast", "class A:\n    def __init__(self, y: int): pass")
    assert str(signature("sig_if:A")) == "(y: int)"
    assert str(signature("sig_if:C.D")) == "(x: int)"


@pytest.mark.parametrize(
    "code",
    [
        "import functools\ndef wrap(f):\n    return functools.wraps(f)(lambda *a, **k: f(*a, **k))\n@wrap\ndef T(size: int = 3): pass",
        "T = type('T', (), {'__init__': lambda self, size=3: None})",
        "class M(type): pass\nclass T(metaclass=M):\n    def __init__(self, size: 'int' = 3): pass",
        "class A:\n    def __init__(self, size: int = 3): pass\nclass C(A): pass\nclass T(C, A): pass",
    ],
    ids=["decorated", "made at run time", "metaclass", "several constructors"],
)
def test_what_source_does_not_tell_is_imported(source, code, request):
    name = "sig_dynamic_" + "".join(filter(str.isalnum, request.node.name))
    source(name, code, importable=True)
    found = signature(f"{name}:T")
    assert [(p.name, p.default) for p in found.parameters] == [("size", 3)]


def test_failed_fallback_import_is_an_error_of_the_plugin(source):
    source("sig_raises", "T = type('T', (), {})")
    with pytest.raises(PluginImportError, match="RuntimeError: imported"):
        signature("sig_raises:T")


def test_cyclic_imports_end(source):
    source("sig_cycle_a", "from sig_cycle_b import T")
    source("sig_cycle_b", "from sig_cycle_a import T")
    with pytest.raises(PluginImportError):
        signature("sig_cycle_a:T")


def test_named_types_are_followed(source):
    source("sig_alias", "from typing import Literal, Tuple\nSize = Tuple[int, int]\nMode = Literal['a', 'b']")
    imports = "import sig_alias\nfrom sig_alias import Size\n"
    source("sig_uses", imports + "class A:\n    def __init__(self, size: Size, mode: 'sig_alias.Mode' = 'a'): pass")
    assert str(signature("sig_uses:A")) == "(size: [int, int], mode: 'a' or 'b' = 'a')"


@pytest.mark.parametrize(
    "annotation, good, bad",
    [
        ("int", [0, -3], [True, 1.0, "1", None]),
        ("float", [1.5, 2], [False, "2", None]),
        ("bool", [True], [1, "true"]),
        ("str", ["", "a"], [1, None, ["a"]]),
        ("None", [None], [0, ""]),
        ("Optional[int]", [None, 1], ["", 1.5]),
        ("int | None", [None, 1], ["", 1.5]),
        ("Union[int, Sequence[int]]", [1, [1, 2]], ["12", [1, "2"]]),
        ("List[int]", [[], [1]], [(1.5,), "1", {}]),
        ("typing.Sequence[str]", [["a"], ("a",)], ["a", [1]]),
        ("Tuple[int, float]", [[1, 2], (1, 2.5)], [[1], [1, 2, 3], [1.5, 2]]),
        ("tuple[int, ...]", [[], [1, 2, 3]], [["a"], 1]),
        ("tuple", [[], [1, "a"]], ["a", 1]),
        ("Dict[str, float]", [{}, {"a": 1}], [{"a": "b"}, {1: 1.0}, []]),
        ("Mapping", [{"a": []}], [[], None]),
        ("Literal['a', 1]", ["a", 1], ["b", True, None]),
        ("'Optional[int]'", [None, 1], [1.5]),
        ("Annotated[int, 3]", [1], ["a"]),
        ("np.ndarray", [1, "a", None, []], []),
        ("Callable[[int], str]", [1, "a", None], []),
        ("not an annotation", [1, "a", None], []),
    ],
)
def test_what_annotations_accept(annotation, good, bad):
    read = parse(annotation)
    assert [value for value in good if not read.accepts(value)] == []
    assert [value for value in bad if read.accepts(value)] == []


@pytest.mark.parametrize(
    "annotation, text",
    [
        ("Optional[int]", "int or null"),
        ("Tuple[float, float]", "[float, float]"),
        ("Tuple[int, ...]", "[int, ...]"),
        ("Sequence[Tuple[int, str]]", "[[int, str], ...]"),
        ("Dict[str, List[int]]", "{str: [int, ...]}"),
        ("Literal['a', 'b', 3]", "'a' or 'b' or 3"),
        ("list", "list"),
        ("dict", "mapping"),
        ("Keypoints", "anything"),
    ],
)
def test_annotations_as_text(annotation, text):
    assert str(parse(annotation)) == text


def test_none_as_default_is_accepted_whatever_the_annotation_says(source):
    source("sig_none_default", "class A:\n    def __init__(self, size: int = None): pass")
    assert signature("sig_none_default:A").parameters[0].annotation.accepts(None)
