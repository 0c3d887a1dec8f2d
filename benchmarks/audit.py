"""Count planted annotation errors among the first suspects of ``mindpoint data audit``.

    python benchmarks/audit.py FOLDER [--draw people|things] [--errors N] [--first N] [--set KEY=VALUE ...]

Writes the drawn training set of a quick start as COCO files to FOLDER, new or empty, and plants errors of several kinds in its
annotations, one per image. Trains the quick start on these annotations, audits the training images with the trained network, and counts
the errors found. Files that are already in FOLDER are used again.

Errors planted in people:

- left and right exchanged in the whole person, or in one pair of joints, if this lowers the keypoint similarity of both below 0.5
- a joint moved by 0.2 to 0.5 of the person's size (root of the box's area)
- a person removed, or copied to an empty place
- a box changed to an overlap (IoU) of 0.4 to 0.7 with the old one

Errors planted in things: another class; a thing removed or copied, or a box changed, in the same way.

An error counts as found when a suspect names its annotation. A removed annotation counts as found when a suspect without an annotation
proposes a box with an IoU of at least 0.5.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence

import numpy as np
from mindpoint.config import load_config
from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.matching import overlaps
from mindpoint_coco.similarity import joint_similarity

QUICK_STARTS = {"people": "quickstart", "things": "quickstart_detection"}
SHARES = {  # percent of the errors, by kind
    "people": {"sides": 20, "one pair": 15, "joint": 25, "missing": 20, "box": 10, "extra": 10},
    "things": {"class": 30, "missing": 25, "box": 25, "extra": 20},
}


class Planter:
    """Plants errors in the annotations of a COCO dictionary, in place."""

    def __init__(self, content: dict, keypoints: Optional[Keypoints], rng: np.random.Generator) -> None:
        self.content, self.keypoints, self.rng = content, keypoints, rng
        self.sizes = {record["id"]: np.array([record["width"], record["height"]], float) for record in content["images"]}
        self.by_image: Dict[int, List[dict]] = {record["id"]: [] for record in content["images"]}
        for record in content["annotations"]:
            self.by_image[record["image_id"]].append(record)

    def plant(self, shares: Dict[str, int]) -> List[dict]:
        """Plant errors and return a record of each: ``kind``, ``image_id``, ``annotation_id`` (-1 if removed), the correct ``bbox``.

        Args:
            shares: number of errors by kind.
        """
        ids = [image_id for image_id, own in self.by_image.items() if own]
        waiting = iter(self.rng.permutation(ids).tolist())
        planted = []
        for kind in [kind for kind, count in shares.items() for _ in range(count)]:
            done = None
            while done is None:
                record = self.rng.choice(self.by_image[next(waiting)])
                before = copy.deepcopy(record)
                done = self._change(kind)(record)
            planted.append({"kind": kind, "image_id": before["image_id"], "annotation_id": done, "bbox": before["bbox"]})
        return planted

    def _change(self, kind: str) -> Callable[[dict], Optional[int]]:
        """Return the function that makes an error of this kind. It returns the annotation's id, or None where the error is impossible."""
        return getattr(self, "_" + kind.replace(" ", "_"))

    def _sides(self, record: dict) -> Optional[int]:
        points = np.reshape(record["keypoints"], (-1, 3))
        if (points[:, 2] > 0).sum() < len(points) // 2:
            return None
        record["keypoints"] = points[self.keypoints.flip_index].ravel().tolist()
        return record["id"]

    def _one_pair(self, record: dict) -> Optional[int]:
        points = np.reshape(record["keypoints"], (-1, 3))
        fits = []
        for pair in map(list, self.keypoints.flip_pairs):
            other = pair[::-1]
            similar = joint_similarity(points[pair, :2], points[other, :2], np.array(record["area"]), self.keypoints.sigmas[pair])
            if (points[pair, 2] > 0).all() and (similar < 0.5).all():
                fits.append(pair)
        if not fits:
            return None
        pair = fits[self.rng.integers(len(fits))]
        points[pair] = points[pair[::-1]]
        record["keypoints"] = points.ravel().tolist()
        return record["id"]

    def _joint(self, record: dict) -> Optional[int]:
        points = np.reshape(record["keypoints"], (-1, 3))
        joint = self.rng.choice(np.flatnonzero(points[:, 2] > 0))
        angle, far = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(0.2, 0.5) * np.sqrt(record["bbox"][2] * record["bbox"][3])
        place = points[joint, :2] + far * np.array([np.cos(angle), np.sin(angle)])
        if not ((place >= 0) & (place <= self.sizes[record["image_id"]])).all():
            return None
        points[joint, :2] = place.round(2)
        record["keypoints"] = points.ravel().tolist()
        return record["id"]

    def _missing(self, record: dict) -> Optional[int]:
        self.content["annotations"] = [other for other in self.content["annotations"] if other is not record]
        return -1

    def _box(self, record: dict) -> Optional[int]:
        left, top, width, height = record["bbox"]
        for _ in range(100):
            factor, shift = np.exp(self.rng.uniform(-0.5, 0.5, 2)), self.rng.uniform(-0.4, 0.4, 2)
            extent = np.array([width, height]) * factor
            low = np.array([left + width / 2, top + height / 2]) + shift * [width, height] - extent / 2
            low, high = np.clip([low, low + extent], 0, self.sizes[record["image_id"]])
            box = [*low, *(high - low)]
            if 0.4 <= _overlap(box, record["bbox"]) <= 0.7:
                record["bbox"] = np.round(box, 2).tolist()
                return record["id"]
        return None

    def _extra(self, record: dict) -> Optional[int]:
        width, height = self.sizes[record["image_id"]]
        low = np.array(record["bbox"][:2])
        for _ in range(100):
            place = self.rng.uniform([0, 0], np.maximum([width, height] - np.array(record["bbox"][2:]), 0.01))
            box = [*place, *record["bbox"][2:]]
            if all(_overlap(box, other["bbox"]) < 0.15 for other in self.by_image[record["image_id"]]):
                more = {**copy.deepcopy(record), "id": 1 + max(other["id"] for other in self.content["annotations"])}
                more["bbox"] = np.round(box, 2).tolist()
                if self.keypoints is not None:
                    points = np.reshape(more["keypoints"], (-1, 3)).astype(float)
                    points[points[:, 2] > 0, :2] += place - low
                    more["keypoints"] = points.round(2).ravel().tolist()
                self.content["annotations"].append(more)
                return more["id"]
        return None

    def _class(self, record: dict) -> Optional[int]:
        others = [category["id"] for category in self.content["categories"] if category["id"] != record["category_id"]]
        record["category_id"] = int(self.rng.choice(others))
        return record["id"]


def _overlap(first: Sequence[float], second: Sequence[float]) -> float:
    return float(overlaps([{"bbox": first}], [{"bbox": second}], np.zeros(1, bool))[0, 0])


def is_found(error: dict, suspect: dict) -> bool:
    """Return whether a suspect of the audit names the error."""
    if error["annotation_id"] >= 0:
        return suspect["annotation_id"] == error["annotation_id"]
    same = suspect["image_id"] == error["image_id"] and suspect["annotation_id"] is None
    return same and _overlap(suspect["becomes"]["bbox"], error["bbox"]) >= 0.5


def _mindpoint(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "mindpoint", *map(str, arguments)], check=True)


def make(folder: Path, draw: str, count: int, seed: int) -> None:
    """Write the drawn data to ``set``, its annotations with errors to ``planted.json``, and the errors to ``errors.json``."""
    config = QUICK_STARTS[draw]
    _mindpoint("data", "export", "coco", config, "--split", "train", "--out", folder / "set")
    content = json.loads((folder / "set/annotations/train.json").read_text())
    keypoints = load_config(config, (), ()).vocabulary.get("keypoints")
    shares = {kind: round(share * count / 100) for kind, share in SHARES[draw].items()}
    planted = Planter(content, keypoints, np.random.default_rng(seed)).plant(shares)
    (folder / "planted.json").write_text(json.dumps(content))
    (folder / "errors.json").write_text(json.dumps(planted, indent=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--draw", choices=list(QUICK_STARTS), default="people")
    parser.add_argument("--errors", metavar="N", type=int, default=100)
    parser.add_argument("--first", metavar="N", type=int, default=120, help="number of suspects to inspect, worst first (default: 120)")
    parser.add_argument("--seed", type=int, default=0, help="random seed of the errors (default: 0)")
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="change a value of the quick start for the training"
    )
    options = parser.parse_args()
    folder, config = options.folder, QUICK_STARTS[options.draw]
    if not (folder / "errors.json").exists():
        make(folder, options.draw, options.errors, options.seed)
    images, run = folder / "set/images/train", folder / "run"
    if not run.exists():
        data = f"data.train.dataset={{_replace_: true, type: CocoDataset, annotations: {folder / 'planted.json'}, images: {images}}}"
        _mindpoint("train", config, *(part for change in (data, *options.set) for part in ("--set", change)), "--out", run)
    model = folder / "model.onnx"  # ONNX Runtime is several times faster than MindSpore
    if not model.exists():
        _mindpoint("export", run, "--out", model)
    number = sum(1 for _ in folder.glob("audit*"))
    _mindpoint("data", "audit", model, folder / "planted.json", "--images", images, "--config", config, "--out", folder / f"audit{number}")
    suspects = json.loads((folder / f"audit{number}/suspects.json").read_text())["suspects"][: options.first]
    planted = json.loads((folder / "errors.json").read_text())
    hit = [any(is_found(error, suspect) for suspect in suspects) for error in planted]
    total, caught = Counter(error["kind"] for error in planted), Counter(error["kind"] for error, there in zip(planted, hit) if there)
    for kind, count in total.items():
        print(f"{kind:10} {caught[kind]:4} of {count}")
    print(f"{'all':10} {sum(hit):4} of {len(hit)} among the first {len(suspects)} suspects")


if __name__ == "__main__":
    main()
