"""MindSpore's own formats: MINDIR, and AIR for Ascend."""

from __future__ import annotations

from pathlib import Path

import mindspore as ms
import numpy as np

from mindpoint.model.network import Network
from mindpoint.errors import MindpointError
from mindpoint.export.fresh_graph import FreshGraph
from mindpoint.native.exporting import Export, export_in_progress
from mindpoint.inference.metadata import ExportMetadata


def write_mindir(path: Path, network: Network, facts: ExportMetadata) -> None:
    """Write the network as MINDIR with the facts as the file's ``user_info``.

    Raises:
        MindpointError: MindSpore cannot export it.
    """

    def add_facts(model) -> None:
        for key, text in facts.to_metadata().items():
            model.user_info[key] = text

    _export(path, network, facts, "MINDIR", custom_func=add_facts)


def write_air(path: Path, network: Network, facts: ExportMetadata) -> None:
    """Write the network as AIR, which has no place for the facts.

    Raises:
        MindpointError: this machine has no Ascend.
    """
    check_ascend()
    _export(path, network, facts, "AIR")


def check_ascend() -> None:
    """Raise MindpointError if AIR cannot be written here."""
    target = ms.get_context("device_target")
    if target != "Ascend":
        raise MindpointError(
            f"AIR files can only be written on a machine with an Ascend, by MindSpore for Ascend; the device here is {target}. "
            "Export with --format mindir or --format onnx, or run this command there"
        )


def _export(path: Path, network: Network, facts: ExportMetadata, file_format: str, **options: object) -> None:
    network.set_train(False)
    if facts.batch is None:
        image = ms.Tensor(shape=(None, 3, *facts.size), dtype=ms.float32)
    else:
        image = ms.Tensor(np.zeros((facts.batch, 3, *facts.size), np.float32))
    with export_in_progress(Export(file_format.lower())):
        try:
            ms.export(FreshGraph(network), image, file_name=str(path), file_format=file_format, **options)
        except (RuntimeError, ValueError, TypeError) as error:
            raise MindpointError(f"MindSpore cannot export this network as {file_format}: {str(error).splitlines()[0]}") from error
