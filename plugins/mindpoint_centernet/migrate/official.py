"""Convert options of the official CenterNet (``opts``): the text of a command line, or the ``opt.txt`` that its trainings write."""

from __future__ import annotations

import ast
import os
import shlex
from pathlib import Path
from typing import Callable, Dict, List, Mapping

from mindpoint.errors import ConfigError

from mindpoint_centernet.migrate.draft import Draft, numbers, read_text, silent, tells, to
from mindpoint_centernet.migrate.shared import VIEW, losses, options_of, poses, positive, stride, views

_RECIPES = {  # shipped configurations by task and by the beginning of --arch
    "multi_pose": {
        "dla": "dla34_dcn_coco.yaml",
        "resdcn": "resnet18_dcn_coco.yaml",
        "res": "resnet18_dcn_coco.yaml",
        "hourglass": "dla34_dcn_coco.yaml",
    },
    "ctdet": {
        "dla": "ctdet_dla34_dcn_coco.yaml",
        "resdcn": "ctdet_resnet18_dcn_coco.yaml",
        "res": "ctdet_resnet18_dcn_coco.yaml",
        "hourglass": "ctdet_hourglass_coco.yaml",
    },
}
_SWITCHES = (
    "test resume not_cuda_benchmark hide_data_time save_all trainval flip_test nms not_prefetch_test fix_res keep_res not_rand_crop "
    "no_color_aug rect_mask mse_loss norm_wh dense_wh cat_spec_wh not_reg_offset agnostic_ex dense_hp not_hm_hp not_reg_hp_offset "
    "not_reg_bbox eval_oracle_hm eval_oracle_wh eval_oracle_offset eval_oracle_kps eval_oracle_hmhp eval_oracle_hp_offset eval_oracle_dep"
).split()
_DEFAULTS = {
    "lr": "1.25e-4", "lr_step": "90,120", "num_epochs": "140", "batch_size": "32", "num_workers": "4", "seed": "317", "arch": "dla_34",
    "val_intervals": "5",
}  # fmt: skip


def migrate(source: str, out: str) -> Draft:
    """Return the configuration for a command line; ``source`` is the command line itself or a file that contains it.

    Raises:
        DataError: the file cannot be read. ConfigError: the file does not contain a command line of the official implementation.
    """
    name, words = (source, _from_file(source)) if os.path.isfile(source) else ("the command line", _split("the command line", source))
    while words and words[0].endswith((".py", "python", "python3")):
        words = words[1:]
    if not words or words[0] not in _RECIPES:
        raise ConfigError(f"{name}: the first word must be the task, {' or '.join(_RECIPES)}, not '{words[0] if words else ''}'")
    draft = Draft(name, out)
    _Migration(draft, words[0], {**_DEFAULTS, **options_of(words[1:], name, _SWITCHES)}).run()
    return draft


def _split(name: str, text: str) -> List[str]:
    """Return the words of a command line as a shell splits it."""
    try:
        return shlex.split(text.replace("\\\n", " "), comments=True)
    except ValueError as error:
        raise ConfigError(f"{name}: cannot be split into words: {error}") from error


def _from_file(path: str) -> List[str]:
    """Return the words of the command line in a file: the list below ``Cmd:`` in an opt.txt, otherwise the whole text."""
    text = read_text(path)
    _, cmd, after = text.partition("==> Cmd:")
    if not cmd:
        return _split(path, text)
    try:
        words = ast.literal_eval(after.strip().splitlines()[0])
        return [str(word) for word in words]
    except (ValueError, SyntaxError, IndexError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path}: contains no command line: {error}") from error


class _Migration:
    def __init__(self, draft: Draft, task: str, options: Mapping[str, str]) -> None:
        self.draft, self.task, self.options = draft, task, options
        self.name = "pose" if task == "multi_pose" else "detection"

    def run(self) -> None:
        draft = self.draft
        self._network(self.options["arch"])
        draft.set("test.resolution", "keep" if "keep_res" in self.options else "fixed")
        draft.set("test.flip", "flip_test" in self.options)
        draft.set("optimizer.type", "Adam")
        draft.set("schedule.type", "MultiStep")
        draft.apply(self._handlers(), self.options, "--")

    def _network(self, arch: str) -> None:
        draft, (kind, _, depth) = self.draft, arch.partition("_")
        draft.base = _RECIPES[self.task].get(kind)
        if kind == "resdcn" and depth.isdecimal():
            draft.set("model.backbone", {"type": "ResNet", "depth": int(depth)})
            draft.set("model.neck", {"type": "Deconv", "conv": "deformable", "channels": [256, 128, 64]})
            draft.set(f"model.heads.{self.name}.head_conv", 64)
        elif kind == "res" and depth.isdecimal():
            draft.set("model.backbone", {"type": "ResNet", "depth": int(depth)})
            draft.set("model.neck", {"type": "Deconv", "conv": "plain", "channels": [256, 256, 256]})
            draft.set(f"model.heads.{self.name}.head_conv", 64)
        elif arch == "hourglass" and self.task == "ctdet":
            return
        elif arch == "hourglass":
            draft.set("model.backbone", {"type": "Hourglass104"})
            draft.set("model.neck", None)
        elif arch != "dla_34":
            raise ConfigError(f"{draft.source}: --arch {arch}: unknown network; choose dla_34, resdcn_N, res_N or hourglass")

    def _handlers(self) -> Dict[str, Callable]:
        heads = f"model.heads.{self.name}"
        on = lambda key: lambda draft, value: draft.set(key, True)  # noqa: E731
        common = {
            **dict.fromkeys(("arch", "keep_res", "fix_res", "flip_test"), silent),
            "exp_id": tells("--exp_id", "use mindpoint train FILE --out runs/{value}"),
            "test": tells("--test", "use mindpoint eval MODEL"),
            "debug": tells("--debug", "use mindpoint predict, mindpoint eval --pictures or mindpoint data browse to see pictures"),
            "demo": tells("--demo", "use mindpoint predict MODEL {value}"),
            "load_model": self._weights,
            "resume": tells("--resume", "use mindpoint train RUN --resume"),
            "dataset": tells("--dataset", "set data.train.dataset and data.val.dataset"),
            "gpus": tells("--gpus", "use mindpoint launch N train FILE to train in N processes"),
            "num_workers": to("data.train.workers", lambda value: max(1, int(value))),
            "not_cuda_benchmark": tells("--not_cuda_benchmark", "has no meaning in MindSpore"),
            "seed": to("seed", int),
            "print_iter": positive("hooks.console.every"),
            "hide_data_time": tells("--hide_data_time", "has no effect: each line shows the time for data"),
            "save_all": lambda draft, value: draft.set("hooks.checkpoint", {"every": 5, "keep": 1000}),
            "metric": tells(
                "--metric", "set hooks.checkpoint.best to the statistic that decides which checkpoint is best; by default, the AP does"
            ),
            "vis_thresh": to("hooks.pictures.threshold", float),
            "debugger_theme": tells("--debugger_theme", "has no effect: pictures have one style"),
            "head_conv": lambda draft, value: draft.set(f"{heads}.head_conv", int(value)) if int(value) >= 0 else None,
            "down_ratio": stride,
            "input_res": lambda draft, value: draft.set("input.size", [int(value)] * 2) if int(value) > 0 else None,
            "input_h": self._side(0),
            "input_w": self._side(1),
            "lr": to("optimizer.lr", float),
            "lr_step": to("schedule.milestones", numbers),
            "num_epochs": to("train.epochs", int),
            "batch_size": to("data.train.total_batch_size", int),
            "val_intervals": to("hooks.evaluation.every", int),
            "master_batch_size": tells("--master_batch_size", "has no effect: a batch is divided equally among the processes"),
            "num_iters": tells("--num_iters", "set train.max_steps; it limits the steps of the whole training, not of an epoch"),
            "trainval": tells("--trainval", "merge the annotation files of both splits, and name the merged file in data.train.dataset"),
            "bucket_path": tells("--bucket_path", "has no effect: a run has one folder"),
            "test_scales": to("test.scales", numbers),
            "nms": on("test.nms"),
            "K": to("model.decoder.top_k", int),
            "not_prefetch_test": tells("--not_prefetch_test", "has no effect: images are read when they are needed"),
            "not_rand_crop": lambda draft, value: draft.set(f"{VIEW}.mode", "shift"),
            **views(flip="flip"),
            "no_color_aug": lambda draft, value: draft.set("data.train.transforms.color", None),
            **{
                f"eval_oracle_{name}": tells(f"--eval_oracle_{name}", f"use mindpoint eval MODEL --oracle {head}")
                for name, head in _ORACLES
            },
        }
        return {**common, **(self._pose(heads) if self.task == "multi_pose" else self._boxes(heads))}

    def _pose(self, heads: str) -> Dict[str, Callable]:
        def no_joints(draft: Draft, value: str) -> None:
            draft.set(f"{heads}.hm_hp", False)
            draft.set(f"{heads}.hp_offset", False)

        return {
            "not_reg_offset": lambda draft, value: draft.set(f"{heads}.reg", False),
            **poses(),
            "not_hm_hp": no_joints,
            "not_reg_hp_offset": lambda draft, value: draft.set(f"{heads}.hp_offset", False),
            "not_reg_bbox": tells("--not_reg_bbox", "has no effect: sizes are always learnt"),
        }

    def _boxes(self, heads: str) -> Dict[str, Callable]:
        def by_class(draft: Draft, value: str) -> None:
            for block in (heads, "data.train.targets", "model.decoder"):
                draft.set(f"{block}.class_sizes", True)

        def squares(draft: Draft, value: str) -> None:
            draft.set("data.train.targets.center_sigma", 4)
            draft.set("model.losses.detection.center_loss", "mse")
            draft.set("model.decoder.center_activation", "none")

        def no_offsets(draft: Draft, value: str) -> None:
            draft.set(f"{heads}.reg", False)
            draft.set("data.train.targets.reg", False)

        return {
            **losses("detection"),
            "cat_spec_wh": by_class,
            "dense_wh": to("data.train.targets.dense_sizes", lambda value: "whole"),
            "mse_loss": squares,
            "not_reg_offset": no_offsets,
        }

    def _weights(self, draft: Draft, value: str) -> None:
        draft.set("train.weights", str(Path(value).with_suffix(".ckpt")))
        draft.remark("--load_model", f"convert the weights first: mindpoint weights convert {value} {Path(value).with_suffix('.ckpt')}")

    @staticmethod
    def _side(axis: int) -> Callable:
        def handler(draft: Draft, value: str) -> None:
            if int(value) > 0:
                size = list(draft.values.get("input", {}).get("size", [512, 512]))
                size[axis] = int(value)
                draft.set("input.size", size)

        return handler


_ORACLES = (("hm", "hm"), ("wh", "wh"), ("offset", "reg"), ("kps", "hps"), ("hmhp", "hm_hp"), ("hp_offset", "hp_offset"))
