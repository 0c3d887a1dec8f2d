"""MindSpore's operators as nodes of ONNX, opset 19."""

from mindpoint.exporting.onnx_operators import elementwise, interpolation, normalisation, pooling, products, shapes, tuples  # noqa: F401
from mindpoint.exporting.onnx_operators.table import OPERATORS

__all__ = ["OPERATORS"]
