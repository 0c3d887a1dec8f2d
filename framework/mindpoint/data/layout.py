"""A folder in the layout in which data is published, in place of a configured data set."""

from __future__ import annotations

import json
from typing import Iterator, List, Type

from mindpoint.config import Config
from mindpoint.contracts.data import Dataset
from mindpoint.errors import ConfigError
from mindpoint.registry import registry


def with_layout(config: Config, folder: str, split: str) -> Config:
    """Return a configuration whose ``data.<split>`` reads a folder.

    The configured data sets are asked whether they know a layout of folders, that of ``split`` first; then the installed ones.

    Args:
        folder: in the layout of one of these data sets.
        split: ``train``, ``val``, ``test``, or what the data set calls its parts.

    Raises:
        ConfigError: no data set knows a layout. DataError: the folder does not have it.
    """
    for name in dict.fromkeys([*_configured(config, split), *registry("datasets").names()]):
        dataset: Type[Dataset] = registry("datasets").get(name)
        if dataset.in_layout.__func__ is not Dataset.in_layout.__func__:
            block = {"_replace_": True, "type": name, **dataset.in_layout(folder, split, config.vocabulary)}
            override = f"+data.{split}.dataset={json.dumps(block)}"
            return config.changed([override], [f"data.{split}.dataset"])
    raise ConfigError(f"--coco {folder}: neither the configured data set nor an installed one reads such folders")


def _configured(config: Config, split: str) -> Iterator[str]:
    """Yield the types of the configured data sets, that of ``split`` first."""
    splits: List[str] = sorted(config.data.get("data", {}), key=lambda name: name != split)
    for name in splits:
        if config.has(f"data.{name}.dataset.type"):
            kind = config.data["data"][name]["dataset"]["type"]
            if registry("datasets").find(kind).distribution:  # the type of a model file may be any class, which importing would run
                yield kind
