"""mindpoint config"""

from __future__ import annotations

import argparse

from mindpoint.cli.options import add_set
from mindpoint.runtime.tables import table

HELP = "check, show, compare or list configurations, or draw the learning rate of one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    check = actions.add_parser("check", help="report all errors, without running anything", examples=["mindpoint config check quickstart"])
    check.add_argument("configs", metavar="CONFIG", nargs="+", help="a YAML file, a run folder, or the name of a shipped configuration")
    add_set(check)

    show = actions.add_parser(
        "show",
        help="print the configuration with inheritance, references and --set resolved",
        examples=["mindpoint config show quickstart --origin"],
    )
    show.add_argument("config", metavar="CONFIG")
    show.add_argument("--origin", action="store_true", help="add to each value the file and line it comes from")
    add_set(show)

    diff = actions.add_parser(
        "diff",
        help="print the values that differ between two configurations; exit code 1 if there are any",
        examples=["mindpoint config diff dla34_dcn_coco dla34_dcn_coco_1x"],
    )
    diff.add_argument("first", metavar="A")
    diff.add_argument("second", metavar="B")

    actions.add_parser("list", help="list the configurations shipped with mindpoint and plugins", examples=["mindpoint config list"])

    plot = actions.add_parser(
        "plot-schedule",
        help="draw the learning rate over the training, without a device",
        examples=["mindpoint config plot-schedule quickstart", "mindpoint config plot-schedule dla34_dcn_coco --images 64115"],
    )
    plot.add_argument("config", metavar="CONFIG")
    plot.add_argument("--images", metavar="N", type=_positive, help="number of training images (default: those of the data set)")
    plot.add_argument(
        "--processes", metavar="N", type=_positive, default=1, help="number of processes, as in mindpoint launch N (default: 1)"
    )
    plot.add_argument("--out", metavar="FILE", default="schedule.png", help="picture to write (default: schedule.png)")
    add_set(plot)


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() and len(text) < 13 else 0
    if not value:
        raise argparse.ArgumentTypeError(f"{text[:20]} is not a number of at least 1 and below 10^12")
    return value


def run(args: argparse.Namespace) -> int:
    return {"check": _check, "show": _show, "diff": _diff, "list": _list, "plot-schedule": _plot_schedule}[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config
    from mindpoint.errors import ConfigError

    wrong = {}  # lines without duplicates: an error in --set is reported once
    for name in args.configs:
        try:
            config = load_config(name, args.set, trusted=True)  # builds and imports nothing
            print(f"{name}: ok")
            for remark in config.remarks:
                print(f"  {remark}")
        except ConfigError as error:
            wrong.update(dict.fromkeys(str(error).splitlines()))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return 0


def _show(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config

    print(load_config(args.config, args.set, trusted=True).to_yaml(origin=args.origin), end="")
    return 0


def _diff(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config
    from mindpoint.config.differences import differences

    rows = []
    for path, old, new in differences(load_config(args.first, trusted=True), load_config(args.second, trusted=True)):
        for sign, entry in (("-", old), ("+", new)):
            if entry is not None:
                rows.append((f"{sign} {path}: {entry[0]}", f"# {entry[1]}"))
    if rows:
        print(table(None, rows))
    return int(bool(rows))


def _list(args: argparse.Namespace) -> int:
    from mindpoint.config.files import descriptions

    print(table(None, list(descriptions().items())))
    return 0


def _plot_schedule(args: argparse.Namespace) -> int:
    from mindpoint.config import load_config
    from mindpoint.contracts.analysis import Chart, Line
    from mindpoint.errors import ConfigError
    from mindpoint.visual.charts import write_chart

    config = load_config(args.config, args.set)
    config.require("optimizer", "schedule", "train", "data.train")
    settings, processes = config.section("train"), max(1, args.processes)
    batch_size = processes * config.split("train").batch_of_each(processes)
    images = args.images if args.images is not None else _training_images(config)
    if images < batch_size:
        raise ConfigError(f"{config.name}: one step needs {batch_size} images, and there are only {images}; nothing to draw")
    steps_per_epoch = images // batch_size
    length = settings.length(steps_per_epoch)
    schedule = config.build("schedule", epochs=length / steps_per_epoch, steps_per_epoch=steps_per_epoch)
    steps = min(length, settings.max_steps or length)
    shown = range(0, steps, max(1, steps // 2000))
    base = _highest_rate(config) * (batch_size / settings.lr_batch_size if settings.lr_batch_size else 1)
    rates = [base * schedule(step) for step in shown]
    epochs = f"{settings.epochs} epoch{'s' * (settings.epochs != 1)} of {steps_per_epoch} steps"
    title = f"{config.name}: " + (f"{length} steps, {steps_per_epoch} per epoch" if settings.steps else epochs)
    line = Line("", [step / steps_per_epoch for step in shown], rates)
    write_chart(args.out, [Chart(f"learning rate of {title}", "epoch", "", [line], form="curves")])
    print(f"{title}; learning rate {rates[0]:.3g} at the start, {max(rates):.3g} at most, {rates[-1]:.3g} at the end; drawn in {args.out}")
    return 0


def _highest_rate(config) -> float:
    """Return the largest learning rate of all parameter groups, as shown in training."""
    from mindpoint.errors import ConfigError

    rate = config.data["optimizer"].get("lr")
    if not isinstance(rate, (int, float)):
        raise ConfigError(f"{config.name}: optimizer.lr is not a number; to draw a curve, add --set +optimizer.lr=RATE")
    return rate * max([1.0, *(config.section("train").lr_factors or {}).values()])


def _training_images(config) -> int:
    from mindpoint.data.build import build_dataset
    from mindpoint.errors import DataError

    try:
        return len(build_dataset(config, "train"))
    except DataError as error:
        raise DataError(f"{error}; without the data set, give its number of images with --images") from error
