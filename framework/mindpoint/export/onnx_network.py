"""A MindSpore network as an ONNX graph: MindSpore's exporter, then what it leaves to be mended."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Dict, Mapping, Tuple

import mindspore as ms
import onnx
from onnx import helper, version_converter

from mindpoint.contracts.exporter import Exportable
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.errors import MindpointError
from mindpoint.export.fresh_graph import FreshGraph
from mindpoint.export.onnx_dynamic import free_sizes
from mindpoint.native.exporting import Build, Export, export_in_progress

OPSET = 19  # the first that has DeformConv
IR_VERSION = 9  # the one that came with it; older runtimes refuse newer ones

Shape = Tuple[int, int, int]


def network_model(model: Exportable) -> onnx.ModelProto:
    """Return the network with its inputs by name, ``image`` ``(B, 3, H, W)`` first, and one output a map, named after it.

    Raises:
        MindpointError: MindSpore's exporter does not know one of the network's operators, or one is bound to its input's size.
    """
    model.network.set_train(False)
    shape = (model.batch or 1, *model.size)
    graph, builders = _exported(model, shape)
    if model.batch is None or model.dynamic_size:
        other, _ = _exported(model, _other(model, shape))
        free_sizes(graph.graph, other.graph)
    _rename(graph.graph, {value.name: name for value, name in zip(graph.graph.input, model.channels)})
    _rename(graph.graph, {value.name: name for value, name in zip(graph.graph.output, model.maps)})
    graph = version_converter.convert_version(graph, OPSET)
    graph.ir_version = IR_VERSION
    _replace_standins(graph.graph, builders)
    _name_dimensions(graph.graph, model)
    return graph


def _other(model: Exportable, shape: Shape) -> Shape:
    """Return another shape that the file is to take."""
    batch, height, width = shape
    step = model.divisor if model.dynamic_size else 0
    return batch + (model.batch is None), height + step, width + 2 * step


def _exported(model: Exportable, shape: Shape) -> Tuple[onnx.ModelProto, Mapping[str, Build]]:
    """Return what MindSpore's exporter gives for this shape (opset 11, stand-ins in it), and what replaces the stand-ins."""
    inputs = [ms.Tensor(array) for array in model.zeros(*shape).values()]
    with tempfile.TemporaryDirectory() as folder, export_in_progress(Export("onnx", model.portable)) as export:
        path = Path(folder) / "network.onnx"
        try:
            ms.export(FreshGraph(model.network), *inputs, file_name=str(path), file_format="ONNX")
        except (RuntimeError, ValueError, TypeError) as error:
            raise MindpointError(f"MindSpore cannot export this network to ONNX: {str(error).splitlines()[0]}") from error
        graph = onnx.load(str(path))
    for node in graph.graph.node:
        if node.op_type == "ConvTranspose":
            _mend_output_shape(node)
        elif node.op_type in export.builders:
            node.domain = "mindpoint"  # the converter passes over what is in a domain that it does not know
    graph.opset_import.append(helper.make_opsetid("mindpoint", 1))
    return graph, export.builders


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


def _name_dimensions(graph: onnx.GraphProto, model: Exportable) -> None:
    """Write names in place of the numbers of what a caller may choose; the maps' sizes follow from the input's."""
    del graph.value_info[:]  # they speak of the shape that was exported
    names = {0: "batch"} if model.batch is None else {}
    if model.dynamic_size:
        names.update({2: "height", 3: "width"})
    strides = {spec.stride for spec in model.maps.values()}
    for value in (*graph.input, *graph.output):
        for axis, name in names.items():
            prefix = ""
            if axis and value.name in model.maps:
                prefix = "map_" if len(strides) == 1 else f"map{model.maps[value.name].stride}_"
            value.type.tensor_type.shape.dim[axis].dim_param = prefix + name
