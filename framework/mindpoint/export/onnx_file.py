"""The whole ONNX file: network, decoding if it is wanted, facts."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List

import onnx
from onnx import TensorProto, helper

from mindpoint._version import __version__
from mindpoint.contracts.data import Decoder
from mindpoint.model.network import Network
from mindpoint.errors import MindpointError
from mindpoint.inference.metadata import ExportMetadata
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.export.onnx_network import network_model

_TYPES = {"labels": TensorProto.INT64, "from_heatmap": TensorProto.BOOL}


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
    nodes = OnnxGraph(prefix="decoder")
    found = decoder.onnx_nodes(nodes, {name: name for name in facts.maps})
    for name in ("boxes", "keypoints"):
        found[name] = nodes.add("Mul", found[name], float(facts.stride))
    joints = len(facts.keypoints["names"])
    shapes: Dict[str, List] = {"boxes": [4], "scores": [], "labels": [], "keypoints": [joints, 2], "keypoint_scores": [joints]}
    shapes["from_heatmap"] = [joints]
    del graph.output[:]
    for name, rest in shapes.items():
        nodes.nodes.append(helper.make_node("Identity", [found[name]], [name]))
        shape = [facts.batch or "batch", "detections", *rest]
        graph.output.append(helper.make_tensor_value_info(name, _TYPES.get(name, TensorProto.FLOAT), shape))
    graph.node.extend(nodes.nodes)
    graph.initializer.extend(nodes.initializers)
