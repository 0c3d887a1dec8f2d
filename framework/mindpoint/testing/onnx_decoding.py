"""A decoder alone as an ONNX graph, run by ONNX Runtime."""

from __future__ import annotations

from typing import Dict, Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import helper

from mindpoint.contracts.decoder import OnnxDecoder
from mindpoint.contracts.instances import Detections
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.exporting.onnx_network import IR_VERSION, OPSET


def decoded(decoder: OnnxDecoder, maps: Mapping[str, np.ndarray], strides: Mapping[str, int]) -> Dict[str, np.ndarray]:
    """Return the results of :meth:`OnnxDecoder.onnx_nodes` for raw maps ``(B, C, H, W)``: arrays by name, coordinates in input pixels."""
    graph = OnnxGraph("decoder")
    given = decoder.onnx_nodes(graph, {name: name for name in maps}, {name: strides[name] for name in maps if name in strides})
    names = [field.name for field in (*Detections.own, *decoder.fields)]
    nodes = [*graph.nodes, *(helper.make_node("Identity", [given[name]], [name]) for name in names)]
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None, *values.shape[1:]]) for name, values in maps.items()]
    types = {field.name: helper.np_dtype_to_tensor_dtype(field.dtype) for field in (*Detections.own, *decoder.fields)}
    outputs = [helper.make_tensor_value_info(name, types[name], None) for name in names]
    whole = helper.make_graph(nodes, "decoder", inputs, outputs, graph.initializers)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(names, session.run(names, dict(maps))))
