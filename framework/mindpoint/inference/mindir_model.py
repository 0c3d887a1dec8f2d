"""A model that ``mindpoint export`` wrote as MINDIR, run by MindSpore."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, Optional, Sequence

import mindspore as ms
import numpy as np
from google.protobuf.message import DecodeError
from mindspore import nn
from mindspore.train.mind_ir_pb2 import ModelProto

from mindpoint.inference.exported import exported_model
from mindpoint.storage.files import check_readable
from mindpoint.inference.detector import Model
from mindpoint.errors import WeightsError
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.runtime import device


class MindirFile:
    """A MINDIR file as a function of its input.

    Args:
        place: the file.

    Attributes:
        facts: what it says about itself.

    Raises:
        WeightsError: the file is missing, damaged or was not written by ``mindpoint export``.
    """

    def __init__(self, place: Path):
        check_readable(place, "file")
        content = ModelProto()
        try:
            content.ParseFromString(Path(place).read_bytes())
        except DecodeError as error:
            raise WeightsError(f"{place}: damaged, or no MINDIR file") from error
        self.facts = ExportMetadata.from_metadata(content.user_info, place)
        device.setup("auto", seed=0)
        try:
            self._network = nn.GraphCell(ms.load(str(place)))
        except (RuntimeError, ValueError) as error:
            raise WeightsError(f"{place}: damaged: {str(error).splitlines()[0]}") from error

    def __call__(self, batch: np.ndarray) -> Dict[str, np.ndarray]:
        """Raw maps by name of an input ``(B, 3, H, W)`` float32 that the file takes."""
        outputs = self._network(ms.Tensor(batch))
        return {name: value.asnumpy().copy() for name, value in zip(self.facts.maps, outputs)}


def open_mindir(place: Path, config_path: Optional[str], overrides: Sequence[str]) -> Model:
    """The model of a MINDIR file; see :func:`mindpoint.inference.open.open_model`."""
    file = MindirFile(place)
    return exported_model(place, file.facts, file, config_path, overrides)
