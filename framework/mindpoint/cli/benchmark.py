"""mindpoint benchmark"""

from __future__ import annotations

import argparse
import importlib
import json

from mindpoint.cli.options import add_set

HELP = "measure the speed of training, prediction, data loading and start, part by part"

_MOST = 100_000  # rounds, images and threads
# benchmarks: module and function, description, measured rounds
_KINDS = {
    "train": ("train", "train", "training steps: waiting for data, and the step", 10),
    "infer": ("infer", "infer", "prediction: load, pre-process, network, decode, post-process", 20),
    "data": ("data", "data", "training samples: parts of one, and batches with increasing numbers of workers", 5),
    "ops": ("operators", "operators", "each operator of the network, forward and with gradients", 7),
    "start": ("start", "start", "from the command to the first prediction", 3),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="kind", metavar=" | ".join(_KINDS), required=True)
    for kind, (_, _, text, runs) in _KINDS.items():
        one = kinds.add_parser(kind, help=text, description=text, examples=[f"mindpoint benchmark {kind} quickstart"])
        one.add_argument("config", metavar="CONFIG", help="a YAML file, or the name of a shipped configuration such as quickstart")
        add_set(one)
        one.add_argument("--runs", type=_count, default=runs, metavar="N", help=f"measured rounds (default: {runs})")
        one.add_argument("--threads", type=_count, metavar="N", help="cores to use (default: all)")
        if kind not in ("start",):
            one.add_argument("--batch", type=_count, metavar="N", help="images at once (default: as configured)")
        if kind in ("train", "data"):
            one.add_argument("--workers", type=_count, metavar="N", help="data workers (default: as configured)")
        one.add_argument("--json", action="store_true", help="print facts, tables and the environment as JSON")


def run(args: argparse.Namespace) -> int:
    from mindpoint.benchmark.settings import Settings, limit_threads

    limit_threads(args.threads)
    settings = Settings(
        args.config,
        tuple(args.set),
        runs=args.runs,
        batch=getattr(args, "batch", None),
        workers=getattr(args, "workers", None),
    )
    module, function, _, _ = _KINDS[args.kind]
    report = getattr(importlib.import_module(f"mindpoint.benchmark.{module}"), function)(settings)
    if args.json:
        from mindpoint.runtime.environment import environment

        surroundings = environment(settings.load().section("runtime").device)
        content = {"benchmark": args.kind, "config": args.config, "facts": report.facts, "tables": report.tables}
        print(json.dumps({**content, "environment": surroundings}, indent=1))
    else:
        print(report)
    return 0


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST:
        raise argparse.ArgumentTypeError(f"{text} is not a number in 1..{_MOST}")
    return number
