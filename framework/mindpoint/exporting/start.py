"""Exports a trained model, for the command and for Python. Importing this module does not import MindSpore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence, Union

from mindpoint.errors import ConfigError
from mindpoint.exporting.request import MOST_LOST, Request
from mindpoint.inference.metadata import FLOAT32
from mindpoint.inference.open import find_model

_DYNAMIC = ("batch", "size")


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes:
        path: the written file.
        report: its size, inputs and outputs, and how closely its results match the network's.
    """

    path: Path
    report: str


def export_model(
    model: Union[str, Path],
    format: str = "onnx",
    out: Union[str, Path, None] = None,
    decode: bool = False,
    batch: int = 1,
    dynamic: Sequence[str] = (),
    portable: bool = False,
    precision: str = FLOAT32,
    most_lost: float = MOST_LOST,
    images: Sequence[Union[str, Path]] = (),
    verify: bool = True,
    config: Optional[str] = None,
    overrides: Sequence[str] = (),
    trust: bool = False,
) -> Exported:
    """Write a trained model as a file for other runtimes, as ``mindpoint export`` does.

    The file is run and compared with the network. It is kept only if both give the same results.

    >>> exported = mindpoint.export("runs/people", decode=True)
    >>> mindpoint.Predictor(exported.path)("photo.jpg")

    Args:
        model: a checkpoint, or a run folder.
        format: ``onnx``, ``openvino``, ``mindir``, ``air``, or one that a plugin adds.
        out: the new file; None: next to the checkpoint.
        decode: decode inside the file, which then returns detections instead of maps.
        batch: images per run, 1..1024; ignored if ``dynamic`` contains ``batch``.
        dynamic: dimensions for which the file accepts any value: ``batch``, ``size``, or both.
        portable: use ordinary operators only, for runtimes without DeformConv.
        precision: ``float32``, ``float16``, ``bfloat16`` or ``int8``.
        most_lost: largest loss of the metric's main statistic at reduced precision, 0..1.
        images: images, folders and videos for the comparison, and for the calibration of ``int8``; at most eight images are used. Empty:
            synthetic pictures.
        verify: run the file and compare it with the network.
        config: see :class:`mindpoint.Predictor`.
        overrides: see :class:`mindpoint.Predictor`.
        trust: see :class:`mindpoint.Predictor`.

    Raises:
        OutputError: the file exists, or its name does not have the ending of the format.
        WeightsError: the model cannot be opened, or is an exported file already.
        ConfigError: the model's configuration is invalid, or ``dynamic`` has an unknown name.
        MindpointError: the format does not exist or does not support an option, or the file's results differ from the network's.
    """
    unknown = [name for name in dynamic if name not in _DYNAMIC]
    if isinstance(dynamic, str) or unknown:
        raise ConfigError(f"dynamic: {dynamic!r} is not allowed; it must be a list whose entries are {' or '.join(map(repr, _DYNAMIC))}")
    request = Request(
        place=find_model(str(model)),
        format=format,
        out=None if out is None else str(out),
        decode=decode,
        batch=None if "batch" in dynamic else batch,
        dynamic_size="size" in dynamic,
        portable=portable,
        precision=precision,
        most_lost=most_lost,
        verify=verify,
        images=[str(image) for image in images],
    )
    from mindpoint.exporting.write import export  # late, because it imports MindSpore: an invalid request fails at once

    return Exported(request.path, export(request, config, overrides, trust))
