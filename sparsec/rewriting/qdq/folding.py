# SPDX-License-Identifier: Apache-2.0
"""What `fold-qdq` knows while it converts a function: which float values are already stored in int8."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import nn, qnn
from sparsec.ir.layer import copy_layer, layer_of
from sparsec.ir.moved import copy_moves
from sparsec.quantization.params import FULL_RANGE, Clamp, Rescale
from sparsec.quantization.ranges import quantize
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Bounds, Quantization

Array: TypeAlias = np.ndarray[Any, Any]


def fail(op: Operation, message: str) -> PassFailedException:
    """An error about the layer `op` belongs to."""
    return PassFailedException(f"{layer_of(op)}: {message}")


def integer_clamp(bounds: Bounds | None, quantization: Quantization) -> Clamp:
    """`bounds` in the int8 values of a tensor with `quantization`."""
    if bounds is None:
        return FULL_RANGE
    low, high = (
        int(quantize(bound, quantization.scale, quantization.zero_point))
        for bound in (bounds.min, bounds.max)
    )
    return low, high


def rescaling(source: Quantization, target: Quantization, bounds: Bounds | None = None) -> Rescale:
    """The numbers that take int8 values from one quantization to another."""
    multiplier, shift = quantize_multiplier(source.scale / target.scale)
    clamp = integer_clamp(bounds, target)
    return Rescale(source.zero_point, multiplier, shift, target.zero_point, clamp)


@dataclass(frozen=True)
class Stored:
    """The int8 value that stands for a float value of the graph."""

    value: SSAValue
    quantization: Quantization


@dataclass
class Folding:
    """One function on its way from `nn` to `qnn`: which float values are already stored in int8."""

    stored: dict[SSAValue, Stored] = field(default_factory=dict[SSAValue, Stored])
    int8: dict[SSAValue, SSAValue] = field(default_factory=dict[SSAValue, SSAValue])

    def result(self, terminator: Operation, operand: SSAValue) -> Stored:
        """What the function returns for `operand`."""
        if operand in self.stored:
            return self.stored[operand]
        if isinstance(operand.owner, nn.QuantizeOp):
            return Stored(self.int8[operand], operand.owner.quantization.data)
        if isinstance(operand.owner, Operation):
            raise fail(operand.owner, "the result of the network is not quantized")
        raise PassFailedException("the network returns an input that is not quantized")

    def emit(self, op: Operation, new: Operation) -> SSAValue:
        """Insert `new` in the place of `op`; returns its result."""
        Rewriter.insert_op(new, InsertPoint.before(op))
        copy_layer(op, new)
        if isinstance(new, qnn.WeightedOp):
            copy_moves(op, new)
        if op.results:
            new.results[0].name_hint = op.results[0].name_hint
        return new.results[0]

    def constant(self, op: Operation, array: Array, label: str) -> SSAValue:
        """A constant that belongs to the layer `op`."""
        constant = qnn.ConstantOp(array, label)
        Rewriter.insert_op(constant, InsertPoint.before(op))
        return constant.result

    def input(self, op: Operation, value: SSAValue) -> Stored:
        """The int8 form of an operand of `op`."""
        if value not in self.stored:
            raise fail(op, "its input is not quantized: give calibration data, or a Q/DQ pair")
        return self.stored[value]

    def rescaled(self, op: Operation, source: Stored, target: Quantization) -> SSAValue:
        """`source` in another quantization."""
        if source.quantization == target:
            return source.value
        return self.emit(op, qnn.RescaleOp(source.value, rescaling(source.quantization, target)))

    def output_of(self, op: Operation, default: Quantization | None = None) -> Quantization:
        """The quantization that the users of a layer ask for, else `default`."""
        for use in op.results[0].uses:
            if isinstance(use.operation, nn.QuantizeOp):
                return use.operation.quantization.data
        if default is None:
            raise fail(op, "its result is not quantized: give calibration data, or a Q/DQ pair")
        return default

    def finish(self, op: Operation, value: SSAValue, quantization: Quantization) -> None:
        """Remember `value` as the int8 form of the result of `op`."""
        self.stored[op.results[0]] = Stored(value, quantization)
