"""MindSpore's own formats: MINDIR, and AIR for Ascend."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import mindspore as ms
from mindspore import nn

from mindpoint.contracts.decoder import MindSporeDecoder
from mindpoint.contracts.exporter import Exportable
from mindpoint.errors import MindpointError
from mindpoint.exporting.fresh_graph import FreshGraph
from mindpoint.native.exporting import Export, export_in_progress
from mindpoint.storage.files import write_elsewhere
from mindpoint.storage.mindir_texts import add_texts


def write_mindir(path: Path, model: Exportable) -> None:
    """Write the network, and the decoder if given, as MINDIR with the metadata as the file's ``user_info``.

    Raises:
        MindpointError: MindSpore cannot export it.
    """
    _export(path, model, "MINDIR", custom_func=lambda content: add_texts(content, model.metadata))


def write_air(path: Path, model: Exportable) -> None:
    """Write the network, and the decoder if given, as AIR, which cannot store metadata.

    Raises:
        MindpointError: MindSpore cannot export it.
    """
    _export(path, model, "AIR")


def check_ascend() -> None:
    """Raise MindpointError if AIR cannot be written here."""
    target = ms.get_context("device_target")
    if target != "Ascend":
        raise MindpointError(
            f"AIR files can only be written on a machine with an Ascend, by MindSpore for Ascend; the device here is {target}. "
            "Export with --format mindir or --format onnx, or run this command there"
        )


def _decoder(model: Exportable) -> Optional[nn.Cell]:
    if model.decoder is None:
        return None
    if not isinstance(model.decoder, MindSporeDecoder):
        raise MindpointError(f"{type(model.decoder).__name__} cannot be exported; export without --decode")
    return model.decoder.cell(tuple(model.maps), {name: spec.stride for name, spec in model.maps.items()})


def _export(path: Path, model: Exportable, file_format: str, **options: object) -> None:
    model.network.set_train(False)
    if model.batch is None:
        inputs = [ms.Tensor(shape=(None, count, *model.size), dtype=ms.float32) for count in model.channels.values()]
    else:
        inputs = [ms.Tensor(array) for array in model.zeros(model.batch, *model.size).values()]
    graph = FreshGraph(model.network, _decoder(model))
    with export_in_progress(Export(file_format.lower())):
        try:
            write_elsewhere(lambda file: ms.export(graph, *inputs, file_name=str(file), file_format=file_format, **options), path)
        except (RuntimeError, ValueError, TypeError) as error:
            raise MindpointError(f"MindSpore cannot export this network as {file_format}: {str(error).splitlines()[0]}") from error
