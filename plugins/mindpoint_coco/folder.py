"""A folder in COCO's own layout in place of a configured data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

from mindpoint.config import files
from mindpoint.config.node import Problems
from mindpoint.errors import DataError

_LAYOUT = "_base_/data/coco_keypoints.yaml"  # the shipped description of that layout, under data/coco
_ROOT = "data/coco/"


def coco_overrides(folder: str, split: str) -> List[str]:
    """Changes of a configuration, as after ``--set``, that let ``data.<split>`` read a COCO folder.

    Args:
        folder: holds ``annotations`` and a folder of images a split, such as ``val2017``.
        split: ``train``, ``val`` or ``test``.

    Raises:
        DataError: no such folder, or no such split in COCO's layout.
    """
    if not Path(folder).is_dir():
        raise DataError(f"--coco {folder}: there is no such folder")
    problems = Problems()
    layout = files.read(files.find(_LAYOUT), problems).plain()["data"]
    problems.raise_any()
    if split not in layout:
        raise DataError(f"--coco: COCO has no split '{split}'; it has {', '.join(layout)}")
    block = {
        key: str(Path(folder, value[len(_ROOT) :])) if isinstance(value, str) and value.startswith(_ROOT) else value
        for key, value in layout[split]["dataset"].items()
    }
    return [f"+data.{split}.dataset={json.dumps({'_replace_': True, **block})}"]
