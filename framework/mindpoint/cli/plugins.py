"""``mindpoint plugins``: the installed plugins, their arguments, and their tests."""

from __future__ import annotations

import argparse
import json
import textwrap
from typing import List

from mindpoint.cli.options import add_set
from mindpoint.registry import Description, Kind, UnknownPlugin, WrongKind, any_class, kinds, nearest, registry
from mindpoint.registry.entries import kinds_of
from mindpoint.runtime.tables import table
from mindpoint.scaffold import PARTS

HELP = "list, show, check and test installed parts, or start a distribution of your own"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="list | show | doctor | test | new", required=True)
    listing = actions.add_parser(
        "list",
        help="list all parts that installed distributions declare, without importing them",
        examples=["mindpoint plugins list", "mindpoint plugins list backbones"],
    )
    listing.add_argument(
        "kind", nargs="?", type=_kind, metavar="KIND", help=f"list only this kind of parts: {', '.join(k.plural for k in kinds())}"
    )
    listing.add_argument("--json", action="store_true", help="print a list of objects as JSON")
    listing.set_defaults(run=_list)
    show = actions.add_parser(
        "show",
        help="show a part's distribution, source and arguments",
        examples=["mindpoint plugins show EarlyStopping"],
    )
    show.add_argument("name", metavar="NAME", help="name as in `type:` of a configuration, e.g. MyBackbone or my-distribution:MyBackbone")
    show.set_defaults(run=_show)
    doctor = actions.add_parser(
        "doctor", help="import every part and report broken ones; exit code 1 if there are any", examples=["mindpoint plugins doctor"]
    )
    doctor.set_defaults(run=_doctor)
    test = actions.add_parser(
        "test",
        help="test the parts of a distribution against their contracts; exit code 1 on failures",
        examples=["mindpoint plugins test acme-shapes"],
    )
    test.add_argument("distribution", metavar="DISTRIBUTION", help="name of the distribution, as in pip")
    test.add_argument(
        "--config",
        metavar="CONFIG",
        help="build the parts in this configuration with its arguments, and all parts with its classes, input and sections",
    )
    add_set(test)
    test.add_argument("--verbose", action="store_true", help="print a line for each test")
    test.set_defaults(run=_test)
    new = actions.add_parser(
        "new",
        help="write a distribution with parts, tests and a configuration that trains",
        examples=["mindpoint plugins new acme-shapes --parts backbone,head,loss"],
    )
    new.add_argument("name", metavar="NAME", help="name of the distribution and its new folder, e.g. acme-shapes")
    new.add_argument("--parts", metavar="KIND,...", required=True, help=f"comma-separated parts: {', '.join(PARTS)}")
    new.add_argument("--license", metavar="TEXT", default="Apache-2.0", help="license in its pyproject.toml (default: Apache-2.0)")
    new.set_defaults(run=_new)


def run(args: argparse.Namespace) -> int:
    return args.run(args)


def _kind(text: str) -> Kind:
    try:
        return registry(text).kind
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _list(args: argparse.Namespace) -> int:
    entries = [entry for kind in ([args.kind] if args.kind else kinds()) for entry in registry(kind.plural).entries()]
    if args.json:
        keys = ("name", "distribution", "version", "value")
        print(json.dumps([{"kind": e.kind.plural, **{key: getattr(e, key) for key in keys}} for e in entries], indent=2))
    else:
        rows = [(e.kind.singular, e.name, f"{e.distribution} {e.version}", e.value) for e in entries]
        print(table(("KIND", "NAME", "DISTRIBUTION", "DEFINED AS"), rows))
    return 0


def _show(args: argparse.Namespace) -> int:
    found = []
    for kind in kinds():
        try:
            declared = registry(kind.plural).find(args.name).distribution
        except (UnknownPlugin, WrongKind):
            continue
        if declared:
            found.append(registry(kind.plural).describe(args.name))
    found = found or _of_module(args.name)
    if not found:
        near = nearest(args.name, [name for kind in kinds() for name in registry(kind.plural).names()])
        advice = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else "'mindpoint plugins list' shows all"
        raise UnknownPlugin(f"unknown part '{args.name}'; {advice}")
    print("\n\n".join(map(_described, found)))
    return 0


def _of_module(name: str) -> List[Description]:
    """Import ``module:Class`` and describe it as each kind that it derives from."""
    if ":" not in name:
        return []
    obj = any_class.get(name)
    return [registry(kind.plural).describe(name) for kind in kinds_of(obj)] or [any_class.describe(name)]


def _described(part: Description) -> str:
    entry, signature = part.entry, part.signature
    arguments = [f"    {parameter}" for parameter in signature.parameters] + ["    any others"] * signature.accepts_any_keyword
    return "\n".join(
        [
            f"{entry.kind.singular} {entry.name}",
            *textwrap.wrap(part.doc, 100, initial_indent="  ", subsequent_indent="  "),
            *([f"  distribution  {entry.distribution} {entry.version}"] if entry.distribution else []),
            f"  defined as    {entry.shown}",
            f"  defined in    {part.file}:{part.line}" if part.file else "  defined in    no source file",
            "  arguments" if arguments else "  no arguments",
            *arguments,
        ]
    )


def _doctor(args: argparse.Namespace) -> int:
    from mindpoint.registry.doctor import examine

    findings = examine()
    rows = [("ok" if f.problem is None else "BROKEN", f.kind, f.name, f.distribution, f.problem or "") for f in findings]
    print(table(("STATUS", "KIND", "NAME", "DISTRIBUTION", "PROBLEM"), rows))
    problems = sum(f.problem is not None for f in findings)
    print("\nno problems" if not problems else f"\n{problems} problem{'s' if problems > 1 else ''}")
    return 1 if problems else 0


def _test(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config
    from mindpoint.runtime import device
    from mindpoint.testing.suite import Suite

    config = load_config(args.config, args.set) if args.config else None
    suite = Suite(args.distribution, config)
    device.setup("auto", config.seed if config else 0)
    outcomes = []
    for outcome in suite.run():
        outcomes.append(outcome)
        if args.verbose:
            print(f"{outcome.kind} {outcome.part}: {outcome.test}: {outcome.problem or outcome.skipped or 'ok'}", flush=True)
    rows = []
    for kind, part in dict.fromkeys((outcome.kind, outcome.part) for outcome in outcomes):
        tests = [outcome for outcome in outcomes if (outcome.kind, outcome.part) == (kind, part)]
        passed, failed = (
            sum(test.problem is None and test.skipped is None for test in tests),
            sum(test.problem is not None for test in tests),
        )
        status = "BROKEN" if failed else "ok" if passed else "skipped"
        note = "; ".join(f"{test.test}: {test.problem}" for test in tests if test.problem) or "".join(
            t.skipped for t in tests if not t.test
        )
        rows.append((status, kind, part, f"{passed} of {passed + failed}" if passed + failed else "", note))
    print(table(("STATUS", "KIND", "NAME", "PASSED", ""), rows))
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def _new(args: argparse.Namespace) -> int:
    from mindpoint.scaffold import write_distribution

    print(write_distribution(args.name, args.parts.split(","), args.license))
    return 0
