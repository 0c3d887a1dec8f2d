"""Make the reference pages: the keys of a configuration from its schema, the installed parts from their signatures and docstrings."""

from __future__ import annotations

import ast
import inspect
import math
import re
from dataclasses import MISSING, Field, fields
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import mindpoint
from mindpoint.config import injection, schema
from mindpoint.registry import Entry, Kind, kinds, registry, static
from mindpoint.registry.annotation import Annotation, parse
from mindpoint.registry.signature import UNKNOWN, Parameter, signature_of

DISTRIBUTION = "mindpoint"
LARGEST = 2**31 - 1
_HEADING = r"^(Args|Arguments|Attributes|Returns|Raises|Yields|Examples?|Notes?):\n"
_ROLE = re.compile(r":(?:class|mod|meth|func|data|attr|exc):`~?([^`]+)`")


def plain(text: str) -> str:
    """Return a docstring as Markdown: without Sphinx's roles, and examples as blocks of code."""
    text = _ROLE.sub(r"`\1`", text)
    return re.sub(r"(?:^[ ]*>>> .*\n?(?:^[ ]*(?!>>>)\S.*\n?)*)+", _example, text, flags=re.M)


def _example(match: "re.Match[str]") -> str:
    return f"```pycon\n{inspect.cleandoc(match[0])}\n```\n"


def split(doc: str) -> Tuple[str, Dict[str, Dict[str, str]]]:
    """Return the text of a docstring, and for each section such as ``Args``, its entries by name."""
    text, *rest = re.split(_HEADING, inspect.cleandoc(doc), flags=re.M)
    sections: Dict[str, Dict[str, str]] = {}
    for heading, body in zip(rest[::2], rest[1::2]):
        found = sections.setdefault(heading, {})
        for names, meaning in re.findall(r"^ {4}(\w[\w, ]*): ((?:.*\n?)(?:(?: {5,}.*)?\n?)*)", body, re.M):
            found.update(dict.fromkeys(re.split(r",\s*", names), " ".join(meaning.split())))
    return text.strip(), sections


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, without the columns that are empty."""
    kept = [index for index in range(len(heads)) if index == 0 or any(row[index] for row in rows)]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line[index] for index in kept) + " |" for line in lines)


def shown(value: object) -> str:
    """Return a default as it is written in YAML."""
    if value is UNKNOWN or value is MISSING:
        return ""
    words = {None: "null", True: "true", False: "false"}
    if isinstance(value, (list, tuple)):
        return f"`[{', '.join(shown(item).strip('`') for item in value)}]`"
    return f"`{words[value] if value is None or isinstance(value, bool) else value}`"


# --- keys of a configuration -------------------------------------------------------------------------------------------------------


def keys() -> str:
    """Return the sections of a configuration, each with its keys, in the order of the schema."""
    return "\n\n".join(_section("", schema.ROOT, "The top level"))


def _section(path: str, section: schema.Section, title: str) -> Iterator[str]:
    settings = section.settings
    doc, described = split(settings.__doc__ or "") if settings else ("", {})
    rows = [_key_row(path, key, described.get("Attributes", {})) for key in fields(settings) if key.init] if settings else []
    inner: List[str] = []
    for name in section.parts if path else [name for name in section.parts if _ours(name)]:
        place, kind = f"{path}{name}", section.parts[name]
        many = isinstance(kind, schema.Named)
        item = kind.item if many else kind
        place += ".NAME" * many
        required = "yes" if kind.required else ""
        if isinstance(item, schema.Slot):
            wanted = registry(item.registry).kind
            article = "an" if wanted.singular[0] in "aeio" else "a"
            link = f"[{wanted.singular}](parts/{wanted.plural}.md)" if entries(wanted) else wanted.singular
            meaning = f"{article} {link}" + ("; any number, by names of your choice" if many else "")
            rows.append((f"`{place}`", "part", "", "", required, meaning))
        else:
            rows.append((f"`{place}`", "section", "", "", required, f"see [below](#{_anchor(place)})"))
            inner += _section(f"{place}.", item, f"`{place}`")
    heads = ("key", "type", "range", "default", "required", "meaning")
    opening = f"## {title}" + f" {{ #{_anchor(path[:-1])} }}" * bool(path)
    yield "\n\n".join([opening, *([plain(doc)] if doc and path else []), table(heads, rows)])
    yield from inner


def _ours(name: str) -> bool:
    """Return whether the core or this distribution declares a section."""
    declared = registry("sections")
    return name not in declared.names() or declared.find(name).distribution == DISTRIBUTION


def _anchor(place: str) -> str:
    return re.sub(r"\W+", "-", place).lower()


def _key_row(path: str, key: Field, meanings: Mapping[str, str]) -> Sequence[str]:
    required = key.default is MISSING and key.default_factory is MISSING
    default = "" if required else shown(key.default if key.default is not MISSING else key.default_factory())
    return (f"`{path}{key.name}`", str(_type(key)), limits(key), default, "yes" if required else "", plain(meanings.get(key.name, "")))


def _type(key: Field) -> Annotation:
    """Return the type of a dataclass's field, in YAML's terms."""
    return parse(key.type if isinstance(key.type, str) else inspect.formatannotation(key.type))


def limits(key: Field) -> str:
    """Return the values that a key accepts, in the words of its error message."""
    _, text = key.metadata.get("rule", (None, ""))
    if isinstance(text, str):
        return text
    least, most = text(-math.inf), text(math.inf)  # "0 or more", "255 or less"
    return least if most.startswith(f"{LARGEST} ") else f"{least.split()[0]} to {most.split()[0]}"


# --- parts -------------------------------------------------------------------------------------------------------------------------


def entries(kind: Kind) -> List[Entry]:
    """Return this distribution's parts of a kind."""
    return [entry for entry in registry(kind.plural).entries() if entry.distribution == DISTRIBUTION]


def part_pages() -> Dict[str, str]:
    """Return the page of each kind by its plural: what its parts do, and their arguments."""
    return {kind.plural: _page(kind) for kind in kinds() if entries(kind)}


def part_list() -> str:
    """Return the list of kinds, each with the names of its parts."""
    rows = []
    for kind in kinds():
        names = ", ".join(f"[`{entry.name}`](parts/{kind.plural}.md#{_anchor(entry.name)})" for entry in entries(kind))
        if names:
            rows.append((f"[{title(kind)}](parts/{kind.plural}.md)", places().get(kind.plural, ""), names))
    return table(("kind", "place in a configuration", "parts"), rows)


def title(kind: Kind) -> str:
    """Return the heading of a kind's page."""
    words = kind.plural.replace("_", " ") if " " not in kind.singular else kind.singular + "s" * (not kind.singular.endswith("s"))
    return words[0].upper() + words[1:]


def places(section: schema.Section = schema.ROOT, path: str = "") -> Dict[str, str]:
    """Return, for each kind of part, the keys under which a configuration names it."""
    found: Dict[str, str] = {}
    for name, kind in section.parts.items():
        many = isinstance(kind, schema.Named)
        item, place = (kind.item if many else kind), f"{path}{name}" + ".NAME" * many
        if isinstance(item, schema.Slot):
            found[item.registry] = f"`{place}`"
        else:
            found.update(places(item, f"{place}."))
    return found


def _page(kind: Kind) -> str:
    place = places().get(kind.plural)
    where = [f"A configuration names such a part at {place}."] if place else []
    base = [f"They derive from [`{kind.base.replace(':', '.')}`][{kind.base.replace(':', '.')}]."] if kind.base else []
    lines = [f"# {title(kind)}", " ".join([*where, *base]), *(_part(kind, entry) for entry in entries(kind))]
    return "\n\n".join(line for line in lines if line) + "\n"


def _part(kind: Kind, entry: Entry) -> str:
    text, described = documented(entry)
    given = injection.given(kind.plural) if kind.in_blocks else ()
    parameters = signature_of(entry).parameters if kind.in_blocks or kind.plural == "sections" else ()
    rows = [_argument_row(parameter, described) for parameter in parameters if not (parameter.name in given and parameter.required)]
    run = [f"`{parameter.name}`" for parameter in parameters if parameter.name in given]
    arguments = table(("argument", "type", "default", "required", "meaning"), rows) if rows else ""
    lines = [f"## {entry.name}", plain(text), arguments, f"The run gives {', '.join(run)}." if run else ""]
    return "\n\n".join(line for line in [*lines, f"Defined as `{entry.value}`."] if line)


def _argument_row(parameter: Parameter, described: Mapping[str, str]) -> Sequence[str]:
    name = parameter.name
    default = "" if parameter.required else shown(parameter.default) or "computed"
    return (f"`{name}`", str(parameter.annotation), default, "yes" if parameter.required else "", plain(described.get(name, "")))


def documented(entry: Entry) -> Tuple[str, Dict[str, str]]:
    """Return the text of a part's docstring, and the meanings of its arguments by name. Texts that the part lacks come from its bases."""
    definition = entry.definition()
    if definition is None:
        raise ValueError(f"{entry}: its source cannot be read")
    text, meanings = "", {}
    for found in _ancestors(definition):
        own, sections = split(static.doc(found))
        text = text or own
        constructor = next((node for node in getattr(found.node, "body", ()) if getattr(node, "name", "") == "__init__"), None)
        for part in (sections, split(ast.get_docstring(constructor) or "")[1] if constructor else {}):
            for heading in ("Args", "Attributes"):
                for name, meaning in part.get(heading, {}).items():
                    meanings.setdefault(name, meaning)
    return text, meanings


def _ancestors(definition: static.Definition) -> Iterator[static.Definition]:
    yield definition
    for base in getattr(definition.node, "bases", ()):
        found: Optional[static.Definition] = static.resolve(definition.source, static.dotted(base) or "?")
        if found is not None and isinstance(found.node, ast.ClassDef):
            yield from _ancestors(found)


# --- Python ------------------------------------------------------------------------------------------------------------------------


def modules() -> List[str]:
    """Return the modules of the public interface by name: errors, contracts, bases of parts, test classes."""
    folders = [Path(mindpoint.__path__[0]) / name for name in ("contracts", "testing")]
    found = [f"mindpoint.{path.parent.name}.{path.stem}" for folder in folders for path in folder.glob("*.py") if path.stem != "__init__"]
    bases = [kind.base.partition(":")[0] for kind in kinds() if kind.base and kind.base.startswith("mindpoint.")]
    return sorted({"mindpoint.errors", *found, *bases})


def python_pages() -> Dict[str, str]:
    """Return the pages of the Python interface by name; mkdocstrings fills them."""
    offered = [f"mindpoint.{name}" for name in mindpoint.__all__ if not name.isupper()]
    pages = {"mindpoint": "# mindpoint\n\n" + "\n\n".join(f"::: {name}" for name in offered) + "\n"}
    plain_module = "\n    options: {show_root_heading: false, show_root_toc_entry: false}\n"  # the page has the heading
    pages.update((name, f"# {name}\n\n::: {name}{plain_module}") for name in modules())
    return pages
