"""Completion of command lines in shells, by argcomplete (https://kislyuk.github.io/argcomplete/). It imports only what parsers need."""

from __future__ import annotations

import argparse
import ast
import os
from typing import Dict, List

from mindpoint.errors import MindpointError
from mindpoint.registry import Entry, static
from mindpoint.registry.static import Definition

_ASKED = "_ARGCOMPLETE"  # the shell sets it to the number of words before the arguments
_MOST_HELPERS = 3  # nested functions to look into; they may call each other


def asked() -> bool:
    """Return whether a shell asks for completions."""
    return "COMP_LINE" in os.environ and all(os.environ.get(name, "").isdecimal() for name in (_ASKED, "COMP_POINT"))


def words() -> List[str]:
    """Return the complete words of the line before the cursor, without the program."""
    import argcomplete

    before = argcomplete.split_line(os.environ["COMP_LINE"], int(os.environ["COMP_POINT"]))[3]
    return before[int(os.environ[_ASKED]) :]


def can_complete(command: Entry) -> bool:
    """Return whether a command begins by making its ``Parser``, which writes the completions. Its source is read without running it."""
    definition = command.definition()
    return definition is not None and _begins_with_parser(definition, _MOST_HELPERS)


def _begins_with_parser(definition: Definition, helpers: int) -> bool:
    """Find the first statement in a function that calls anything, and return whether it makes a ``Parser`` or calls a function that
    does."""
    for statement in definition.node.body if isinstance(definition.node, ast.FunctionDef) else ():
        called = [static.dotted(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)]
        if called:
            found = [static.resolve(definition.source, name) for name in called if name]
            simple = isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Expr, ast.Return))
            return simple and any(
                one is not None and (_is_parser(one) or helpers and _begins_with_parser(one, helpers - 1)) for one in found
            )
    return False


def _is_parser(definition: Definition) -> bool:
    base = static.find("mindpoint.cli.parser", "Parser")
    return base is not None and static.derives(definition, base) is True


def complete(parser: argparse.ArgumentParser) -> None:
    """Write the completions for the last word of the line, and end the process."""
    import argcomplete

    depth = int(os.environ.pop(_ASKED)) + len(parser.prog.split()) - 1  # the parser's own name may have several words
    _add_completers(parser)

    class Finder(argcomplete.CompletionFinder):
        def _get_completions(self, *line: object) -> List[str]:
            del os.environ[_ASKED]  # from here on, parsers parse instead of completing
            return super()._get_completions(*line)

    os.environ[_ASKED] = str(depth)
    Finder()(parser, always_complete_options=False, default_completer=_paths)


def _add_completers(parser: argparse.ArgumentParser) -> None:
    known = {
        "CONFIG": _configurations,
        "A": _configurations,
        "B": _configurations,
        "DATA": _configurations,
        "KEY=VALUE": _keys,
        "DIR": _folders,
    }
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _add_completers(inner)
        elif action.metavar in known and not hasattr(action, "completer"):
            action.completer = known[action.metavar]


def _paths(prefix: str, **_: object) -> List[str]:
    folder, begin = os.path.split(prefix)
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    names = [entry.name + "/" * entry.is_dir() for entry in entries if entry.name.startswith(begin)]
    return [os.path.join(folder, name) for name in names if begin or not name.startswith(".")]


def _folders(prefix: str, **_: object) -> List[str]:
    return [path for path in _paths(prefix) if path.endswith("/")]


def _configurations(prefix: str, **_: object) -> Dict[str, str]:
    """Return the shipped configurations with their first lines, and files and folders; a run folder is a configuration, too."""
    from mindpoint.config.files import descriptions

    return {**descriptions(), **dict.fromkeys(_paths(prefix), "")}


def _keys(prefix: str, parsed_args: argparse.Namespace, **_: object) -> List[str]:
    """Return the keys of the configuration, run folder or model that the line names, each followed by ``=``."""
    from mindpoint.config.files import find, read
    from mindpoint.config.node import Problems, leaves

    values = vars(parsed_args)
    for name in (values.get(place) for place in ("config", "configs", "data", "model")):
        for each in [name] if isinstance(name, str) else name or ():
            try:
                problems = Problems()
                root = read(find(each), problems)
                problems.raise_any()
                return [f"{key}=" for key, _ in leaves(root)]
            except (MindpointError, OSError):
                continue
    return []
