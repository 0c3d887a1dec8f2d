"""write drawn people or things to disk as a COCO data set"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Optional, Sequence

from mindpoint.cli.parser import Parser
from mindpoint.errors import ConfigError

from mindpoint_synthetic.figure import ACTIONS, ARMS, FACINGS, JOINTS, SKELETON

if TYPE_CHECKING:
    from mindpoint_synthetic.scene import DrawnDataset

_FILES = {"people": "person_keypoints", "things": "instances"}
_LOOKS = {"people": ("people", "height", "actions", "facing", "arms"), "things": ("things", "length", "crowding")}


def main(argv: Sequence[str]) -> int:
    """write drawn people or things to disk as a COCO data set"""
    parser = Parser(
        prog="mindpoint synthesize",
        description=__doc__,
        examples=["mindpoint synthesize drawn --count 200", "mindpoint synthesize things --draw things --count 200"],
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="new folder, for annotations/ and images/")
    parser.add_argument("--count", metavar="N", type=int, required=True, help="number of images")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="random seed of the images (default: 0)")
    parser.add_argument(
        "--size", metavar=("H", "W"), type=int, nargs=2, default=(256, 256), help="size of the images in pixels (default: 256 256)"
    )
    parser.add_argument(
        "--draw", choices=list(_FILES), default="people", help="what to draw: people, or things of ten classes (default: people)"
    )
    parser.add_argument("--people", metavar=("MIN", "MAX"), type=int, nargs=2, help="people per image (default: 1 4)")
    kinds = {"actions": ACTIONS, "facing": FACINGS, "arms": ARMS}
    for name, known in kinds.items():
        usual = "all but tumble" if name == "actions" else "all"
        text = f"some of {', '.join(known)} (default: {usual})"
        parser.add_argument(f"--{name}", metavar="WHAT", nargs="+", choices=list(known), help=text)
    parser.add_argument(
        "--height", metavar=("MIN", "MAX"), type=float, nargs=2, help="height of people relative to the image's height (default: 0.35 0.85)"
    )
    parser.add_argument("--things", metavar=("MIN", "MAX"), type=int, nargs=2, help="things per image (default: 2 6)")
    middle = "length of things of medium size, relative to the image's shorter side (default: 0.15 0.55)"
    parser.add_argument("--length", metavar=("MIN", "MAX"), type=float, nargs=2, help=middle)
    parser.add_argument("--crowding", metavar="SHARE", type=float, help="largest covered share of a thing's box (default: 0.4)")
    parser.add_argument(
        "--name",
        default="synthetic",
        help="NAME in annotations/person_keypoints_NAME.json (things: instances_NAME.json; default: synthetic)",
    )
    parser.add_argument("--quality", metavar="Q", type=int, help="write JPEG of this quality, 1 to 100, instead of PNG")
    parser.add_argument("--config", metavar="CONFIG", help="take keypoints and classes from this configuration (default: COCO's)")
    args = parser.parse_args(argv)
    if args.quality is not None and not 1 <= args.quality <= 100:
        raise ConfigError(f"--quality is {args.quality}; it must be in 1..100")
    if Path(args.name).name != args.name:
        raise ConfigError(f"--name: '{args.name}' cannot be part of a file name")
    from mindpoint.storage.files import atomic_folder

    dataset, path = _dataset(args), f"annotations/{_FILES[args.draw]}_{args.name}.json"
    with atomic_folder(args.out) as folder:
        _write(dataset, folder, path, args.quality)
    print(f"{args.out}: {len(dataset)} images, {path}")
    return 0


def _dataset(args: argparse.Namespace) -> DrawnDataset:
    """Return the data set that the arguments describe."""
    from mindpoint.config import load_config
    from mindpoint_coco.keypoints import Keypoints

    from mindpoint_synthetic.objects import SyntheticObjects
    from mindpoint_synthetic.people import SyntheticPeople
    from mindpoint_synthetic.things import THINGS

    for what, names in _LOOKS.items():
        foreign = [name for name in names if what != args.draw and getattr(args, name) is not None]
        if foreign:
            raise ConfigError(f"--{foreign[0]} needs --draw {what}; add --draw {what}, or leave --{foreign[0]} out")
    look = {name: getattr(args, name) for name in _LOOKS[args.draw] if getattr(args, name) is not None}
    config = load_config(args.config, parts=()) if args.config is not None else None
    if args.draw == "things":
        return SyntheticObjects(args.count, args.seed, config.classes if config else list(THINGS), args.size, **look)
    keypoints = config.vocabulary.get("keypoints") if config else Keypoints(JOINTS, SKELETON)
    return SyntheticPeople(args.count, args.seed, config.classes if config else ["person"], keypoints, args.size, **look)


def _write(dataset: DrawnDataset, folder: Path, path: str, quality: Optional[int]) -> None:
    import cv2
    from mindpoint.runtime.progress import track

    suffix, options = (".png", []) if quality is None else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    (folder / "images").mkdir()
    (folder / "annotations").mkdir()
    content = dataset.ground_truth()
    records = [{**record, "file_name": f"{record['id']:012d}{suffix}"} for record in content["images"]]
    for index, record in track(enumerate(records), len(records), "drawing"):
        pixels = cv2.imencode(suffix, dataset[index].image, options)[1]
        (folder / "images" / record["file_name"]).write_bytes(pixels)
    info = {"description": f"{type(dataset).__name__} of mindpoint, seed {dataset.seed}"}
    text = json.dumps({"info": info, **content, "images": records})
    (folder / path).write_text(text, encoding="utf-8")
