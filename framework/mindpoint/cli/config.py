"""mindpoint config"""

from __future__ import annotations

import argparse
from typing import Dict, Tuple

HELP = "check, show, compare or list configurations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    check = actions.add_parser("check", help="report everything that is wrong, without running anything")
    check.add_argument("configs", metavar="CONFIG", nargs="+", help="a YAML file, a run folder, or the name of a shipped configuration")
    _add_set(check)

    show = actions.add_parser("show", help="print the configuration with inheritance, references and --set worked in")
    show.add_argument("config", metavar="CONFIG")
    show.add_argument("--origin", action="store_true", help="behind each value: the file and line it comes from")
    _add_set(show)

    diff = actions.add_parser("diff", help="print the values that differ between two configurations; exit code 1 if any does")
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B")

    actions.add_parser("list", help="print the shipped configurations")


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")


def run(args: argparse.Namespace) -> int:
    return {"check": _check, "show": _show, "diff": _diff, "list": _list}[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config
    from mindpoint.errors import ConfigError

    wrong = {}  # of lines; what --set does wrong is said once
    for name in args.configs:
        try:
            load_config(name, args.set)
            print(f"{name}: ok")
        except ConfigError as error:
            wrong.update(dict.fromkeys(str(error).splitlines()))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return 0


def _show(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config

    print(load_config(args.config, args.set).to_yaml(origin=args.origin), end="")
    return 0


def _diff(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config

    first, second = _values(load_config(args.first)), _values(load_config(args.second))
    differ = False
    for path in sorted({*first, *second}):
        old, new = first.get(path), second.get(path)
        if old is None or new is None or old[0] != new[0]:
            differ = True
            for sign, entry in (("-", old), ("+", new)):
                if entry is not None:
                    print(f"{f'{sign} {path}: {entry[0]}':<60}  # {entry[1]}")
    return int(differ)


def _values(config) -> Dict[str, Tuple[str, str]]:
    """The text and the place of each value by path."""
    from mindpoint.config.text import one_line

    return {path: (one_line(value), where) for path, value, where in config.leaves()}


def _list(args: argparse.Namespace) -> int:
    from mindpoint.config import shipped

    files = shipped()
    width = max((len(path.stem) for path in files), default=0)
    for path in files:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        print(f"{path.stem:{width}}  {first.lstrip('# ') if first.startswith('#') else ''}".rstrip())
    return 0
