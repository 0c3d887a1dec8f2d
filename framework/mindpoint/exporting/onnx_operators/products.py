"""Convolutions, dense layers and matrix products."""

from __future__ import annotations

from mindpoint.exporting.onnx_call import Call, Tensors
from mindpoint.exporting.onnx_operators.table import converts, pads_of


@converts("BatchMatMul", "MatMul", "MatMulExt")
def _matmul(call: Call) -> Tensors:
    factors = [call.tensor(0), call.tensor(1)]
    for number, argument in ((0, 2), (1, 3)):
        if call.given(argument) and call.constant(argument):
            rank = call.rank(number)
            factors[number] = call.add("Transpose", factors[number], perm=[*range(rank - 2), rank - 1, rank - 2])
    return call.add("MatMul", *factors)


@converts("Dense")
def _dense(call: Call) -> Tensors:
    y = call.add("MatMul", call.x, call.add("Transpose", call.tensor(1), perm=[1, 0]))
    return call.add("Add", y, call.tensor(2)) if call.given(2) else y


@converts("Conv2D", "Conv3D")
def _convolution(call: Call) -> Tensors:
    spatial = call.rank() - 2
    padding = {"auto_pad": "SAME_UPPER"} if call.text("pad_mode") == "same" else {"pads": pads_of(call)}
    return call.add(
        "Conv",
        *(call.tensor(number) for number in range(len(call))),
        kernel_shape=call.shapes(1)[0][2:],
        strides=call.attribute("stride")[-spatial:],
        dilations=call.attribute("dilation")[-spatial:],
        group=call.attribute("group"),
        **padding,
    )


@converts("Conv2DExt")
def _extended_convolution(call: Call) -> Tensors:
    pads = call.constant(4)
    if isinstance(pads, int):
        raise call.refused("has its padding given by name, which cannot be exported to ONNX")
    return call.add(
        "Conv",
        *(call.tensor(number) for number in (0, 1, 2) if call.given(number)),
        kernel_shape=call.shapes(1)[0][2:],
        strides=call.constant(3),
        pads=[*pads, *pads],
        dilations=call.constant(5),
        group=call.constant(6),
    )


@converts("Conv2DTranspose")
def _transposed_convolution(call: Call) -> Tensors:
    strides, dilations = call.attribute("stride")[-2:], call.attribute("dilation")[-2:]
    kernel, size, out = call.shapes(1)[0][2:], call.shapes(0)[0][2:], call.shapes()[0][2:]
    whole = [(size[i] - 1) * strides[i] + dilations[i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    if call.text("pad_mode") == "same":
        surplus = [max(whole[i] - out[i], 0) for i in (0, 1)]
        pads = [*(total // 2 for total in surplus), *(total - total // 2 for total in surplus)]
    else:
        pads = pads_of(call)
    return call.add(
        "ConvTranspose",
        call.x,
        call.tensor(1),
        kernel_shape=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=call.attribute("group"),
        output_padding=[out[i] - whole[i] + pads[i] + pads[2 + i] for i in (0, 1)],
    )
