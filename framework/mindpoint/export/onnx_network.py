"""A MindSpore network as an ONNX graph: MindSpore's exporter, then what it leaves to be mended."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Dict, Mapping, Sequence, Tuple

import mindspore as ms
import numpy as np
import onnx
from onnx import helper, version_converter

from mindpoint.model.network import Network
from mindpoint.errors import MindpointError
from mindpoint.export.fresh_graph import FreshGraph
from mindpoint.native.exporting import Build, Export, export_in_progress
from mindpoint.export.onnx_dynamic import free_sizes
from mindpoint.contracts.onnx_graph import OnnxGraph

OPSET = 19  # the first that has DeformConv
IR_VERSION = 9  # the one that came with it; older runtimes refuse newer ones
INPUT = "image"

Shape = Tuple[int, int, int]


def network_model(network: Network, shape: Shape, dynamic: Sequence[str], portable: bool) -> onnx.ModelProto:
    """The network with the input ``image`` ``(B, 3, H, W)`` and one output a map, named after it.

    Args:
        network: it is left in testing mode.
        shape: ``(B, H, W)`` of the input.
        dynamic: ``batch``, ``size`` or both: what a caller of the file may choose.
        portable: no operators that not every runtime has.

    Raises:
        MindpointError: MindSpore's exporter does not know one of the network's operators, or one is bound to its input's size.
    """
    network.set_train(False)
    batch, height, width = shape
    model, builders = _exported(network, (batch, 3, height, width), portable)
    if dynamic:
        step = network.divisor if "size" in dynamic else 0
        other, _ = _exported(network, (batch + ("batch" in dynamic), 3, height + step, width + 2 * step), portable)
        free_sizes(model.graph, other.graph)
    _rename(model.graph, {model.graph.input[0].name: INPUT})
    _rename(model.graph, {output.name: name for output, name in zip(model.graph.output, network.maps)})
    model = version_converter.convert_version(model, OPSET)
    model.ir_version = IR_VERSION
    _replace_standins(model.graph, builders)
    _name_dimensions(model.graph, dynamic)
    return model


def _exported(network: Network, shape: Sequence[int], portable: bool) -> Tuple[onnx.ModelProto, Mapping[str, Build]]:
    """What MindSpore's exporter gives for this shape (opset 11, stand-ins in it), and what replaces the stand-ins."""
    with tempfile.TemporaryDirectory() as folder, export_in_progress(Export("onnx", portable)) as export:
        path = Path(folder) / "network.onnx"
        try:
            ms.export(FreshGraph(network), ms.Tensor(np.zeros(shape, np.float32)), file_name=str(path), file_format="ONNX")
        except (RuntimeError, ValueError, TypeError) as error:
            raise MindpointError(f"MindSpore cannot export this network to ONNX: {str(error).splitlines()[0]}") from error
        model = onnx.load(str(path))
    for node in model.graph.node:
        if node.op_type == "ConvTranspose":
            _mend_output_shape(node)
        elif node.op_type in export.builders:
            node.domain = "mindpoint"  # the converter passes over what is in a domain that it does not know
    model.opset_import.append(helper.make_opsetid("mindpoint", 1))
    return model, export.builders


def _mend_output_shape(node: onnx.NodeProto) -> None:
    """The exporter writes all four sizes where ONNX wants two, and so binds the batch; what they say is the padding of the output."""
    values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    shape = values.pop("output_shape", None)
    if shape is None:
        return
    strides, pads = values["strides"], values["pads"]
    spread = [dilation * (kernel - 1) + 1 for dilation, kernel in zip(values["dilations"], values["kernel_shape"])]
    values["output_padding"] = [(shape[2 + i] + pads[i] + pads[2 + i] - spread[i]) % strides[i] for i in (0, 1)]
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(name, value) for name, value in values.items())


def _rename(graph: onnx.GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors other names wherever they stand."""
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for values in (graph.input, graph.output):
        for value in values:
            value.name = names.get(value.name, value.name)


def _replace_standins(graph: onnx.GraphProto, builders: Mapping[str, Build]) -> None:
    nodes = []
    results: Dict[str, str] = {}
    for index, node in enumerate(graph.node):
        node.input[:] = [results.get(value, value) for value in node.input]
        if node.op_type in builders and node.domain == "mindpoint":
            added = OnnxGraph(prefix=f"op{index}")
            results[node.output[0]] = builders[node.op_type](added, list(node.input))
            nodes += added.nodes
            graph.initializer.extend(added.initializers)
        else:
            nodes.append(node)
    for output in graph.output:
        if output.name in results:
            nodes.append(helper.make_node("Identity", [results[output.name]], [output.name]))
    del graph.node[:]
    graph.node.extend(nodes)


def _name_dimensions(graph: onnx.GraphProto, dynamic: Sequence[str]) -> None:
    """Names in place of the numbers of what a caller may choose; the maps' sizes follow from the input's."""
    del graph.value_info[:]  # they speak of the shape that was exported
    names = {0: "batch"} if "batch" in dynamic else {}
    if "size" in dynamic:
        names.update({2: "height", 3: "width"})
    for value in (*graph.input, *graph.output):
        for axis, name in names.items():
            of_map = "map_" if axis and value.name != INPUT else ""
            value.type.tensor_type.shape.dim[axis].dim_param = of_map + name
