"""Use of a folder in a published layout instead of the configured data set."""

from __future__ import annotations

import json
from typing import Iterator, List, Type

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset
from mindpoint.errors import ConfigError
from mindpoint.registry import registry


def with_layout(config: Config, folder: str, split: str) -> Config:
    """Return a configuration whose ``data.<split>`` reads a folder.

    The data set types in the configuration are tried first, beginning with the type of ``split``; then the installed types.

    Args:
        folder: a folder with the layout of one of these data set types.
        split: ``train``, ``val``, ``test``, or another name that the data set type gives to a part of the data.

    Raises:
        ConfigError: no data set type supports published layouts. DataError: the folder does not follow the layout.
    """
    for name in dict.fromkeys([*_configured(config, split), *registry("datasets").names()]):
        dataset: Type[Dataset] = registry("datasets").get(name)
        if dataset.in_layout.__func__ is not Dataset.in_layout.__func__:
            block = {"_replace_": True, "type": name, **dataset.in_layout(folder, split, config.vocabulary)}
            override = f"+data.{split}.dataset={json.dumps(block)}"
            return config.changed([override], [f"data.{split}.dataset"])
    raise ConfigError(f"--coco {folder}: no configured or installed data set can read such a folder")


def _configured(config: Config, split: str) -> Iterator[str]:
    """Yield the types of the configured data sets, beginning with the type of ``split``."""
    splits: List[str] = sorted(config.data.get("data", {}), key=lambda name: name != split)
    for name in splits:
        if config.has(f"data.{name}.dataset.type"):
            kind = config.data["data"][name]["dataset"]["type"]
            if registry("datasets").find(kind).distribution:  # a model file may name any class, and importing it would run its code
                yield kind
