"""A MindSpore network as an ONNX graph: compiled by MindSpore, its operators replaced by ONNX's one by one."""

from __future__ import annotations

from typing import Dict, List, Mapping, Sequence, Tuple

import onnx
from onnx import TensorProto, helper

from mindpoint.contracts.exporter import Exportable
from mindpoint.contracts.onnx_graph import OnnxGraph
from mindpoint.exporting.mindir import CompiledNetwork, compile_network
from mindpoint.exporting.onnx_call import Call, Conversion, Tensors
from mindpoint.exporting.onnx_operators import OPERATORS
from mindpoint.exporting.onnx_sizes import Shape, Sizes, other_shape
from mindpoint.native.exporting import Build, Export, export_in_progress

OPSET = 19  # the first that has DeformConv
IR_VERSION = 9  # the IR version of that opset; older runtimes reject newer ones


def network_model(model: Exportable) -> onnx.ModelProto:
    """Return the network with its inputs by name, ``image`` ``(B, 3, H, W)`` first, and one output per map, named after it.

    Raises:
        MindpointError: MindSpore cannot compile the network, an operator cannot be expressed in ONNX, or an operator depends on the input's
            size.
    """
    model.network.set_train(False)
    shape = (model.batch or 1, *model.size)
    network, builders = _compiled(model, shape)
    other, sizes, graph = network, None, OnnxGraph("network")
    if model.batch is None or model.dynamic_size:
        second = other_shape(shape, model.batch is None, model.dynamic_size, model.divisor)
        other, sizes = _compiled(model, second)[0], Sizes(graph, next(iter(model.channels)), shape, second)
    parameters = {parameter.name: parameter for parameter in model.network.get_parameters()}
    inputs: Dict[str, Tensors] = dict(zip(network.inputs, model.channels))
    conversion = Conversion(graph, network, other, parameters, sizes, inputs)
    for operation, twin in zip(network.operations, other.operations):
        call = Call(conversion, operation, twin)
        conversion.tensors[operation.output] = _converted(call, builders)
    for name, tensor in zip(model.maps, _outputs(conversion)):
        graph.nodes.append(helper.make_node("Identity", [tensor], [name]))
    return _model(model, graph, network)


def _compiled(model: Exportable, shape: Shape) -> Tuple[CompiledNetwork, Mapping[str, Build]]:
    """Return the network's operators for an input shape, and the builders of the placeholders among them."""
    with export_in_progress(Export("onnx", model.portable)) as export:
        return compile_network(model.network, list(model.zeros(*shape).values())), export.builders


def _converted(call: Call, builders: Mapping[str, Build]) -> Tensors:
    operator = call.operation.operator
    if operator == "Custom":
        build = builders.get(call.attribute("reg_op_name", ""))
        if build is not None:
            return build(call.conversion.graph, [call.tensor(number) for number in range(len(call))])
    elif operator in OPERATORS:
        return OPERATORS[operator](call)
    raise call.refused()


def _outputs(conversion: Conversion) -> List[str]:
    found: List[str] = []
    for name in conversion.network.outputs:
        tensors = conversion.tensors[name]
        found += tensors if isinstance(tensors, list) else [tensors]
    return found


def _model(model: Exportable, graph: OnnxGraph, network: CompiledNetwork) -> onnx.ModelProto:
    """Return the file's content for a graph. Axes that the caller may choose have names instead of numbers."""
    strides = {spec.stride for spec in model.maps.values()}
    inputs = [_described(name, network.shapes[source], model, "") for source, name in zip(network.inputs, model.channels)]
    outputs = []
    for name, spec in model.maps.items():
        prefix = "map_" if len(strides) == 1 else f"map{spec.stride}_"
        shape = (model.batch or 1, spec.channels, *(side // spec.stride for side in model.size))
        outputs.append(_described(name, shape, model, prefix))
    whole = helper.make_graph(graph.nodes, "network", inputs, outputs, graph.initializers)
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _described(name: str, shape: Sequence[int], model: Exportable, prefix: str) -> onnx.ValueInfoProto:
    batch = "batch" if model.batch is None else shape[0]
    size = [f"{prefix}height", f"{prefix}width"] if model.dynamic_size else shape[2:]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, shape[1], *size])
