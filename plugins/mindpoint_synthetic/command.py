"""write the built-in synthetic people to disk as a COCO data set"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Optional, Sequence

import cv2
from mindpoint.config import load_config
from mindpoint.errors import ConfigError
from mindpoint.runtime.progress import track
from mindpoint.storage.files import atomic_folder
from mindpoint_coco.keypoints import Keypoints

from mindpoint_synthetic.figure import ACTIONS, ARMS, FACINGS, JOINTS, SKELETON
from mindpoint_synthetic.people import SyntheticPeople


def main(argv: Sequence[str]) -> int:
    """write the built-in synthetic people to disk as a COCO data set"""
    parser = argparse.ArgumentParser(prog="mindpoint synthesize", description=__doc__)
    parser.add_argument("out", metavar="OUT", type=Path, help="folder to make; gets annotations/ and images/")
    parser.add_argument("--count", metavar="N", type=int, required=True, help="number of images")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="another seed gives other images (default: 0)")
    parser.add_argument("--size", metavar=("H", "W"), type=int, nargs=2, default=(256, 256), help="pixels (default: 256 256)")
    parser.add_argument("--people", metavar=("MIN", "MAX"), type=int, nargs=2, default=(1, 4), help="people an image (default: 1 4)")
    kinds = {"actions": ACTIONS, "facing": FACINGS, "arms": ARMS}
    for name, known in kinds.items():
        parser.add_argument(f"--{name}", metavar="WHAT", nargs="+", choices=list(known), help=f"some of {', '.join(known)} (default: all)")
    parser.add_argument(
        "--height", metavar=("MIN", "MAX"), type=float, nargs=2, help="of people, relative to the image's (default: 0.35 0.85)"
    )
    parser.add_argument("--name", default="synthetic", help="for annotations/person_keypoints_NAME.json (default: synthetic)")
    parser.add_argument("--quality", metavar="Q", type=int, help="write JPEG of this quality, 1 to 100, instead of PNG")
    parser.add_argument("--config", metavar="CONFIG", help="take keypoints and classes from this configuration (default: COCO's)")
    args = parser.parse_args(argv)
    if args.quality is not None and not 1 <= args.quality <= 100:
        raise ConfigError(f"--quality: {args.quality} is not between 1 and 100")
    if Path(args.name).name != args.name:
        raise ConfigError(f"--name: '{args.name}' is not a part of a file name")
    keypoints, classes = Keypoints(JOINTS, SKELETON), ["person"]
    if args.config is not None:
        config = load_config(args.config, parts=())
        keypoints, classes = config.vocabulary.get("keypoints"), config.classes
    look = {name: getattr(args, name) for name in (*kinds, "height") if getattr(args, name) is not None}
    dataset = SyntheticPeople(args.count, args.seed, classes, keypoints, args.size, args.people, **look)
    with atomic_folder(args.out) as folder:
        _write(dataset, folder, args.name, args.quality)
    print(f"{args.out}: {len(dataset)} images, annotations/person_keypoints_{args.name}.json")
    return 0


def _write(dataset: SyntheticPeople, folder: Path, name: str, quality: Optional[int]) -> None:
    suffix, options = (".png", []) if quality is None else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    (folder / "images").mkdir()
    (folder / "annotations").mkdir()
    content = dataset.ground_truth()
    records = [{**record, "file_name": f"{record['id']:012d}{suffix}"} for record in content["images"]]
    for index, record in track(enumerate(records), len(records), "drawing"):
        pixels = cv2.imencode(suffix, dataset[index].image, options)[1]
        (folder / "images" / record["file_name"]).write_bytes(pixels)
    info = {"description": f"SyntheticPeople of mindpoint, seed {dataset.seed}"}
    text = json.dumps({"info": info, **content, "images": records})
    (folder / "annotations" / f"person_keypoints_{name}.json").write_text(text, encoding="utf-8")
