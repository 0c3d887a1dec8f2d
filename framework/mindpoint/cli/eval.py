"""mindpoint eval"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, Optional, Tuple

from mindpoint.cli.options import add_device, add_engine, add_set, add_trust

if TYPE_CHECKING:
    from mindpoint.cli.compare import Compared
    from mindpoint.config import Config
    from mindpoint.contracts.data import Dataset
    from mindpoint.contracts.instances import Detections
    from mindpoint.contracts.metric import Metric
    from mindpoint.inference.detector import Model
    from mindpoint.inference.evaluation import Evaluation

HELP = "evaluate a model or a result file: statistics, results, report, comparison with another"
EXAMPLES = (
    "mindpoint eval runs/quickstart",
    "mindpoint eval runs/quickstart --report report --each --bootstrap 1000",
    "mindpoint eval --compare runs/old runs/new",
)

_MOST_RESAMPLES = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a checkpoint, an exported file, or a run folder (its best.ckpt, else last.ckpt)"
    )
    parser.add_argument("--config", metavar="CONFIG", help="use this configuration instead of the model's own")
    add_set(parser)
    add_device(parser)
    add_engine(parser)
    add_trust(parser, "the model")
    parser.add_argument(
        "--mode",
        choices=("val", "test"),
        default="val",
        help="val: statistics and results; test: only results, for images without annotations (default: val)",
    )
    parser.add_argument("--split", help="evaluate on data.SPLIT (default: the value of --mode)")
    parser.add_argument(
        "--coco", metavar="DIR", help="evaluate on this folder, which holds the data in the published layout, instead of data.SPLIT"
    )
    parser.add_argument(
        "--results",
        metavar="FILE",
        help="evaluate this result file, without a model; --config gives classes, data and metric",
    )
    parser.add_argument(
        "--oracle",
        metavar="HEADS",
        help="replace the output of these heads, e.g. hm,wh or all, by the ground truth, to see the gain of perfect heads",
    )
    parser.add_argument("--each", action="store_true", help="add the statistics of each class and joint")
    parser.add_argument(
        "--bootstrap", metavar="N", type=int, help="add 95 %% intervals of all statistics, from N resamples of the images, e.g. 1000"
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER",
        help="also show the difference from this model or result file (.json) on the same data: 'eval --compare OLD NEW'",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        help="output folder (default: eval-SPLIT-NAME next to the model or result file; with --oracle eval-SPLIT-NAME-oracle-HEADS)",
    )
    parser.add_argument("--report", metavar="DIR", help="write DIR/index.html, a page with curves, errors and images")
    parser.add_argument("--pictures", metavar="DIR", help="draw every evaluated image: DIR/truth/ID.jpg and DIR/prediction/ID.jpg")
    parser.add_argument(
        "--threshold", metavar="S", type=float, default=0.3, help="smallest score of an object in --pictures (default: 0.3)"
    )
    parser.add_argument("--report-images", metavar="N", type=int, default=100, help="show the N worst images in the report (default: 100)")


def run(args: argparse.Namespace) -> int:
    from mindpoint.cli.compare import compare, evaluate_other, save
    from mindpoint.data.build import build_dataset, build_metric
    from mindpoint.inference.bootstrap import RESAMPLES
    from mindpoint.runtime import distributed, logs
    from mindpoint.storage.files import make_folder, numbered_folder, write_text

    _check(args)
    logs.setup()
    args.split = args.split or args.mode
    model, config = _open(args)
    distributed.init()  # not yet done if another runtime runs the model, or without a model
    dataset, metric = build_dataset(config, args.split), build_metric(config)
    place = model.place if model else Path(args.results)
    oracle = f"-oracle-{args.oracle.replace(',', '-')}" if args.oracle else ""
    folder = None
    if distributed.is_writer():
        name = f"eval-{args.split}-{place.stem}{oracle}"
        folder = make_folder(args.out) if args.out else numbered_folder(place.parent, name)
        write_text(folder / "config.yaml", config.to_yaml())
        for drawn in filter(None, (args.report, args.pictures)):
            make_folder(drawn)  # fail before the evaluation
    if args.mode == "test":
        return _write_submission(args, model, config, dataset, metric, folder)
    metric = metric.detailed() if args.each else metric
    evaluation = _evaluate(args, model, dataset, metric)
    other = evaluate_other(args, model, config, dataset, metric) if args.compare else None
    if distributed.is_writer():
        if args.bootstrap:
            evaluation = _with_intervals(args, evaluation, dataset, metric)
        print(evaluation.table, flush=True)  # even if writing the files fails
        print(_save(args, evaluation, folder))
        compared = None
        if other is not None:
            compared = compare(args, (other[1], place), (other[0], evaluation), dataset, metric)
            print(f"\n{save(compared, config, dataset, folder, args.bootstrap or RESAMPLES)}")
        if args.pictures:
            _draw(args, config, dataset, evaluation.detections)
        if args.report:
            _report(args, evaluation, model, config, dataset, metric, compared)
    return 0


def _check(args: argparse.Namespace) -> None:
    from mindpoint.errors import ConfigError

    if (args.model is None) == (args.results is None):
        raise ConfigError("give either a MODEL, or a result file with --results")
    if args.results and args.config is None:
        raise ConfigError(f"--config is missing; name the configuration of the results {args.results}")
    for name in ("oracle", "mode"):
        if args.results and getattr(args, name) not in (None, "val"):
            raise ConfigError(f"--{name} needs a MODEL; remove it for a result file")
    if args.mode == "test" and (args.oracle or args.report):
        raise ConfigError("--oracle and --report need annotations, which --mode test lacks")
    if args.mode == "test" and (args.bootstrap or args.compare):
        raise ConfigError("--bootstrap and --compare need annotations, which --mode test lacks")
    if args.bootstrap is not None and not 1 <= args.bootstrap <= _MOST_RESAMPLES:
        raise ConfigError(f"--bootstrap is {args.bootstrap}; it must be in 1..{_MOST_RESAMPLES}, such as 1000")
    if args.pictures and args.results:
        raise ConfigError("--pictures needs a MODEL; use --report for a result file")
    if args.report_images < 0:
        raise ConfigError(f"--report-images is {args.report_images}; it must be at least 0")


def _open(args: argparse.Namespace) -> "Tuple[Optional[Model], Config]":
    from mindpoint.config import load_config
    from mindpoint.data.layout import with_layout
    from mindpoint.inference.open import open_model

    parts = ["test.metric", *([] if args.coco else [f"data.{args.split}.dataset"])]
    if args.results:
        model, config = None, load_config(args.config, args.set, parts)
    else:
        model = open_model(args.model, args.config, args.set, parts, args.oracle, args.trust, args.engine)
        config = model.config
    return model, with_layout(config, args.coco, args.split) if args.coco else config


def _evaluate(args: argparse.Namespace, model: "Optional[Model]", dataset: "Dataset", metric: "Metric") -> "Evaluation":
    from mindpoint.inference.evaluation import evaluate, evaluate_results
    from mindpoint.runtime.progress import track

    if model is None:
        return evaluate_results(metric.read_results(args.results, dataset.ground_truth()), dataset, metric)
    return evaluate(model.detector, dataset, metric, lambda items, total: track(items, total, "evaluating"))


def _with_intervals(args: argparse.Namespace, evaluation: "Evaluation", dataset: "Dataset", metric: "Metric") -> "Evaluation":
    from mindpoint.inference.bootstrap import with_intervals
    from mindpoint.runtime.progress import track

    truth = dataset.ground_truth()
    return with_intervals(evaluation, metric, truth, args.bootstrap, lambda items, total: track(items, total, "resampling"))


def _save(args: argparse.Namespace, evaluation: "Evaluation", folder: Path) -> str:
    from mindpoint.inference.evaluation import save_evaluation

    save_evaluation(evaluation, folder, with_results=not args.results)
    written = "statistics.json is" if args.results else "statistics.json and results.json are"
    return f"{written} in {folder}"


def _draw(args: argparse.Namespace, config: "Config", dataset: "Dataset", detections: "Mapping[int, Detections]") -> None:
    from mindpoint.runtime.progress import track
    from mindpoint.visual.build import build_visualizer
    from mindpoint.visual.pairs import write_pairs

    drawn = write_pairs(
        Path(args.pictures),
        dataset,
        detections,
        build_visualizer(config),
        args.threshold,
        truth=args.mode == "val",
        track=lambda items, total: track(items, total, "drawing"),
    )
    print(f"pictures of {drawn} images in {args.pictures}")


def _write_submission(
    args: argparse.Namespace, model: "Model", config: "Config", dataset: "Dataset", metric: "Metric", folder: Path
) -> int:
    from mindpoint.inference.evaluation import detect_all, save_submission
    from mindpoint.runtime import distributed
    from mindpoint.runtime.progress import track

    detections = detect_all(model.detector, dataset, lambda items, total: track(items, total, "detecting")).detections
    if distributed.is_writer():
        name, count = save_submission(detections, dataset, metric, folder)
        print(f"{dataset}\n{count} results in {folder}: {name}, for the evaluation server, and a copy as .json")
        if args.pictures:
            _draw(args, config, dataset, detections)
    return 0


def _report(
    args: argparse.Namespace,
    evaluation: "Evaluation",
    model: "Optional[Model]",
    config: "Config",
    dataset: "Dataset",
    metric: "Metric",
    compared: "Optional[Compared]",
) -> None:
    from dataclasses import replace

    from mindpoint.cli.compare import file_names
    from mindpoint.inference.bootstrap import RESAMPLES, interval_table
    from mindpoint.report.gallery import Layers, gallery, with_objects, worst_first
    from mindpoint.report.page import Content, write_page
    from mindpoint.runtime.progress import track
    from mindpoint.storage.files import make_folder
    from mindpoint.visual.build import build_visualizer

    folder = make_folder(args.report)
    truth = dataset.ground_truth()
    analysed = metric.analyse(truth, evaluation.results, dataset.ids())
    analysis = with_objects(analysed, truth, evaluation.results)
    added = [interval_table(evaluation)] if evaluation.intervals else []
    if compared is not None:
        added += compared.tables(file_names(dataset), args.bootstrap or RESAMPLES)
    analysis = replace(analysis, tables=[*added, *analysis.tables])
    fields = model.detector.decoder.fields if model else dataset.fields
    visualizer = build_visualizer(config) if config.has("test.visualizer") else None
    layers = Layers(model.detector if model else None, visualizer, evaluation.detections)
    chosen = worst_first(analysis, dataset, args.report_images)
    test = config.section("test")
    how = {"resolution": test.resolution, "flip": "yes" if test.flip else "no", "scales": ", ".join(map(str, test.scales))}
    content = Content(
        title=str(model.place if model else args.results),
        data=evaluation.data,
        settings={**how, **({"truth in place of": args.oracle} if args.oracle else {})} if model else {},
        statistics=evaluation.statistics,
        notes=evaluation.notes,
        analysis=analysis,
        fields=fields,
        images=gallery(analysis, dataset, fields, chosen, lambda items, total: track(items, total, "drawing the report"), layers),
        evaluated=len(dataset),
        judged=bool(analysed.images),
    )
    print(f"report: {write_page(content, folder)}")
