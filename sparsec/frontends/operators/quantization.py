# SPDX-License-Identifier: Apache-2.0
"""Quantize and dequantize, as torch and torchao write them into an exported graph.

The IR holds int8: what torch holds in uint8 is shifted by 128, which changes no real value.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from xdsl.ir import Block

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Activation, Array, Parameter, Tensor
from sparsec.ir import nn
from sparsec.quantization.scheme import Bounds, Quantization


@dataclass(frozen=True)
class TorchScheme:
    """Scales and zero points over all of a tensor (axis None) or along an axis; the stored range."""

    scales: Array
    zero_points: Array
    axis: int | None
    low: int
    high: int

    def along(self, array: Array, rank: int) -> Array:
        """Scales or zero points in a shape that broadcasts."""
        shape = [1] * rank
        if self.axis is not None:
            shape[self.axis] = -1
        return array.reshape(shape)


def scheme_of(call: Call) -> TorchScheme:
    """The scheme that a call of quantized_decomposed names."""
    return TorchScheme(
        values_of(call, "scales" if "scales" in call.arguments else "scale"),
        values_of(call, "zero_points" if "zero_points" in call.arguments else "zero_point"),
        call.integer("axis") if call.given("axis") else None,
        call.integer("quant_min"),
        call.integer("quant_max"),
    )


def affine_scheme_of(call: Call) -> TorchScheme:
    """The scheme that a call of torchao names: blocks of the whole tensor, or of all but one axis."""
    shape, block = call.tensor("input").shape, call.integers("block_size")
    if len(block) != len(shape):
        raise UnsupportedError("its block_size does not fit its input")
    split = [axis for axis in range(1, len(shape)) if block[axis] not in (-1, shape[axis])]
    scales = values_of(call, "scale").reshape(-1)
    if scales.size > 1 and (block[0] != 1 or split) and split != [1]:
        raise UnsupportedError("only scales for a tensor or for each channel are supported")
    axis = None
    if scales.size > 1:
        axis = split[0] if split else 0
        if scales.size != shape[axis]:
            raise UnsupportedError("only scales for a tensor or for each channel are supported")
    zero_points = values_of(call, "zero_point") if call.given("zero_point") else np.zeros(1)
    return TorchScheme(
        scales,
        zero_points.reshape(-1),
        axis,
        call.integer("quant_min") if call.given("quant_min") else -128,
        call.integer("quant_max") if call.given("quant_max") else 127,
    )


def values_of(call: Call, name: str) -> Array:
    """A number or a constant as a vector."""
    if isinstance(call.arguments.get(name), int | float):
        return np.array([call.number(name)])
    return call.parameter(name).array.reshape(-1)


def quantization_of(scheme: TorchScheme) -> Quantization:
    """The scheme of the int8 tensor. Raises UnsupportedError for what does not fit int8."""
    width = scheme.high - scheme.low
    if width > 255:
        raise UnsupportedError(f"it stores [{scheme.low}, {scheme.high}], which is not 8 bits")
    shift = 128 if scheme.low >= 0 and scheme.high > 127 else 0
    zero_points = {int(z) - shift for z in scheme.zero_points}
    if len(zero_points) != 1:
        raise UnsupportedError("its zero points differ between channels")
    try:
        return Quantization(tuple(float(s) for s in scheme.scales), zero_points.pop(), scheme.axis)
    except ValueError as error:
        raise UnsupportedError(str(error)) from error


def quantize_with(builder: Builder, value: Tensor, scheme: TorchScheme) -> Tensor:
    """Real numbers to stored ones."""
    quantization = quantization_of(scheme)
    if isinstance(value, Activation):
        if scheme.high - scheme.low != 255:
            value = within(builder, value, scheme)
        return builder.add(nn.QuantizeOp(value.ssa, in_memory(quantization, value)), value.order)
    real, rank = value.values(), value.array.ndim
    # As torch computes it: 1 / scale in the precision of the scale, a product in float32.
    inverse = scheme.along(1 / scheme.scales, rank).astype(np.float32)
    stored = np.rint(real * inverse) + scheme.along(scheme.zero_points, rank)
    clipped = np.clip(stored, scheme.low, scheme.high)
    dtype = np.uint8 if scheme.high > 127 else np.int8
    return Parameter(value.name, clipped.astype(dtype))


def within(builder: Builder, value: Activation, scheme: TorchScheme) -> Activation:
    """`value` in the range that a scheme keeps of int8.

    An input is the caller's in all of int8; that it could be -128 where [-127, 127] is kept makes nothing of it.
    """
    if isinstance(value.ssa.owner, Block):
        if scheme.high - scheme.low == 254:
            return value
        quantization = quantization_of(scheme)
        stored = builder.add(nn.QuantizeOp(value.ssa, quantization), value.order)
        value = builder.add(nn.DequantizeOp(stored.ssa, quantization), value.order)
    if scheme.axis is not None:
        raise UnsupportedError(
            f"an activation is kept in [{scheme.low}, {scheme.high}], with scales for each channel"
        )
    (scale,), (zero_point,) = scheme.scales.tolist(), scheme.zero_points.tolist()
    low, high = ((number - zero_point) * scale for number in (scheme.low, scheme.high))
    return builder.add(nn.ClampOp(value.ssa, Bounds(low, high)), value.order)


def dequantize_with(builder: Builder, value: Tensor, scheme: TorchScheme) -> Tensor:
    """Stored numbers to real ones."""
    if isinstance(value, Activation):
        quantization = in_memory(quantization_of(scheme), value)
        return builder.add(nn.DequantizeOp(value.ssa, quantization), value.order)
    array, rank = value.array, value.array.ndim
    if array.dtype not in (np.int8, np.uint8):  # a bias in int32
        offset = array - scheme.along(scheme.zero_points, rank).astype(np.int64)
        real = offset * scheme.along(scheme.scales, rank)
        return Parameter(value.name, real.astype(np.float32))
    quantization = quantization_of(scheme)
    if array.dtype == np.uint8:
        shift = 128 if scheme.high > 127 else 0
        array = (array.astype(np.int16) - shift).astype(np.int8)
    return Parameter(value.name, array, quantization)


def in_memory(quantization: Quantization, value: Activation) -> Quantization:
    """The scheme with its axis where the tensor holds it."""
    if quantization.axis is None:
        return quantization
    return Quantization(
        quantization.scales, quantization.zero_point, value.order.index(quantization.axis)
    )


def quantize(builder: Builder, call: Call) -> Tensor:
    """quantized_decomposed.quantize_per_tensor and quantize_per_channel."""
    return quantize_with(builder, call.tensor("input"), scheme_of(call))


def dequantize(builder: Builder, call: Call) -> Tensor:
    """quantized_decomposed.dequantize_per_tensor and dequantize_per_channel."""
    return dequantize_with(builder, call.tensor("input"), scheme_of(call))


def quantize_affine(builder: Builder, call: Call) -> Tensor:
    """torchao.quantize_affine."""
    return quantize_with(builder, call.tensor("input"), affine_scheme_of(call))


def dequantize_affine(builder: Builder, call: Call) -> Tensor:
    """torchao.dequantize_affine."""
    return dequantize_with(builder, call.tensor("input"), affine_scheme_of(call))


QUANTIZATION: Mapping[str, Operator] = {
    "quantized_decomposed.quantize_per_tensor": quantize,
    "quantized_decomposed.quantize_per_channel": quantize,
    "quantized_decomposed.dequantize_per_tensor": dequantize,
    "quantized_decomposed.dequantize_per_channel": dequantize,
    "torchao.quantize_affine": quantize_affine,
    "torchao.dequantize_affine": dequantize_affine,
}
