"""The complete ONNX file: network, optional decoding, metadata."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import helper

from mindpoint._version import __version__
from mindpoint.contracts.decoder import OnnxDecoder
from mindpoint.contracts.exporter import Exportable
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.errors import MindpointError
from mindpoint.exporting.onnx_network import network_model


def write_onnx(path: Path, model: Exportable) -> None:
    """Write the network, the decoder if given, and the metadata to a file.

    Raises:
        MindpointError: the network or the decoder cannot be expressed in ONNX.
    """
    if model.decoder is not None and not isinstance(model.decoder, OnnxDecoder):
        raise MindpointError(f"{type(model.decoder).__name__} cannot be exported; export without --decode")
    content = network_model(model)
    if model.precision == "int8":
        from mindpoint.exporting.quantized import quantize

        content = quantize(content, model.calibration)
    if model.decoder is not None:
        _decode_inside(content.graph, model)
    content.graph.name = "mindpoint"
    content.producer_name, content.producer_version = "mindpoint", __version__
    helper.set_model_props(content, dict(model.metadata))
    try:
        onnx.checker.check_model(content, full_check=True)
    except Exception as error:  # the checker's errors have no common base
        lines = str(error).splitlines()
        raise MindpointError(f"the exported ONNX graph has errors: {' '.join(lines[:2])}") from error
    onnx.save(content, str(path))


def _decode_inside(graph: onnx.GraphProto, model: Exportable) -> None:
    """Replace the maps by the detections."""
    nodes = OnnxGraph(prefix="decoder")
    strides = {name: spec.stride for name, spec in model.maps.items()}
    found = model.decoder.onnx_nodes(nodes, {name: name for name in model.maps}, strides)
    del graph.output[:]
    for field in (*Detections.own, *model.decoder.fields):
        if field.name not in found:
            raise MindpointError(f"{type(model.decoder).__name__}.onnx_nodes does not return '{field.name}', which the decoder declares")
        nodes.nodes.append(helper.make_node("Identity", [found[field.name]], [field.name]))
        sizes = [f"{field.name}_{axis}" if size is None else size for axis, size in enumerate(field.shape)]
        shape = [model.batch or "batch", "detections", *sizes]
        graph.output.append(helper.make_tensor_value_info(field.name, helper.np_dtype_to_tensor_dtype(field.dtype), shape))
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.initializers)
