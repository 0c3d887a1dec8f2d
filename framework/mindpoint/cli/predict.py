"""mindpoint predict"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Iterable, List

HELP = "find objects and keypoints in images, draw and save them"

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a checkpoint, or a run folder (its best.ckpt, else last.ckpt)")
    parser.add_argument("inputs", metavar="INPUT", nargs="+", help="images, or folders of images")
    parser.add_argument("--out", metavar="DIR", required=True, help="where the drawn images and predictions.json go")
    parser.add_argument("--threshold", type=float, default=0.3, help="smallest score of an object to draw and report (default: 0.3)")
    parser.add_argument("--config", metavar="CONFIG", help="use this configuration, not the one that the checkpoint carries")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="change a value; +KEY=VALUE adds one")


def run(args: argparse.Namespace) -> int:
    from mindpoint.engine.files import make_folder, write_text
    from mindpoint.engine.images import read_image, write_image
    from mindpoint.engine.model import open_model
    from mindpoint.errors import DataError, OutputError
    from mindpoint.runtime import logs
    from mindpoint.runtime.progress import track
    from mindpoint.visual.draw import draw

    logs.setup()
    paths = image_paths(args.inputs)
    folder = make_folder(args.out)
    if folder.resolve() in {path.resolve().parent for path in paths}:
        raise OutputError(f"{folder}: holds images to predict on, which the drawn ones could overwrite; choose another folder with --out")
    model = open_model(args.model, args.config, args.set)
    keypoints, classes = model.config.keypoints, model.config.classes
    names = drawn_names(paths)
    records, broken = [], 0
    for path in track(paths, len(paths), "predicting"):
        try:
            image = read_image(path)
        except DataError as error:
            print(f"mindpoint: skipped: {error}", file=sys.stderr)
            broken += 1
            continue
        found = model.detector([image])[0]
        found = found.select(found.scores >= args.threshold)
        write_image(folder / names[path], draw(image, found, keypoints, score_threshold=args.threshold))
        records.append({"image": str(path), "objects": found.to_records(classes, keypoints.names)})
    write_text(folder / "predictions.json", json.dumps(records, indent=1) + "\n")
    count = sum(len(record["objects"]) for record in records)
    print(f"{count} objects in {len(records)} images; pictures and predictions.json are in {folder}")
    return 2 if broken else 0


def image_paths(inputs: Iterable[str]) -> List[Path]:
    """The files themselves, and for a folder the images directly in it, sorted.

    Raises:
        DataError: a path that does not exist, a folder without images.
    """
    from mindpoint.errors import DataError

    paths: List[Path] = []
    for name in inputs:
        path = Path(name)
        if path.is_dir():
            found = sorted(child for child in path.iterdir() if child.suffix.lower() in ENDINGS)
            if not found:
                raise DataError(f"{path}: no image in this folder (known endings: {' '.join(ENDINGS)})")
            paths += found
        elif path.exists():
            paths.append(path)
        else:
            raise DataError(f"{path}: no such file or folder")
    return list(dict.fromkeys(paths))


def drawn_names(paths: List[Path]) -> dict:
    """A file name for each drawn image, all different: images of one name from several folders get a number."""
    names, taken = {}, set()
    for path in paths:
        name, number = f"{path.stem}.jpg", 1
        while name in taken:
            number += 1
            name = f"{path.stem}-{number}.jpg"
        taken.add(name)
        names[path] = name
    return names
