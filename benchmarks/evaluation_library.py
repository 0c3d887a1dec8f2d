"""Compare the CPU time and the precision values of COCO's evaluation by faster-coco-eval and by pycocotools on random people.

python benchmarks/evaluation_library.py --images 5000
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import time

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools.coco import COCO as ReferenceCOCO
from pycocotools.cocoeval import COCOeval

JOINTS = 17


def people(images: int, detections: int) -> tuple:
    """Return a COCO dictionary with up to four people per image, and a list of ``detections`` results per image around them."""
    rng = np.random.default_rng(0)
    annotations, results = [], []
    for image in range(1, images + 1):
        here = []
        for _ in range(rng.integers(1, 5)):
            left, top, width, height = *rng.uniform(0, 400, 2), *rng.uniform(20, 200, 2)
            points = np.c_[rng.uniform(left, left + width, JOINTS), rng.uniform(top, top + height, JOINTS), rng.integers(0, 3, JOINTS)]
            here.append({"id": len(annotations) + len(here) + 1, "image_id": image, "category_id": 1, "bbox": [left, top, width, height]})
            here[-1].update(area=width * height / 2, iscrowd=int(rng.random() < 0.05), num_keypoints=int((points[:, 2] > 0).sum()))
            here[-1]["keypoints"] = points.ravel().tolist()
        annotations += here
        for _ in range(detections):
            person = here[rng.integers(len(here))]
            points = np.array(person["keypoints"]).reshape(-1, 3)
            points[:, :2] += rng.normal(0, rng.uniform(1, 60), (JOINTS, 2))
            box = (np.array(person["bbox"]) + rng.normal(0, 10, 4)).clip(1).tolist()
            results.append({"image_id": image, "category_id": 1, "bbox": box, "score": rng.random(), "keypoints": points.ravel().tolist()})
    listed = [{"id": image, "width": 640, "height": 640} for image in range(1, images + 1)]
    return {"images": listed, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}, results


def run(index: type, evaluation: type, truth: dict, results: list, kind: str) -> tuple:
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = index()
        annotated.dataset = copy.deepcopy(truth)
        annotated.createIndex()
        results = copy.deepcopy(results)
        start = time.process_time()
        one = evaluation(annotated, annotated.loadRes(results), kind)
        one.evaluate()
        one.accumulate()
        return np.asarray(one.eval["precision"]), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--detections", type=int, default=50, help="number of detections per image (default: 50)")
    args = parser.parse_args()
    truth, results = people(args.images, args.detections)
    for kind in ("keypoints", "bbox"):
        reference, slow = run(ReferenceCOCO, COCOeval, truth, results, kind)
        precision, fast = run(COCO, COCOeval_faster, truth, results, kind)
        difference = np.abs(precision.reshape(reference.shape) - reference).max()
        speed = f"pycocotools {slow:6.2f} s, faster-coco-eval {fast:6.2f} s ({slow / fast:.1f} times as fast)"
        print(f"{kind:10} {speed}; difference {difference:.1e}")


if __name__ == "__main__":
    main()
