"""The configuration file, with a comment where a choice was made."""

from __future__ import annotations

import json
import re
from typing import List, Optional, Sequence, Tuple

from mindpoint_recipes.plan import Plan

_TARGETS = {"pose": "MultiPoseTargets, rotated_boxes: rotate, unlabelled: ignore", "detection": "DetectionTargets"}

Split = Tuple[str, str]
"""Annotation file, folder of images."""


def configuration(
    command: str,
    classes: Sequence[str],
    joints: Sequence[str],
    skeleton: Sequence[Tuple[int, int]],
    sigmas: Optional[Sequence[float]],
    train: Split,
    val: Split,
    plan: Plan,
    steps: int,
    evaluate_every: int,
    weights: Optional[str],
) -> str:
    """Return the YAML text.

    Args:
        command: that wrote it, for the first line.
        skeleton: pairs of 0-based indices.
        steps: of the training.
        evaluate_every: epochs between two evaluations.
        weights: file to start from.
    """
    task = "pose" if joints else "detection"
    blocks = [
        [_comment(f"Written by: {command}"), *(_comment(f"- {reason}") for reason in plan.reasons)],
        [
            "_base_:",
            f"  - _base_/model/{'multi_pose' if joints else 'detection'}.yaml",
            "  - _base_/model/dla34_dcn.yaml",
            "  - _base_/data/input_coco.yaml",
            "  - _base_/runtime/default.yaml",
        ],
        [f"classes: {_flow(classes)}"],
        _keypoints(joints, skeleton, sigmas, plan) if joints else [],
        ["input:", f"  size: {list(plan.input_size)}  # height, width"],
        [
            "model:  # a DLA-34 of an eighth of the width: learns within minutes on a CPU",
            "  backbone: {channels: [8, 16, 24, 48, 64, 96]}",
            "  heads:",
            f"    {task}: {{head_conv: 32}}",
        ],
        [
            "data:",
            "  train:",
            *_dataset(train),
            "    transforms:",
            f"      view: {{type: RandomView, mode: shift, scale: 0.25, rotation: {plan.rotation:g}, rotation_probability: "
            f"{1 if plan.rotation else 0}, flip: {plan.flip:g}}}",
            "      color: {type: ColorAugment}",
            f"    targets: {{type: {_TARGETS[task]}}}",
            f"    batch_size: {plan.batch_size}",
            "  val:",
            *_dataset(val),
        ],
        [
            "optimizer: {type: Adam, lr: 1e-3}",
            "schedule: {type: Cosine, warmup_steps: 30}",
            "train:",
            f"  steps: {steps}  # more steps give a better network; the learning rate falls to zero over them",
            f"  ema: {_ema(steps)}  # averaged weights are evaluated and saved",
            *([f"  weights: {_flow(weights)}"] if weights else []),
        ],
        [f"test: {{flip: {'true' if plan.flip else 'false'}}}"],
        ["hooks:", "  console: {every: 50}", f"  evaluation: {{every: {evaluate_every}}}  # epochs"],
    ]
    return "\n".join(line for block in blocks for line in block) + "\n"


def _keypoints(joints: Sequence[str], skeleton: Sequence[Tuple[int, int]], sigmas: Optional[Sequence[float]], plan: Plan) -> List[str]:
    lines = [[joints[first], joints[second]] for first, second in skeleton]
    return [
        "keypoints:",
        f"  names: {_flow(joints)}",
        f"  skeleton: {_flow(lines)}  # lines of the drawn results",
        f"  flip_pairs: {_flow(plan.pairs)}  # change places in a mirrored image",
        f"  sigmas: {_flow(sigmas)}  # tolerances of the AP, one per joint; null: 0.05 for each",
    ]


def _dataset(split: Split) -> List[str]:
    annotations, images = split
    return ["    dataset:", "      type: CocoDataset", f"      annotations: {_flow(annotations)}", f"      images: {_flow(images)}"]


def _comment(text: str) -> str:
    """Return a comment of one line, whatever the text holds: names come from annotation files of others."""
    return "# " + "".join(character if character.isprintable() else " " for character in text)


def _flow(value: object) -> str:
    """Return a text or list in YAML's flow style; JSON is YAML, but for characters that YAML takes for line breaks."""
    written = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^\x20-\x7e]", lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], written)


def _ema(steps: int) -> float:
    """Return a decay that averages over a twentieth of the training, 5 to 1,000 steps."""
    return round(1 - 1 / min(1000, max(5, steps / 20)), 4)
