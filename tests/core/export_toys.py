"""Parts with an operator of their own, as someone else's package would have it, and what becomes of it in an exported file."""

import numpy as np
from mindpoint.contracts.data import InputEncoder
from mindpoint.contracts.decoder import OnnxDecoder
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.fields import Angles, Field
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.parts import Backbone, Head
from mindpoint.native.exporting import exporting
from mindspore import nn, ops
from toy import Cells


@ops.constexpr
def _doubling(factor):
    """Return the placeholder of a multiplication during an export to ONNX, else None."""
    export = exporting()
    if export is None or export.format != "onnx":
        return None
    return export.operator(lambda graph, inputs: graph.add("Mul", inputs[0], float(factor)), lambda x: x)


class Doubled(Cells):
    """Twice the maps of ``Cells``; in an exported file ``exported`` times."""

    def __init__(self, exported: float = 2.0):
        super().__init__()
        self.exported = exported

    def construct(self, image):
        x = self.norm(self.conv(image))
        operator = _doubling(self.exported)
        return (operator(x) if operator is not None else x * 2,)


class Bound(Cells):
    """Knows the size of its input: multiplies by its height and one."""

    def construct(self, image):
        return (self.norm(self.conv(image)) * (image.shape[2] + 1),)


class Sliced(Cells):
    """Takes a part of its maps' channels, and of the rest everything."""

    def construct(self, image):
        x = self.norm(self.conv(image))
        return (ops.concat((x[:, 2:], x[:, :2]), 1),)


class Unknown(Cells):
    """Has an operator that cannot be exported to ONNX."""

    def construct(self, image):
        return (ops.cummax(self.norm(self.conv(image)), 3)[0],)


class Stuck(Cells):
    """In an exported file, writes the size of its maps down."""

    def construct(self, image):
        x = self.norm(self.conv(image))
        operator = _reshaping(x.shape)
        return (operator(x) if operator is not None else x,)


@ops.constexpr
def _reshaping(shape):
    export = exporting()
    if export is None or export.format != "onnx":
        return None
    return export.operator(lambda graph, inputs: graph.add("Reshape", inputs[0], [int(size) for size in shape]), lambda x: x)


class Levels(Backbone):
    """Maps at strides 4 and 8 of an image and the one before it."""

    inputs = {"previous": 2}

    def __init__(self, channels: int = 4):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 4, stride=4, pad_mode="valid", weight_init="normal")
        self.before = nn.Conv2d(2, channels, 4, stride=4, pad_mode="valid", weight_init="normal")
        self.down = nn.Conv2d(channels, channels, 2, stride=2, pad_mode="valid", weight_init="normal")
        self.out_features = (FeatureSpec(channels, 4), FeatureSpec(channels, 8))

    def construct(self, image, previous):
        near = self.conv(image) - self.before(previous)
        return near, self.down(near)


class LevelHead(Head):
    """``near`` (1) at stride 4, ``far`` (3: score, depth, turn) at stride 8."""

    def __init__(self, in_features):
        super().__init__()
        near, far = in_features
        self.near = nn.Conv2d(near.channels, 1, 1, has_bias=True, weight_init="normal")
        self.far = nn.Conv2d(far.channels, 3, 1, has_bias=True, weight_init="normal")
        self.out_maps = {"far": FeatureSpec(3, far.stride), "near": FeatureSpec(1, near.stride)}

    def construct(self, features):
        return {"near": self.near(features[0]), "far": self.far(features[1])}


class LevelDecoder(OnnxDecoder):
    """The highest place of each map, in fields that people do not have. ``wrong``: what the exported form gives otherwise."""

    fields = (Field("depth"), Angles("turn"))
    needs_maps = {"near": 1, "far": 3}

    def __init__(self, wrong: str = ""):
        self.wrong = wrong

    def __call__(self, maps, views, mirrored=None):
        return [
            Detections.concatenate([self._one(name, maps[name][row], view) for name in ("near", "far")]) for row, view in enumerate(views)
        ]

    def _one(self, name, values, view):
        height, width = values.shape[1:]
        place = values[0].argmax()
        center = np.array([place % width, place // width]) + 0.5
        others = values.reshape(len(values), -1)[1:, place] if name == "far" else np.zeros(2)
        box = np.concatenate([center - 0.5, center + 0.5])[None].astype(np.float32)
        score = 1 / (1 + np.exp(-values[0].reshape(-1)[[place]] / 100))
        extra = {"depth": others[:1].astype(np.float32), "turn": others[1:].astype(np.float32)}
        return Detections(box, score, np.zeros(1, np.int64), self.fields, extra).transform(view.motion_to_image(width, height))

    def onnx_nodes(self, graph, maps, strides):
        add, parts = graph.add, {"boxes": [], "scores": [], "labels": [], "depth": [], "turn": []}
        for name in ("near", "far"):
            rows = add("Reshape", maps[name], [0, 0, -1])
            first = add("Slice", rows, [0], [1], [1])
            place = add("ArgMax", first, axis=2, keepdims=1)  # (B, 1, 1)
            width = add("Slice", add("Shape", maps[name]), [3], [4])
            corner = add("Cast", add("Concat", add("Mod", place, width), add("Div", place, width), axis=2), to=1)
            box = add("Concat", corner, add("Add", corner, 1.0), axis=2)
            parts["boxes"].append(add("Mul", box, float(strides[name])))
            parts["scores"].append(add("Sigmoid", add("Div", add("ReduceMax", first, [2], keepdims=0), 100.0)))
            parts["labels"].append(add("Squeeze", add("Sub", place, place), [2]))
            best = add("GatherND", add("Transpose", rows, perm=[0, 2, 1]), place, batch_dims=1)  # (B, 1, C)
            for channel, field in ((1, "depth"), (2, "turn")):
                value = add("Squeeze", add("Slice", best, [channel], [channel + 1], [2]), [2]) if name == "far" else None
                parts[field].append(value or add("Mul", parts["scores"][-1], 0.0))
        found = {name: add("Concat", *values, axis=1) for name, values in parts.items()}
        if self.wrong:
            found[self.wrong] = add("Add", found[self.wrong], 0.5)
        return found


class Previous(InputEncoder):
    """Two planes that tell which part of the image is seen, and what ``meta`` says came before."""

    def __init__(self, name: str = "previous", count: int = 2):
        self.channels = {name: count}

    def __call__(self, sample):
        height, width = sample.image.shape[:2]
        planes = np.stack([sample.image[..., 0] / np.float32(255), np.full((height, width), sample.meta.get("time", 0.0))])
        return {"previous": planes.astype(np.float32)}
