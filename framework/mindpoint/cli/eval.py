"""mindpoint eval"""

from __future__ import annotations

import argparse

HELP = "evaluate a checkpoint: COCO statistics and result file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, or a run folder (its best.ckpt, else last.ckpt)")
    parser.add_argument("--config", metavar="CONFIG", help="use this configuration, not the one that the checkpoint carries")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")
    parser.add_argument("--split", default="val", help="which data to evaluate on: data.SPLIT (default: val)")
    parser.add_argument("--out", metavar="DIR", help="where statistics.json and results.json go (default: eval-SPLIT-CHECKPOINT beside it)")


def run(args: argparse.Namespace) -> int:
    from mindpoint.engine.data import build_dataset, build_metric
    from mindpoint.engine.evaluation import evaluate, save_evaluation
    from mindpoint.engine.files import make_folder, write_text
    from mindpoint.engine.model import open_model
    from mindpoint.runtime import logs
    from mindpoint.runtime.progress import track

    logs.setup()
    model = open_model(args.model, args.config, args.set)
    dataset, metric = build_dataset(model.config, args.split), build_metric(model.config)
    folder = make_folder(args.out or model.place.parent / f"eval-{args.split}-{model.place.stem}")
    write_text(folder / "config.yaml", model.config.to_yaml())
    result = evaluate(model.detector, dataset, metric, lambda items, total: track(items, total, "evaluating"))
    save_evaluation(result, folder)
    print(f"{result.table}\nstatistics.json and results.json are in {folder}")
    return 0
