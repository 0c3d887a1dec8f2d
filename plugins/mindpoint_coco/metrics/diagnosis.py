"""Explanations of statistics that are zero or undefined."""

from __future__ import annotations

from typing import Dict, Iterable, List, Sequence

import numpy as np

from mindpoint_coco.keypoints import Keypoints
from mindpoint_coco.metrics.matching import Group

_SIGMAS = (0.01, 0.3)  # COCO's range from 0.025 to 0.107
_DEFAULT = 0.05
_WEAK = 0.01
_FOUND = 0.5  # minimum similarity or overlap of a match in COCO's statistics


def labelled(annotation: dict) -> int:
    """Return the number of labelled joints of an annotation."""
    return sum(v > 0 for v in annotation.get("keypoints", [])[2::3])


def of_truth(annotations: Sequence[dict], listed: int, images: int, classes: Sequence[str], keypoints: bool) -> List[str]:
    """Return notes on annotations that make statistics undefined or misleading.

    Args:
        annotations: the annotations that count.
        listed: number of all annotations.
        images: number of evaluated images.
        keypoints: whether keypoint statistics are wanted.
    """
    if not listed:
        return ["There are no annotations, so everything is undefined."]
    if not annotations:
        return [
            f"None of the {listed} annotations belongs to the {images} evaluated images and the classes "
            f"{', '.join(classes)}, so everything is undefined. Compare their image_id and category_id with images and categories."
        ]
    notes = []
    counted = [a for a in annotations if not a.get("iscrowd") and (not keypoints or labelled(a) and a.get("num_keypoints", 1))]
    miscounted = [a for a in annotations if keypoints and not a.get("iscrowd") and labelled(a) and a.get("num_keypoints") == 0]
    if miscounted:
        notes.append(
            f"{len(miscounted)} of {len(annotations)} annotations have labelled keypoints, but 'num_keypoints' 0, so COCO's rules ignore "
            f"them{'' if counted else ', and keypoint statistics are undefined'}. Correct the numbers with 'mindpoint data check --fix'."
        )
    elif keypoints and not counted:
        notes.append(
            f"None of the {len(annotations)} annotations except crowds has a labelled keypoint (v > 0), so "
            "keypoint statistics are undefined."
        )
    unsized = sum("area" not in a for a in annotations)
    if unsized:
        notes.append(
            f"{unsized} of {len(annotations)} annotations have no 'area', so that of the box is used, "
            "which makes keypoint tolerances larger than COCO's."
        )
    areas = np.array([a.get("area", a["bbox"][2] * a["bbox"][3]) for a in counted])
    if counted and areas.max() <= 1:
        notes.append(
            f"No annotated area is above 1 square pixel (the largest is {areas.max():g}): "
            "areas must be in pixels, not in fractions of the image."
        )
    elif counted:
        sizes = (("small", 0, 32**2), ("medium", 32**2, 96**2), ("large", 96**2, 1e10))[int(keypoints) :]
        empty = [name for name, low, high in sizes if not ((areas >= low) & (areas <= high)).any()]
        notes += [f"No annotated object is {name}, so AP and AR of that size are undefined." for name in empty]
    return notes


def of_results(results: Sequence[dict], image_ids: Sequence[int], category_ids: Sequence[int]) -> List[str]:
    """Return notes on results whose images or classes do not count."""
    if not results:
        return ["There are no detections, so everything is zero or undefined. Train longer, or check that the weights were loaded."]
    wanted, classes = set(image_ids), set(category_ids)
    images = [r for r in results if r["image_id"] in wanted]
    if not images:
        return [
            f"No result belongs to an evaluated image: results have image_id {results[0]['image_id']}, ..., "
            f"images {min(image_ids, default='-')}, ..."
        ]
    if not any(r["category_id"] in classes for r in images):
        return [
            f"No result has a category of an evaluated class: results have category_id {results[0]['category_id']}, ..., "
            f"classes {sorted(category_ids)}."
        ]
    notes = []
    if len(images) < len(results):
        notes.append(f"{len(results) - len(images)} of {len(results)} results are ignored, since their images are not evaluated.")
    other = [r for r in images if r["category_id"] not in classes]
    if other:
        ids = sorted({r["category_id"] for r in other})
        notes.append(
            f"{len(other)} of {len(results)} results are ignored, since their categories are not in the configuration's classes: "
            f"{', '.join(map(str, ids[:5]))}{', ...' if ids[5:] else ''}."
        )
        images = [r for r in images if r["category_id"] in classes]
    if not any("bbox" in r for r in images):
        notes.append("The results have no bbox, so box statistics are undefined, and sizes of detections come from their keypoints.")
    best = max(r["score"] for r in images)
    if best < _WEAK:
        notes.append(f"No score is above {best:.2g}, so the network is unsure everywhere. Train longer, or check the weights.")
    return notes


def of_places(what: str, groups: Iterable[Group]) -> List[str]:
    """Return a note if no detection matches any object.

    Args:
        what: name of the similarity.
    """
    best = None
    for group in groups:
        similar = group.similarity[:, ~group.ignored]
        if similar.size:
            best = max(best or 0.0, float(similar.max()))
            if best >= _FOUND:
                return []
    if best is None:
        return []
    return [
        f"No detection matches an annotated object: the best {what} is {best:.2g}, but a match needs {_FOUND}. Train longer; or check "
        "that input size, channel order, mean, std and the order of classes and keypoints are those of the training."
    ]


def of_sigmas(keypoints: Keypoints, annotations: Sequence[dict]) -> List[str]:
    """Return notes on sigmas, in pixels of a person of median size."""
    areas = [a.get("area", a["bbox"][2] * a["bbox"][3]) for a in annotations if labelled(a)]
    if not areas:
        return []
    root = float(np.sqrt(np.median(areas)))
    if len(keypoints) > 1 and (keypoints.sigmas == _DEFAULT).all():
        return [
            f"keypoints.sigmas is {_DEFAULT} for each joint (default): similarity 0.5 at {_pixels(_DEFAULT, root):.1f} pixels on "
            "the median object. Set your own, for example by 'mindpoint data sigmas'; COCO's range from 0.025 for eyes to 0.107 for hips."
        ]
    odd: Dict[str, float] = {n: s for n, s in zip(keypoints.names, keypoints.sigmas) if not _SIGMAS[0] <= s <= _SIGMAS[1]}
    if not odd:
        return []
    shown = ", ".join(f"{name} {sigma:g} ({_pixels(sigma, root):.1f} pixels)" for name, sigma in list(odd.items())[:5])
    return [
        f"keypoints.sigmas has unusual values: {shown}; in brackets the error of a joint of the median object at a similarity of "
        "0.5. COCO's lie between 0.025 and 0.107."
    ]


def _pixels(sigma: float, root: float) -> float:
    """Return the distance at which a joint's similarity is 0.5, for an object with this square root of its area."""
    return 2 * sigma * root * float(np.sqrt(2 * np.log(2)))
