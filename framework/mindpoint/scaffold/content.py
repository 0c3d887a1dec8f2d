"""The content of the files of a new distribution, by its parts."""

from __future__ import annotations

from typing import Sequence

_PURPOSES = {
    "backbone": "computes maps of strides 4, 8, 16, 32 with plain convolutions",
    "neck": "merges coarse maps into the finest one",
    "head": "predicts class logits and distances to the sides of the box, for each cell",
    "loss": "computes the focal loss of the classes and the absolute error of the sides",
    "targets": "assigns cells to objects",
    "decoder": "turns maps into boxes",
    "dataset": "draws circles and squares",
    "transform": "changes the brightness",
    "metric": "computes recall and precision",
    "hook": "prints the average loss",
}


def readme(name: str, module: str, prefix: str, chosen: Sequence[str]) -> str:
    """Return ``README.md``."""
    rows = "\n".join(f"| `{prefix}{part.capitalize()}` | {part} | {_PURPOSES[part]} |" for part in chosen)
    return f"""# {name}

Parts for [mindpoint](https://pypi.org/project/mindpoint/).

| name in YAML | kind | purpose |
|---|---|---|
{rows}

```sh
pip install -e '.[test]'
python -m pytest
mindpoint plugins test {name}
mindpoint train {name}:example --set train.max_steps=20
```

The parts are in `src/{module}`, the example is `src/{module}/recipes/example.yaml`.
Reinstall after changing entry points in `pyproject.toml`.
"""


def configuration(prefix: str, chosen: Sequence[str]) -> str:
    """Return the example: a detector of drawn objects, or the quick start of mindpoint with the parts in it."""
    return _detector(prefix, chosen) if "head" in chosen else _quickstart(prefix, chosen)


def _detector(prefix: str, chosen: Sequence[str]) -> str:
    own = "dataset" in chosen
    dataset = f"{prefix}Dataset" if own else "SyntheticPeople"
    size = "" if own else ", size: [96, 96]"
    lines = [
        "# Learns to detect drawn objects within minutes, without downloads.",
        "_base_: _base_/runtime/default.yaml",
        f"classes: [{'circle, square' if own else 'person'}]",
        "input: {size: [96, 96], mean: [0.4, 0.4, 0.4], std: [0.3, 0.3, 0.3], channel_order: bgr}",
        "model:",
        f"  backbone: {{type: {prefix}Backbone}}",
        *([f"  neck: {{type: {prefix}Neck}}"] if "neck" in chosen else []),
        "  heads:",
        f"    boxes: {{type: {prefix}Head}}",
        "  losses:",
        f"    boxes: {{type: {prefix}Loss}}",
        f"  decoder: {{type: {prefix}Decoder}}",
        "data:",
        "  train:",
        f"    dataset: {{type: {dataset}, count: 512, seed: 0{size}}}",
        "    transforms:",
        "      view: {type: RandomView, mode: shift, scale: 0.2}",
        *([f"      brightness: {{type: {prefix}Transform}}"] if "transform" in chosen else []),
        f"    targets: {{type: {prefix}Targets, stride: 4}}",
        "    batch_size: 8",
        "  val:",
        f"    dataset: {{type: {dataset}, count: 64, seed: 1{size}}}",
        "optimizer: {type: AdamW, lr: 2e-3}",
        "schedule: {type: Cosine, warmup_steps: 20}",
        "train: {epochs: 6}",
        "test:",
        f"  metric: {{type: {prefix}Metric}}" if "metric" in chosen else "  metric: {type: CocoMetric}",
    ]
    if "hook" in chosen:
        lines += ["hooks:", f"  average: {{type: {prefix}Hook}}"]
    return "\n".join(lines) + "\n"


def _quickstart(prefix: str, chosen: Sequence[str]) -> str:
    blocks = {
        "backbone": f"model:\n  backbone: {{type: {prefix}Backbone, channels: [16, 24, 32, 48]}}\n",
        "neck": f"model:\n  neck: {{type: {prefix}Neck, channels: 32}}\n",
        "transform": f"data:\n  train:\n    transforms:\n      brightness: {{type: {prefix}Transform}}\n",
        "metric": f"test:\n  metric: {{type: {prefix}Metric}}\n",
        "hook": f"hooks:\n  average: {{type: {prefix}Hook}}\n",
    }
    text = "".join(blocks[part] for part in chosen)
    if "backbone" in chosen and "neck" in chosen:
        text = text.replace("model:\n  neck", "  neck")
    return f"# The quick start of mindpoint with parts of this distribution.\n_base_: quickstart.yaml\n{text}"


def tests(module: str, prefix: str, chosen: Sequence[str]) -> str:
    """Return ``tests/test_parts.py``."""
    names = {part: f"{prefix}{part.capitalize()}" for part in chosen}
    classes = {
        "backbone": ("BackboneTests", f"make(self):\n        return {names.get('backbone')}(channels=(8, 8, 16))"),
        "neck": ("NeckTests", f"make(self):\n        return {names.get('neck')}(self.in_features, channels=8)"),
        "head": ("HeadTests", f'make(self):\n        return {names.get("head")}(self.in_features, ["one", "two"], channels=8)'),
        "loss": (
            "LossTests",
            f"make(self):\n        return {names.get('loss')}()\n\n"
            f'    def make_targets(self):\n        return {names.get("targets")}(["one", "two"], self.input_spec)',
        ),
        "decoder": (
            "CodecTests",
            f"make_targets(self):\n        return {names.get('targets')}(self.classes, self.input_spec)\n\n"
            f"    def make_decoder(self):\n        return {names.get('decoder')}(self.classes)",
        ),
        "dataset": ("DatasetTests", f'make(self):\n        return {names.get("dataset")}(["circle", "square"], count=5)'),
        "transform": ("TransformTests", f"make(self):\n        return {names.get('transform')}()"),
        "metric": ("MetricTests", f"make(self):\n        return {names.get('metric')}(self.classes)"),
        "hook": ("HookTests", f"make(self, run_dir):\n        return {names.get('hook')}()"),
    }
    used = [part for part in chosen if part in classes]
    imports = "\n".join(f"from {module}.{part} import {names[part]}" for part in sorted(chosen))
    bases = ", ".join(sorted(classes[part][0] for part in used))
    bodies = "".join(f"\n\nclass Test{part.capitalize()}({classes[part][0]}):\n    def {classes[part][1]}\n" for part in used)
    return f'"""Tests of every part against its contract."""\n\nfrom mindpoint.testing import {bases}\n\n{imports}\n{bodies}'
