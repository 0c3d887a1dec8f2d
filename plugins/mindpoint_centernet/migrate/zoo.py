"""Convert the ``default_config.yaml`` of the MindSpore model zoo's CenterNet, together with options of its scripts."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

from mindpoint.errors import ConfigError
from mindpoint.registry import nearest

from mindpoint_centernet.migrate.draft import Draft, literal, numbers, read_yaml, silent, switch, tells, to
from mindpoint_centernet.migrate.shared import VIEW, options_of, poses, positive, stride, views

BASE = "dla34_coco_modelzoo.yaml"
_NOT_IN_FILE = ("enable_lossscale",)


def migrate(path: str, options: Sequence[str], out: str) -> Draft:
    """Return the configuration for a file and the options of a script.

    Args:
        options: ``--name value`` or ``--name=value``; they override the file.

    Raises:
        DataError: the file cannot be read. ConfigError: the file or an option does not have the model zoo's form.
    """
    content = _read(path)
    content.update(_options(options, content))
    draft = Draft(" ".join([path, *options]), out)
    draft.base = BASE
    sections = {name: content.pop(name, {}) for name in _SECTIONS}
    draft.apply(_TOP, content)
    for name, handlers in _SECTIONS.items():
        draft.apply(handlers, sections[name], f"{name}.")
    _together(draft, content, sections)
    return draft


def _read(path: str) -> Dict[str, object]:
    content = read_yaml(path, first=True)
    if (
        not isinstance(content, dict)
        or not all(isinstance(content.get(name, {}), dict) for name in _SECTIONS)
        or "net_config" not in content
    ):
        raise ConfigError(f"{path}: is not a configuration of the model zoo's CenterNet, which has the sections {', '.join(_SECTIONS)}")
    return content


def _options(words: Sequence[str], content: Mapping[str, object]) -> Dict[str, str]:
    known = [*(name for name, value in content.items() if not isinstance(value, dict)), *_NOT_IN_FILE]
    for word in words:
        name = word.partition("=")[0][2:]
        if word.startswith("--") and name not in known:
            near = [f"--{name}" for name in nearest(name, known)]
            raise ConfigError(f"--{name}: is not an option of the model zoo's scripts" + (f"; did you mean {near[0]}?" if near else ""))
    return options_of(words, "the options after the file")


def _device(draft: Draft, value: str) -> None:
    if value in ("CPU", "Ascend"):
        draft.set("runtime.device", value)
    else:
        draft.remark("device_target", f"{value} has no effect: networks run on CPU or Ascend")


def _published(draft: Draft, value: str) -> None:
    if value:
        for split in ("train", "val"):
            draft.set(f"data.{split}.dataset.annotations", f"{value}/annotations/person_keypoints_{split}2017.json")
            draft.set(f"data.{split}.dataset.images", f"{value}/{split}2017")
        draft.remark("coco_data_dir", f"use mindpoint data convert FILE --coco {value} --out DIR to write MindRecord files")


def _records(draft: Draft, value: str) -> None:
    if value:
        draft.set("data.train.dataset", {"type": "MindRecordDataset", "path": f"{value}/train"})
        draft.remark(
            "mindrecord_dir", f"the model zoo's files have other columns; write new ones: mindpoint data convert FILE --out {value}"
        )


def _saving(draft: Draft, value: object) -> None:
    if not switch(value):
        draft.set("hooks.checkpoint", None)


def _weights(draft: Draft, value: str) -> None:
    if value:
        draft.set("train.weights", value)
        draft.remark("load_checkpoint_path", "if this is a checkpoint of the model zoo, convert it first with mindpoint weights convert")


def _categories(draft: Draft, value: object) -> None:
    categories = literal(value)
    draft.set("classes", [category["name"] for category in categories])
    draft.set("keypoints.names", list(categories[0]["keypoints"]))


def _colors(draft: Draft, value: object) -> None:
    text = "have no effect in the model zoo, which leaves colours alone; data.train.transforms.color changes them here"
    if not any("eig_val, eig_vec" in remark for remark in draft.remarks):
        draft.remark("eig_val, eig_vec", text)


def _pairs(value: object) -> List[List[int]]:
    return [[int(first), int(second)] for first, second in literal(value)]


def _adam(draft: Draft, value: Mapping[str, object]) -> None:
    draft.apply(
        {
            "weight_decay": to("optimizer.weight_decay", float),
            "decay_filter": tells("train_config.Adam.decay_filter", "is not run; train.no_decay follows the same rule by default"),
        },
        value,
        "train_config.Adam.",
    )


def _optimizer(draft: Draft, value: str) -> None:
    if value != "Adam":
        raise ValueError("the model zoo's only optimizer is Adam")
    draft.set("optimizer.type", value)


_TOP = {
    "enable_modelarts": tells("enable_modelarts", "use tools/modelarts.py, which accepts the arguments of a ModelArts job"),
    **dict.fromkeys(("data_url", "train_url", "checkpoint_url", "data_path", "output_path", "load_path"), silent),
    "device_target": _device,
    "enable_profiling": tells("enable_profiling", "use mindpoint train FILE --profile 10:20 to profile steps 10 to 20"),
    "coco_data_dir": _published,
    "mindrecord_dir": _records,
    "mindrecord_prefix": tells(
        "mindrecord_prefix", "use mindpoint data convert --prefix {value} to name files like this; reading needs no prefix"
    ),
    "visual_image": tells("visual_image", "mindpoint data browse FILE draws training data; mindpoint eval --pictures DIR draws results"),
    "save_result_dir": tells("save_result_dir", "use --out or --pictures of the command that writes results"),
    "device_id": silent,
    "device_num": silent,
    "distribute": silent,
    "need_profiler": silent,
    "profiler_path": silent,
    "epoch_size": to("train.epochs", int),
    "train_steps": positive("train.max_steps"),
    "enable_save_ckpt": _saving,
    "do_shuffle": to("data.train.shuffle", switch),
    "enable_lossscale": silent,
    "enable_data_sink": silent,
    "data_sink_steps": silent,
    "save_checkpoint_path": tells("save_checkpoint_path", "use mindpoint train FILE --out {value}"),
    "load_checkpoint_path": _weights,
    "save_checkpoint_steps": silent,
    "save_checkpoint_num": silent,
    "data_dir": tells("data_dir", "use mindpoint eval MODEL --coco {value}"),
    "run_mode": tells("run_mode", "use mindpoint eval MODEL --mode {value}"),
    "enable_eval": tells("enable_eval", "mindpoint eval MODEL computes statistics; with --mode test it only writes results"),
    "export_load_ckpt": tells("export_load_ckpt", "use mindpoint export {value} --format mindir --decode"),
    "export_format": tells("export_format", "use mindpoint export MODEL --format mindir --decode, or --format air on Ascend"),
    "export_name": tells("export_name", "use mindpoint export MODEL --out {value}.mindir"),
}

_DATASET = {
    "num_classes": silent,
    "num_joints": silent,
    "max_objs": to("data.train.targets.max_objects", int),
    "input_res": to("input.size", numbers),
    "output_res": silent,
    "rand_crop": to(f"{VIEW}.mode", lambda value: "crop" if switch(value) else "shift"),
    **views(flip="flip_prop"),
    "mean": to("input.mean", numbers),
    "std": to("input.std", numbers),
    "flip_idx": to("keypoints.flip_pairs", _pairs),
    "edges": to("keypoints.skeleton", _pairs),
    "eig_val": _colors,
    "eig_vec": _colors,
    "categories": _categories,
}

_NET = {
    "down_ratio": stride,
    "last_level": to("model.neck.last_level", int),
    "final_kernel": to("model.heads.pose.final_kernel", int),
    "stage_levels": to("model.backbone.levels", numbers),
    "stage_channels": to("model.backbone.channels", numbers),
    "head_conv": to("model.heads.pose.head_conv", int),
    "hm_hp": to("model.heads.pose.hm_hp", switch),
    "reg_hp_offset": to("model.heads.pose.hp_offset", switch),
    "reg_offset": to("model.heads.pose.reg", switch),
    **poses(),
}

_TRAIN = {
    "batch_size": silent,
    "loss_scale_value": silent,
    "optimizer": _optimizer,
    "lr_schedule": silent,
    "Adam": _adam,
    "PolyDecay": silent,
    "MultiDecay": silent,
}

_EVAL = {
    "soft_nms": to("test.nms", switch),
    "keep_res": to("test.resolution", lambda value: "keep" if switch(value) else "fixed"),
    "multi_scales": to("test.scales", numbers),
    "pad": to("test.pad", int),
    "K": to("model.decoder.top_k", int),
    "score_thresh": to("hooks.pictures.threshold", float),
}

_EXPORT = {
    "input_res": tells("export_config.input_res", "use mindpoint export MODEL --set input.size=[512,512]"),
    "ckpt_file": tells("export_config.ckpt_file", "use mindpoint export {value}"),
    "export_format": tells("export_config.export_format", "use mindpoint export MODEL --format mindir --decode, or --format air on Ascend"),
    "export_name": tells("export_config.export_name", "use mindpoint export MODEL --out {value}.mindir"),
}

_SECTIONS = {"dataset_config": _DATASET, "net_config": _NET, "train_config": _TRAIN, "eval_config": _EVAL, "export_config": _EXPORT}


def _together(draft: Draft, top: Mapping[str, object], sections: Mapping[str, Mapping[str, object]]) -> None:
    """Set values that depend on several options. Raises ConfigError."""
    try:
        _processes(draft, top, sections["train_config"])
        _every_steps(draft, top)
        _schedule(draft, sections["train_config"])
        _sizes(draft, sections["dataset_config"], sections["net_config"])
    except KeyError as error:
        raise ConfigError(f"{draft.source}: {error} is missing; copy it from the model zoo's default_config.yaml") from error
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise ConfigError(f"{draft.source}: {type(error).__name__}: {error}") from error


def _processes(draft: Draft, top: Mapping[str, object], train: Mapping[str, object]) -> None:
    ascend, several = top.get("device_target", "Ascend") == "Ascend", switch(top.get("distribute", False))
    count = int(top.get("device_num", 1)) if several else 1
    draft.set("data.train.total_batch_size", int(train.get("batch_size", 32)) * count)
    if several:
        draft.remark("distribute, device_num", f"use mindpoint launch {count} train FILE")
    elif ascend:
        draft.set("runtime.device_id", int(top.get("device_id", 0)))
    if ascend and switch(top.get("enable_lossscale", True)):
        draft.set("train.loss_scale", float(train.get("loss_scale_value", 1024)))
    else:
        draft.remark("loss_scale_value", "has no effect: the model zoo scales losses only on Ascend and with enable_lossscale")
    if ascend and switch(top.get("enable_data_sink", False)):
        draft.set("train.sink", int(top.get("data_sink_steps", 1)))
    else:
        draft.remark(
            "enable_data_sink, data_sink_steps", "have no effect: the model zoo sinks data only on Ascend and with enable_data_sink"
        )
    if switch(top.get("need_profiler", False)):
        draft.set("hooks.profile", {"type": "Profile", "start": 3, "stop": 12, "folder": str(top.get("profiler_path", "./profiler"))})
        draft.remark("need_profiler", "profiles steps 3 to 12 instead of the whole training")


def _every_steps(draft: Draft, top: Mapping[str, object]) -> None:
    if switch(top.get("enable_save_ckpt", True)):
        draft.set("hooks.checkpoint.every_steps", int(top.get("save_checkpoint_steps", 1000)))
        draft.set("hooks.checkpoint.keep", int(top.get("save_checkpoint_num", 1)))


def _schedule(draft: Draft, train: Mapping[str, object]) -> None:
    name = train.get("lr_schedule", "MultiDecay")
    if name not in ("MultiDecay", "PolyDecay"):
        raise ValueError(f"lr_schedule {name} is neither MultiDecay nor PolyDecay")
    rate = train[name]
    draft.set("optimizer.lr", float(rate["learning_rate"]))
    draft.set("optimizer.eps", float(rate["eps"]))
    block: Dict[str, object] = {"warmup_steps": int(rate["warmup_steps"])}
    if name == "MultiDecay":
        epochs = numbers(rate["multi_epochs"]) or [draft.values["train"]["epochs"]]
        block = {"type": "MultiStep", "milestones": epochs, "factor": 1 / float(rate["factor"]), **block}
    else:
        end = float(rate["end_learning_rate"]) / float(rate["learning_rate"])
        block = {"type": "Polynomial", "power": float(rate["power"]), "end": end, **block}
        draft.remark("warmup_steps", "the model zoo switches from warm-up to decay; here, both factors are multiplied")
    draft.set("schedule", block)
    other = "PolyDecay" if name == "MultiDecay" else "MultiDecay"
    if other in train:
        draft.remark(f"train_config.{other}", f"has no effect: lr_schedule is {name}")


def _sizes(draft: Draft, data: Mapping[str, object], net: Mapping[str, object]) -> None:
    """Remark on numbers that differ from those that the other settings imply."""
    for name, said, found in _repeated(draft, data, net):
        if said is not None and list(numbers(said)) != list(numbers(found)):
            draft.remark(name, f"{said} has no effect: the other settings imply {found}")


def _repeated(draft: Draft, data: Mapping[str, object], net: Mapping[str, object]) -> List[Tuple[str, object, object]]:
    keypoints = draft.values.get("keypoints", {}).get("names")
    found = [("num_classes", data.get("num_classes"), len(draft.values["classes"]))] if "classes" in draft.values else []
    found += [("num_joints", data.get("num_joints"), len(keypoints))] if keypoints else []
    size = numbers(data.get("input_res", [512, 512]))
    return [*found, ("output_res", data.get("output_res"), [side // int(net.get("down_ratio", 4)) for side in size])]
