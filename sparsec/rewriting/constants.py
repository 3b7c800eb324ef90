# SPDX-License-Identifier: Apache-2.0
"""Constants that passes change: a new value under the name of the old one."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.quantization.ranges import minimum_weight_scale, quantize, weight_scales
from sparsec.quantization.scheme import Quantization


def erase_unused(values: Iterable[SSAValue]) -> None:
    """Erase the constants among `values` that nothing reads."""
    for value in dict.fromkeys(values):
        if isinstance(value.owner, nn.ConstantOp) and value.first_use is None:
            Rewriter.erase_op(value.owner)


def check_constants(module: ModuleOp) -> None:
    """PassFailedException if a weight is NaN or infinite."""
    for op in module.walk():
        if isinstance(op, nn.ConstantOp) and not np.all(np.isfinite(op.array)):
            raise PassFailedException(
                f"{op.name_in_model or 'a constant'} holds NaN or infinity; "
                "train or load the model again"
            )


def constant_of(
    array: np.ndarray[Any, Any],
    dtype: "np.dtype[Any] | type[np.float32]",
    label: str | StringAttr | None,
) -> nn.ConstantOp:
    """A constant of `dtype`; a number too large for it becomes infinite, which `check_constants` refuses."""
    with np.errstate(over="ignore"):
        return nn.ConstantOp(array.astype(dtype), label)


def replace_constant(user: Operation, index: int, array: np.ndarray[Any, Any]) -> None:
    """Operand `index` of `user`, a constant, becomes `array` at the old element type and name.

    The old constant stays, for its other users or for `erase_unused`.
    """
    old = user.operands[index]
    constant = old.owner
    assert isinstance(constant, nn.ConstantOp)
    new = constant_of(array, constant.array.dtype, constant.label)
    new.result.name_hint = old.name_hint
    Rewriter.insert_op(new, InsertPoint.before(user))
    user.operands[index] = new.result


def replace_weights(
    layer: nn.WeightedOp, weights: np.ndarray[Any, Any], bias: np.ndarray[Any, Any]
) -> None:
    """Give `layer` other weights and another bias, under the same names."""
    old = (layer.weights, layer.bias)
    replace_constant(layer, 1, weights)
    replace_constant(layer, 2, bias)
    erase_unused(old)


def quantize_constant(
    user: Operation, index: int, quantization: Quantization, lowest: int = -128
) -> None:
    """Operand `index` of `user`, a float constant, becomes the dequantize of an int8 constant."""
    old = user.operands[index]
    constant = old.owner
    assert isinstance(constant, nn.ConstantOp)
    scales = quantization.scales if quantization.axis is not None else quantization.scale
    array = quantize(constant.array, scales, quantization.zero_point, quantization.axis, lo=lowest)
    stored = nn.ConstantOp(array, constant.label)
    stored.result.name_hint = old.name_hint
    dequantize = nn.DequantizeOp(stored.result, quantization)
    Rewriter.insert_op((stored, dequantize), InsertPoint.before(user))
    user.operands[index] = dequantize.result
    erase_unused([old])


def weight_quantization(op: nn.WeightedOp, input_scale: float, axis: int | None) -> Quantization:
    """Scales for the weights of `op` along `axis`, such that its bias fits int32."""
    weights, bias = constant_array(op.weights), constant_array(op.bias)
    if weights is None or bias is None:
        raise PassFailedException(f"{layer_of(op)}: its weights and bias must be constants")
    minimum = minimum_weight_scale(bias, input_scale)
    if axis is None:
        minimum = minimum.max(keepdims=True)
    try:
        scales = weight_scales(weights, axis, minimum=minimum)
    except ValueError as error:
        raise PassFailedException(f"{layer_of(op)}: {error}") from error
    return Quantization(tuple(scales.tolist()), 0, axis)
