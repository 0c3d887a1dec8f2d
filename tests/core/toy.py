"""A whole small model for the core's tests, named by class path: it finds the one bright 4x4 cell of a 16x16 image."""

import hashlib
import json
import os
import signal
from pathlib import Path
from typing import Optional

import numpy as np
from mindpoint.contracts.data import Dataset, TargetEncoder, Transform
from mindpoint.contracts.decoder import Decoder
from mindpoint.contracts.features import FeatureSpec
from mindpoint.contracts.fields import Points
from mindpoint.contracts.hook import POINTS, Hook
from mindpoint.contracts.image import Sample, View
from mindpoint.contracts.instances import Detections, Objects
from mindpoint.contracts.metric import Metric
from mindpoint.contracts.parts import Backbone, Head, Loss
from mindpoint.contracts.records import to_coco
from mindpoint.contracts.visualizer import Visualizer
from mindpoint.errors import DataError
from mindpoint.runtime import distributed
from mindspore import mint, nn, ops

CELL, SIDE = 4, 16


class Cells(Backbone):
    def __init__(self, channels: int = 4):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, CELL, stride=CELL, pad_mode="valid", weight_init="normal")
        self.norm = nn.BatchNorm2d(channels)
        self.out_features = (FeatureSpec(channels, CELL),)

    def construct(self, image):
        return (self.norm(self.conv(image)),)


class SpotHead(Head):
    def __init__(self, in_features, name: str = "spot"):
        super().__init__()
        self.conv = nn.Conv2d(in_features[0].channels, 1, 1, has_bias=True, weight_init="normal")
        self.name = name
        self.out_maps = {name: FeatureSpec(1, in_features[0].stride)}

    def construct(self, features):
        return {self.name: self.conv(features[0])}


class SpotLoss(Loss):
    terms, needs_maps, needs_targets = ("spot_loss",), ("spot",), ("spot",)

    def construct(self, outputs, targets):
        value = ((outputs["spot"] - targets["spot"]) ** 2).mean()
        return 2.0 * value, {"spot_loss": value}


class CountedLoss(SpotLoss):
    """The same, divided by the number of spots."""

    normalizers = ("spots",)

    def count_normalizers(self, targets):
        return {"spots": targets["spot"].sum()}

    def construct(self, outputs, targets, numbers):
        value = self.num_shards * ((outputs["spot"] - targets["spot"]) ** 2).sum() / numbers["spots"]
        return value, {"spot_loss": value}


class Spots(Dataset):
    """Image ``index`` has its bright cell where a generator seeded with the index says."""

    def category_ids(self):
        return [90]

    def __init__(self, count: int, broken: Optional[int] = None, nan: Optional[int] = None, classes=("spot",)):
        self.classes = classes
        self.count, self.broken, self.nan = count, broken, nan

    def __len__(self):
        return self.count

    def _cell(self, index):
        return np.random.default_rng(index).integers(0, SIDE // CELL, 2)

    def __getitem__(self, index):
        if index == self.broken:
            raise DataError(f"spot-{index}.png: image {index} is broken; mend it")
        row, column = self._cell(index) * CELL
        image = np.random.default_rng(index).random((SIDE, SIDE, 3), np.float32) * 0.3
        image[row : row + CELL, column : column + CELL] = 1.0
        if index == self.nan:
            image[:] = np.nan
        image = image if index == self.nan else (image * 255).astype(np.uint8)
        box = np.array([[column, row, column + CELL, row + CELL]], np.float32)
        objects = Objects(box, np.zeros(1, np.int64))
        return Sample(index, f"spot-{index}", image, objects)

    def ground_truth(self):
        return {
            "images": [{"id": i} for i in range(self.count)],
            "annotations": [{"image_id": i, "cell": self._cell(i)} for i in range(self.count)],
            "categories": self.categories(),
        }


class Whole(Transform):
    """Shows the whole image, its brightness changed at random."""

    def __call__(self, sample, rng):
        sample.view = View((SIDE / 2, SIDE / 2), SIDE)
        if sample.image.dtype == np.uint8:
            sample.image = sample.image.astype(np.float32) / 255
        sample.image = sample.image * np.float32(rng.uniform(0.9, 1.1))
        return sample


class SpotTargets(TargetEncoder):
    def __init__(self, stride: int = CELL):
        self.strides = {"spot": stride}

    def __call__(self, sample):
        target = np.zeros((1, SIDE // CELL, SIDE // CELL), np.float32)
        column, row = (sample.objects.boxes[0, :2] // CELL).astype(int)
        target[0, row, column] = 1
        return {"spot": target}


class SpotDecoder(Decoder):
    fields = (Points("center", 1),)
    needs_maps = {"spot": 1}

    def __call__(self, maps, views, mirrored=None):
        found = []
        for spot, view in zip(maps["spot"][:, 0], views):
            row, column = np.unravel_index(spot.argmax(), spot.shape)
            points = np.array([[[column + 0.5, row + 0.5]]])
            center = view.to_image(points, spot.shape[1], spot.shape[0]).astype(np.float32)
            box = np.concatenate([center[:, 0] - 2, center[:, 0] + 2], axis=1)
            score = np.full(1, np.clip(spot.max(), 0, 1), np.float32)
            found.append(Detections(box, score, np.zeros(1, np.int64), self.fields, {"center": center}))
        return found

    def merge(self, parts):
        return Detections.concatenate(list(parts))

    def heatmaps(self, maps):
        return {"spot": np.clip(maps["spot"][:, 0], 0, 1)}


class Accuracy(Metric):
    statistics, main = ("accuracy",), "accuracy"

    def results(self, detections, ground_truth=None):
        ids = [record["id"] for record in (ground_truth or {}).get("categories", [{"id": 1}])]
        return [record for i, found in detections.items() for record in to_coco(found, i, ids)]

    def evaluate(self, ground_truth, results, image_ids):
        cells = {a["image_id"]: a["cell"] for a in ground_truth["annotations"]}
        right = [tuple(np.array(r["bbox"][:2])[::-1].round() // CELL) == tuple(cells[r["image_id"]]) for r in results]
        return {"accuracy": float(np.mean(right)) if right else float("nan")}

    def table(self, statistics):
        return f"accuracy {statistics['accuracy']:.3f}"


class Painter(Visualizer):
    """Paints the image: blue is ``shade``, green the number of detections, red that of drawn ones."""

    def __init__(self, classes, shade: int = 200):
        self.shade = shade

    def draw(self, image, found, threshold=0.0):
        return np.full_like(image, (self.shade, len(found), (found.scores >= threshold).sum()), dtype=np.uint8)

    def draw_objects(self, image, objects):
        return np.full_like(image, (self.shade, 100 + len(objects), 0), dtype=np.uint8)


class Recorder(Hook):
    """Writes the name of every point it is called at, a line each, to ``points.txt``; raises at ``fail_at``."""

    def __init__(self, run_dir, fail_at: Optional[str] = None):
        self.path, self.fail_at = Path(run_dir) / "points.txt", fail_at


def _point(name):
    def call(self, trainer):
        with open(self.path, "a") as file:
            file.write(name + "\n")
        if name == self.fail_at:
            raise RuntimeError("as asked")

    return call


for _name in POINTS:
    setattr(Recorder, _name, _point(_name))


class Digest(Hook):
    """Writes ``digest-RANK``, a hash of all weights and the optimizer's state; after step ``at`` rank 1 sends itself a signal."""

    all_ranks = True

    def __init__(self, at: Optional[int] = None, number: str = "SIGKILL"):
        self.at, self.number = at, signal.Signals[number]

    def after_step(self, trainer):
        if trainer.step == self.at and distributed.rank() == 1:
            os.kill(os.getpid(), self.number)

    def after_train(self, trainer):
        parameters = sorted(trainer.network_step.parameters_dict().items())
        whole = b"".join(value.asnumpy().tobytes() for _, value in parameters)
        (trainer.run_dir / f"digest-{distributed.rank()}").write_text(hashlib.sha256(whole).hexdigest())


class Exchanges(Hook):
    """Writes ``exchanges-RANK``: for each step, how often this process has exchanged values outside of the graph since ``before_train``."""

    all_ranks = True

    def before_train(self, trainer):
        self.total, self.after = 0, []
        ops.AllReduce.__call__ = self._counted(ops.AllReduce.__call__)
        mint.distributed.all_gather_object = self._counted(mint.distributed.all_gather_object)

    def _counted(self, exchange):
        def call(*arguments):
            self.total += 1
            return exchange(*arguments)

        return call

    def after_step(self, trainer):
        self.after.append(self.total)

    def after_train(self, trainer):
        (trainer.run_dir / f"exchanges-{distributed.rank()}").write_text(json.dumps(self.after))


class Stop(Hook):
    """Called in the first process only; ends the training after a step."""

    def __init__(self, after: int):
        self.after = after

    def after_step(self, trainer):
        if trainer.step == self.after:
            trainer.stop_reason = "as asked"


class Everywhere(Hook):
    """Writes ``everywhere-RANK``: whether it saw checkpoints, and the rank that saved its state. Saves ``own.ckpt`` after every epoch."""

    all_ranks = True

    def __init__(self):
        self.checkpoints, self.before = False, None

    def on_checkpoint(self, trainer):
        self.checkpoints = True

    def after_epoch(self, trainer):
        trainer.save("own.ckpt")

    def after_train(self, trainer):
        content = {"checkpoints": self.checkpoints, "before": self.before}
        (trainer.run_dir / f"everywhere-{distributed.rank()}").write_text(json.dumps(content))

    def state_dict(self):
        return {"rank": distributed.rank()}

    def load_state_dict(self, state):
        self.before = state["rank"]
