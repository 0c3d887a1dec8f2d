"""mindpoint predict"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, List, Optional, Sequence

from mindpoint.cli.options import add_device, add_engine, add_set, add_trust

if TYPE_CHECKING:
    from mindpoint.contracts.prediction import Prediction, Source
    from mindpoint.contracts.writer import Vocabulary
    from mindpoint.inference.live import Live
    from mindpoint.inference.predictor import Predictor

HELP = "detect objects in images, videos and camera streams; draw and save them"
EXAMPLES = (
    "mindpoint predict runs/quickstart photo.jpg",
    "mindpoint predict runs/quickstart 'photos/*.jpg' street.mp4 --out found",
    "mindpoint predict runs/quickstart 0 --live --out camera",
)
INTERRUPTED = 130
_FEW = 16  # images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, an exported file, or a run folder (its best.ckpt, else last.ckpt)")
    what = "images, videos, folders of them, patterns ('a/*.jpg'), camera numbers, URLs (rtsp://...), - for a list on standard input"
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help=what)
    parser.add_argument("--out", metavar="DIR", help="output folder (default: runs/predict, numbered if taken)")
    parser.add_argument(
        "--format", metavar="LIST", help="comma-separated outputs: pictures,json,coco,csv and those of plugins (default: all)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing files in DIR")
    parser.add_argument("--threshold", metavar="S", type=float, default=0.3, help="smallest score of an object to report (default: 0.3)")
    parser.add_argument("--classes", metavar="LIST", help="comma-separated classes to report (default: all)")
    parser.add_argument("--batch", metavar="N", type=int, help="images at once (default: test.batch_size)")
    parser.add_argument("--frames", metavar="N", type=int, help="stop each video and camera after N frames")
    parser.add_argument("--every", metavar="N", type=int, default=1, help="use every N-th frame of videos and cameras (default: 1)")
    parser.add_argument(
        "--live", action="store_true", help="read cameras and streams in parallel, and always use the newest frame; drop older ones"
    )
    parser.add_argument(
        "--reconnect",
        metavar="S",
        type=float,
        default=0.0,
        help="with --live: retry a failed or ended stream for S seconds",
    )
    parser.add_argument("--recursive", action="store_true", help="search subfolders too")
    parser.add_argument("--config", metavar="CONFIG", help="use this configuration instead of the model's own")
    add_set(parser)
    add_device(parser)
    add_engine(parser)
    add_trust(parser, "the model")


def run(args: argparse.Namespace) -> int:
    from mindpoint.inference.prediction_files import PredictionFiles
    from mindpoint.inference.predictor import MOST_AT_ONCE, MOST_FRAMES, Predictor, check_count
    from mindpoint.inference.sources import find_sources
    from mindpoint.runtime import logs
    from mindpoint.runtime.console import printable
    from mindpoint.runtime.progress import track
    from mindpoint.storage.files import make_folder, numbered_folder

    logs.setup()
    check_count(args.batch, MOST_AT_ONCE, "--batch")
    check_count(args.frames, MOST_FRAMES, "--frames")
    check_count(args.every, MOST_FRAMES, "--every")
    live = _live(args)
    formats = _formats(args.format)
    sources = find_sources(args.inputs, args.recursive, sys.stdin)
    files = PredictionFiles(formats, sources)
    if args.out is not None:
        _refuse_folder_of_inputs(args.out, sources)
        if not args.overwrite:
            files.refuse_existing(Path(args.out))
    only = None if args.classes is None else _names(args.classes)
    predictor = Predictor(args.model, args.threshold, args.batch, args.config, _settings(args, sources), args.trust, only, args.engine)
    vocabulary = _vocabulary(predictor)
    folder = make_folder(args.out) if args.out else numbered_folder("runs", "predict")
    skipped: List[Exception] = []

    def skip(error: Exception) -> None:
        skipped.append(error)
        print(printable(f"mindpoint: skipped: {error}"), file=sys.stderr)

    started, interrupted, total = time.monotonic(), False, _Total(sources, args.every)
    stream = predictor.stream(sources, frames=args.frames, skipped=skip, every=args.every, ahead=True, live=live)
    with files.opened(folder, vocabulary):
        try:
            for prediction in track(total.counting(stream), total, "predicting"):
                files.add(prediction)
        except KeyboardInterrupt:  # the usual way to stop a camera; the results so far are kept
            interrupted = True
        finally:
            stream.close()
    seconds = time.monotonic() - started
    done = f"{files.objects} objects in {files.images} images, {seconds:.1f} s, {files.images / seconds:.3g} per second"
    print(f"{done}; {', '.join(formats)} in {folder}")
    if live is not None:
        print(live)
    if interrupted and not any(source.kind == "camera" for source in sources):
        return INTERRUPTED
    return 2 if skipped else 0


def _live(args: argparse.Namespace) -> "Optional[Live]":
    from mindpoint.errors import ConfigError
    from mindpoint.inference.live import Live

    if args.reconnect and not args.live:
        raise ConfigError("--reconnect needs --live")
    if not 0 <= args.reconnect < float("inf"):
        raise ConfigError(f"--reconnect is {args.reconnect:g}; it must be at least 0 seconds")
    return Live(args.reconnect) if args.live else None


class _Total:
    """The expected number of images; None until all videos have been opened."""

    def __init__(self, sources: Sequence[Source], every: int):
        self._every = every
        self._counts: Dict[str, Optional[int]] = {source.name: 1 if source.kind == "image" else None for source in sources}

    def counting(self, predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """Yield the predictions and record the frame counts of their videos."""
        for prediction in predictions:
            if prediction.frame == 0:
                self._counts[prediction.source] = None if prediction.frames is None else -(-prediction.frames // self._every)
            yield prediction

    def __call__(self) -> Optional[int]:
        counts = list(self._counts.values())
        return None if None in counts else sum(counts)


def _vocabulary(predictor: Predictor) -> Vocabulary:
    """Return the vocabulary of the model for the writers. Result records are in COCO's format if the model's metric is not installed."""
    from mindpoint.contracts.writer import Vocabulary
    from mindpoint.errors import ConfigError

    model = predictor.model
    try:
        metric = model.config.build("test.metric")
    except ConfigError as error:
        logging.getLogger("mindpoint").warning("result records are written in COCO's format: %s", error)
        metric = None
    return Vocabulary(predictor.classes, model.category_ids, predictor.fields, metric)


def _names(text: str) -> List[str]:
    return [name.strip() for name in text.split(",")]


def _formats(text: Optional[str]) -> List[str]:
    from mindpoint.errors import ConfigError
    from mindpoint.registry import registry

    known = registry("writers").names()
    names = known if text is None else _names(text)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"--format: '{unknown[0]}' is not one of {', '.join(known)}")
    return list(dict.fromkeys(names))


def _settings(args: argparse.Namespace, sources: Sequence[Source]) -> List[str]:
    """Return the settings of ``--set``. For a few images, a compilation of the network would take longer than it saves."""
    few = len(sources) <= _FEW and all(source.kind == "image" for source in sources)
    return [*(["runtime.mode=eager"] if few else []), *args.set]


def _refuse_folder_of_inputs(out: str, sources: Sequence[Source]) -> None:
    from mindpoint.errors import OutputError

    holders = {Path(source.name).resolve().parent for source in sources if source.kind != "camera"}
    if Path(out).resolve() in holders:
        raise OutputError(f"{out}: contains input images, which drawn ones could overwrite; choose another folder with --out")
