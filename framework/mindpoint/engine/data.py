"""The configured data set and metric. Importing this module does not import MindSpore."""

from __future__ import annotations

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset, Metric
from mindpoint.errors import ConfigError


def build_dataset(config: Config, split: str) -> Dataset:
    """The block ``data.<split>.dataset``."""
    config.split(split)
    return config.build(f"data.{split}.dataset")


def build_metric(config: Config) -> Metric:
    """The block ``test.metric``."""
    metric = config.build("test.metric")
    if metric is None:
        raise ConfigError(f"{config.name}: test.metric is not configured")
    return metric
