"""mindpoint predict"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import List, Optional

HELP = "find objects and keypoints in images, videos and cameras; draw and save them"
INTERRUPTED = 130


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, an exported file, or a run folder (its best.ckpt, else last.ckpt)")
    what = "images, videos, folders of them, patterns ('a/*.jpg'), camera numbers, addresses (rtsp://...), - for a list from standard input"
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help=what)
    parser.add_argument("--out", metavar="DIR", help="where the files go (default: runs/predict, numbered if taken)")
    parser.add_argument("--format", metavar="LIST", help="what to write, of pictures,json,coco,csv (default: all of them)")
    parser.add_argument("--overwrite", action="store_true", help="replace files of the same names in DIR")
    parser.add_argument("--threshold", metavar="S", type=float, default=0.3, help="smallest score of an object to report (default: 0.3)")
    parser.add_argument("--batch", metavar="N", type=int, help="images at once (default: as test.batch_size says)")
    parser.add_argument("--frames", metavar="N", type=int, help="end each video and camera after N frames")
    parser.add_argument("--recursive", action="store_true", help="folders with the folders in them")
    parser.add_argument("--config", metavar="CONFIG", help="use this configuration, not the one that the model carries")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")


def run(args: argparse.Namespace) -> int:
    from mindpoint.storage.files import make_folder, numbered_folder
    from mindpoint.inference.prediction_files import PredictionFiles, refuse_existing
    from mindpoint.inference.sources import count_frames, find_sources
    from mindpoint.inference.predictor import Predictor
    from mindpoint.runtime import logs
    from mindpoint.runtime.progress import track

    logs.setup()
    formats = _formats(args.format)
    sources = find_sources(args.inputs, args.recursive, sys.stdin)
    if args.out is not None:
        _refuse_folder_of_inputs(args.out, sources)
        if not args.overwrite:
            refuse_existing(Path(args.out), formats, sources)
    predictor = Predictor(args.model, args.threshold, args.batch, args.config, args.set)
    folder = make_folder(args.out) if args.out else numbered_folder("runs", "predict")
    skipped: List[Exception] = []

    def skip(error: Exception) -> None:
        skipped.append(error)
        print(f"mindpoint: skipped: {error}", file=sys.stderr)

    started, interrupted = time.monotonic(), False
    with PredictionFiles(folder, formats, sources, predictor.model.detector.decoder.fields, predictor.classes) as files:
        try:
            found = predictor.stream(sources, frames=args.frames, skipped=skip)
            for prediction in track(found, count_frames(sources, args.frames), "predicting"):
                files.add(prediction)
        except KeyboardInterrupt:  # how a camera is ended; what there is, is kept
            interrupted = True
    seconds = time.monotonic() - started
    done = f"{files.objects} objects in {files.images} images, {seconds:.1f} s, {files.images / seconds:.3g} a second"
    print(f"{done}; {', '.join(formats)} in {folder}")
    if interrupted and not any(source.kind == "camera" for source in sources):
        return INTERRUPTED
    return 2 if skipped else 0


def _formats(text: Optional[str]) -> List[str]:
    from mindpoint.inference.prediction_files import FORMATS
    from mindpoint.errors import ConfigError

    names = list(FORMATS) if text is None else [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise ConfigError(f"--format: '{unknown[0]}' is none of {', '.join(FORMATS)}")
    return list(dict.fromkeys(names))


def _refuse_folder_of_inputs(out: str, sources: list) -> None:
    from mindpoint.errors import OutputError

    holders = {Path(source.name).resolve().parent for source in sources if source.kind != "camera"}
    if Path(out).resolve() in holders:
        raise OutputError(f"{out}: holds images to predict on, which the drawn ones could overwrite; choose another folder with --out")
