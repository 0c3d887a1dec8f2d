"""The whole ONNX file: network, decoding if it is wanted, facts."""

from __future__ import annotations

from pathlib import Path
import onnx
from onnx import helper

from mindpoint._version import __version__
from mindpoint.contracts.decoder import Decoder, OnnxDecoder
from mindpoint.contracts.instances import Detections
from mindpoint.model.network import Network
from mindpoint.errors import MindpointError
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.export.onnx_network import network_model


def write_onnx(path: Path, network: Network, decoder: Decoder, facts: ExportMetadata, portable: bool) -> None:
    """Write the file.

    Raises:
        MindpointError: the network or the decoder has no form in ONNX.
    """
    dynamic = [name for name, free in (("batch", facts.batch is None), ("size", facts.dynamic_size)) if free]
    model = network_model(network, (facts.batch or 1, *facts.size), dynamic, portable)
    if facts.decoded:
        _decode_inside(model.graph, decoder, facts)
    model.graph.name = "mindpoint"
    model.producer_name, model.producer_version = "mindpoint", __version__
    helper.set_model_props(model, facts.to_metadata())
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker's errors have no common base
        lines = str(error).splitlines()
        raise MindpointError(f"MindSpore's exporter gave an ONNX graph with errors: {' '.join(lines[:2])}") from error
    onnx.save(model, str(path))


def _decode_inside(graph: onnx.GraphProto, decoder: Decoder, facts: ExportMetadata) -> None:
    """Put the detections in the place of the maps."""
    if not isinstance(decoder, OnnxDecoder):
        raise MindpointError(f"{type(decoder).__name__} cannot be put into an exported file; export the network alone, without --decode")
    nodes = OnnxGraph(prefix="decoder")
    found = decoder.onnx_nodes(nodes, {name: name for name in facts.maps}, {name: facts.stride for name in facts.maps})
    del graph.output[:]
    for field in (*Detections.own, *decoder.fields):
        nodes.nodes.append(helper.make_node("Identity", [found[field.name]], [field.name]))
        shape = [facts.batch or "batch", "detections", *(field.name if size is None else size for size in field.shape)]
        graph.output.append(helper.make_tensor_value_info(field.name, helper.np_dtype_to_tensor_dtype(field.dtype), shape))
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.initializers)
