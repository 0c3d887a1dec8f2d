"""Builds the configured data set, training samples and metric. Importing this module does not import MindSpore."""

from __future__ import annotations

from typing import List, Tuple

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset
from mindpoint.contracts.image import Sample
from mindpoint.contracts.instances import Objects
from mindpoint.contracts.metric import Metric
from mindpoint.data.samples import TrainingSamples
from mindpoint.errors import ConfigError


class FirstImages(Dataset):
    """The first ``count`` images of a data set, or all of them if it has fewer."""

    def __init__(self, dataset: Dataset, count: int):
        self.dataset, self.count = dataset, min(count, len(dataset))
        self.fields, self.classes = dataset.fields, dataset.classes
        self.repeats = None if dataset.repeats is None else dataset.repeats[: self.count]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[range(self.count)[index]]

    def ground_truth(self) -> dict:
        truth, ids = self.dataset.ground_truth(), set(self.ids())
        images = [record for record in truth["images"] if record["id"] in ids]
        truth.setdefault("listed", {kind: [record["id"] for record in truth.get(kind, ())] for kind in ("images", "categories")})
        return {**truth, "images": images, "annotations": [record for record in truth["annotations"] if record["image_id"] in ids]}

    def ready_to_train(self) -> None:
        self.dataset.ready_to_train()

    def ids(self) -> List[int]:
        return self.dataset.ids()[: self.count]

    def objects(self, index: int) -> Objects:
        return self.dataset.objects(range(self.count)[index])

    def image_size(self, index: int) -> Tuple[int, int]:
        return self.dataset.image_size(range(self.count)[index])

    def file_name(self, index: int) -> str:
        return self.dataset.file_name(range(self.count)[index])

    def category_ids(self) -> List[int]:
        return self.dataset.category_ids()

    def categories(self) -> List[dict]:
        return self.dataset.categories()

    @property
    def name(self) -> str:
        return self.dataset.name

    def __str__(self) -> str:
        return f"{self.dataset}, the first {self.count} of them"


def build_dataset(config: Config, split: str) -> Dataset:
    """Build ``data.<split>.dataset``, limited to its first ``data.<split>.max_images`` images."""
    count = config.split(split).max_images
    dataset = config.build(f"data.{split}.dataset")
    return dataset if count is None else FirstImages(dataset, count)


def build_samples(config: Config, split: str = "train") -> TrainingSamples:
    """Build the data set, transforms and target encoder of ``data.<split>``."""
    dataset = build_dataset(config, split)
    dataset.ready_to_train()
    settings = config.split(split)
    spec = settings.input_spec(config.input_spec)
    transforms = config.build_all(f"data.{split}.transforms", input_spec=spec)
    encoder = config.build(f"data.{split}.targets", input_spec=spec)
    if encoder is None:
        raise ConfigError(f"{config.name}: data.{split}.targets is missing; add it")
    inputs = config.build("model.inputs")
    return TrainingSamples(dataset, transforms, encoder, spec, config.seed, settings.max_unreadable, f"data.{split}", inputs)


def build_metric(config: Config) -> Metric:
    """Build ``test.metric``."""
    metric = config.build("test.metric")
    if metric is None:
        raise ConfigError(f"{config.name}: test.metric is missing; add it")
    return metric
