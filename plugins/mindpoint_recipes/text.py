"""Write the text of the configuration file, with a comment for each choice."""

from __future__ import annotations

import json
import re
from typing import List, Mapping, Sequence, Tuple

from mindpoint_coco.importers.class_joints import Pairs, shared_joints
from mindpoint_coco.importers.form import Kind

from mindpoint_recipes.network import NetworkPlan
from mindpoint_recipes.plan import Plan

_TARGETS = {"pose": "MultiPoseTargets, rotated_boxes: ellipse, unlabelled: ignore", "detection": "DetectionTargets"}

_SCALES = (0.8, 0.87, 0.93, 1.0, 1.08, 1.16, 1.25)  # factors of the objects' size in training windows

Split = Tuple[str, str]
"""Annotation file, folder of images."""


def configuration(
    command: str,
    classes: Sequence[str],
    sets: Sequence[Kind],
    train: Split,
    val: Split,
    categories: Mapping[str, str],
    plan: Plan,
    network: NetworkPlan,
    steps: int,
    evaluate_every: int,
) -> str:
    """Return the YAML text.

    Args:
        command: the command line, for the first comment.
        sets: the joints, see :func:`~mindpoint_coco.importers.class_joints.joint_sets_of`.
        categories: class by the name of its category in the files.
        steps: number of steps of the training.
        evaluate_every: epochs between two evaluations.
    """
    task = "pose" if sets else "detection"
    by_class = bool(sets and sets[0].name)
    blocks = [
        [_comment(f"Written by: {command}"), *(_comment(f"- {reason}") for reason in (*plan.reasons, network.reason))],
        [
            "_base_:",
            f"  - _base_/model/{'multi_pose' if sets else 'detection'}.yaml",
            "  - _base_/data/input_coco.yaml",
            "  - _base_/runtime/default.yaml",
        ],
        [f"classes: {_flow(classes)}"],
        ["keypoints:", *(_by_class(sets, plan.pairs) if by_class else _joints(sets[0], plan.pairs[0]))] if sets else [],
        ["input:", f"  size: {list(plan.input_size)}  # height, width"],
        _model(task, network),
        _data(task, train, val, categories, plan, network),
        _training(network, steps),
        [f"test: {{flip: {'true' if plan.flip else 'false'}{', metric: {per_class: true}' if by_class else ''}}}"],
        [
            "hooks:",
            "  console: {every: 50}",
            *(f"  {name}: {{every: {evaluate_every}}}  # epochs" for name in ("checkpoint", "evaluation")),
        ],
    ]
    return "\n".join(line for block in blocks for line in block) + "\n"


def _model(task: str, network: NetworkPlan) -> List[str]:
    return [
        "model:",
        f"  backbone: {_flow(network.backbone)}",
        *([f"  neck: {_flow(network.neck)}"] if network.neck else []),
        "  heads:",
        f"    {task}: {{head_conv: {network.head_conv}}}",
        *(["  decoder: {joint_choice: likely}  # by score and distance; the official rule is nearest"] if task == "pose" else []),
    ]


def _data(task: str, train: Split, val: Split, categories: Mapping[str, str], plan: Plan, network: NetworkPlan) -> List[str]:
    return [
        "data:",
        "  train:",
        *([f"    size: {list(plan.window)}  # windows around the objects, at the scale of the whole input"] if plan.window else []),
        *_dataset(train, categories),
        "    transforms:",
        f"      view: {{type: RandomView, {_windows(plan)}, rotation: {plan.rotation:g}, rotation_probability: "
        f"{1 if plan.rotation else 0}, flip: {plan.flip:g}}}",
        "      color: {type: ColorAugment}",
        f"    targets: {{type: {_TARGETS[task]}, stride: {network.stride}}}",
        f"    batch_size: {plan.batch_size}",
        "  val:",
        *_dataset(val, categories),
    ]


def _training(network: NetworkPlan, steps: int) -> List[str]:
    return [
        f"optimizer: {{type: Adam, lr: {network.lr:g}}}",
        "schedule: {type: Cosine, warmup_steps: 30}",
        "train:",
        f"  steps: {steps}  # more steps give a better network; the learning rate decays to zero over them",
        f"  ema: {_ema(steps)}  # averaged weights are evaluated and saved",
        *_start(network),
    ]


def _windows(plan: Plan) -> str:
    if plan.window is None:
        return "mode: shift, scale: 0.25"
    share = plan.window[1] / plan.input_size[1]
    return f"mode: object, crop_scales: {[round(share * factor, 3) for factor in _SCALES]}, shift: 0.2"


def _by_class(sets: Sequence[Kind], pairs: Sequence[Pairs]) -> List[str]:
    lines = ["  classes:"]
    for kind, some in zip(sets, pairs):
        lines += [f"    {_flow(kind.name)}:", *(f"    {line}" for line in _joints(kind, some))]
    return [*lines, f"  shared: {_flow(shared_joints(sets, pairs))}  # the same joint in all classes that have it; []: separate joints"]


def _joints(kind: Kind, pairs: Pairs) -> List[str]:
    lines = [[kind.joints[first], kind.joints[second]] for first, second in kind.skeleton]
    return [
        f"  names: {_flow(kind.joints)}",
        f"  skeleton: {_flow(lines)}  # lines between joints in drawn results",
        f"  flip_pairs: {_flow(pairs)}  # swapped in mirrored images",
        f"  sigmas: {_flow(kind.sigmas)}  # tolerances of the AP, one per joint; null: 0.05 for each",
    ]


def _start(network: NetworkPlan) -> List[str]:
    if network.weights is None:
        return []
    lines = [f"  weights: {_flow(network.weights)}", f"  weights_match: {network.weights_match}"]
    return lines + ([f"  freeze: {_flow(network.freeze)}"] if network.freeze else [])


def _dataset(split: Split, categories: Mapping[str, str]) -> List[str]:
    annotations, images = split
    lines = ["    dataset:", "      type: CocoDataset", f"      annotations: {_flow(annotations)}", f"      images: {_flow(images)}"]
    several = any(name != owner for name, owner in categories.items())
    return lines + ([f"      categories: {_flow(categories)}  # class of each; files differ in its joints"] if several else [])


def _comment(text: str) -> str:
    """Return a comment that stays on one line whatever the text contains, since names may come from untrusted files."""
    return "# " + "".join(character if character.isprintable() else " " for character in text)


def _flow(value: object) -> str:
    """Return a text or list in YAML's flow style: JSON, except for characters that YAML treats as line breaks."""
    written = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[^\x20-\x7e]", lambda match: match[0] if match[0].isprintable() else json.dumps(match[0])[1:-1], written)


def _ema(steps: int) -> float:
    """Return the decay that averages over a twentieth of the training, but at least 5 and at most 1,000 steps."""
    return round(1 - 1 / min(1000, max(5, steps / 20)), 4)
