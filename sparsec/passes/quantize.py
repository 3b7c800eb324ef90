"""`quantize`: from measured ranges to quantize/dequantize pairs.

    %y = nn.linear %x, %w, %b {nn.range = array<f64: -1.0, 1.0>}
        becomes
    %w1 = nn.dequantize %w0 <..>            the weights in int8, a scale for each channel
    %y0 = nn.linear %x, %w1, %b
    %y1 = nn.quantize %y0 <..>
    %y = nn.dequantize %y1 <..>

Every argument, result of a layer and constant that is read as one gets such a pair, unless it has
one already. Biases stay in float: their scale follows from the others.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.ranges import Range, range_of
from sparsec.ir import nn
from sparsec.ir.layer import copy_layer, layer_of
from sparsec.passes.constants import erase_unused
from sparsec.passes.fold_qdq import FIXED_OUTPUT
from sparsec.quantization.ranges import (
    activation_qparams,
    minimum_weight_scale,
    quantize,
    weight_scales,
)
from sparsec.quantization.scheme import Quantization

KEEPS_QUANTIZATION = (nn.MaxPool2dOp, nn.AvgPool2dOp, nn.ReshapeOp, nn.TransposeOp, nn.PadOp)
"""Layers whose result has the scale of their input."""

NO_LAYER = (nn.ConstantOp, nn.QuantizeOp, nn.DequantizeOp)

NO_RANGE = (
    "has no measured range: give --calibrate FILE.npz, "
    "or export the model with a batch of real example inputs"
)


def quantization_for(measured: Range) -> Quantization:
    """The per-tensor quantization of values in a range."""
    scale, zero_point = activation_qparams(*measured)
    return Quantization((scale,), zero_point)


def described(value: SSAValue) -> str:
    """`value` in an error message."""
    owner = value.owner
    if isinstance(owner, Block):
        return f"input {list(owner.args).index(value)}"
    return f"{layer_of(owner)} ({owner.name})"


def only_user(value: SSAValue) -> Operation | None:
    """The operation that reads `value`, if it is one and reads it once."""
    use = value.get_unique_use()
    return None if use is None else use.operation


def asked_for(value: SSAValue) -> Quantization | None:
    """The quantization that a Q/DQ graph already gives to `value`, maybe behind a layer that keeps it."""
    for use in value.uses:
        user = use.operation
        if isinstance(user, nn.QuantizeOp):
            return user.quantization.data
        if isinstance(user, KEEPS_QUANTIZATION):
            found = asked_for(user.result)
            if found is not None:
                return found
    return None


@dataclass
class Quantizer:
    """One function on its way to Q/DQ form; `chosen` holds what a concat asks of its operands."""

    block: Block
    linear_axis: int | None
    chosen: dict[SSAValue, Quantization] = field(default_factory=dict[SSAValue, Quantization])

    def run(self) -> None:
        """Insert all pairs, front to back: the input of a layer is quantized before the layer."""
        layers = [op for op in self.block.ops if op.results and not isinstance(op, NO_LAYER)]
        self.choose_for_concats(layers)
        for argument in self.block.args:
            self.quantize_result(argument, None)
        for op in layers:
            self.quantize_constants(op)
            if isinstance(op, nn.WeightedOp):
                self.quantize_weights(op)
            if isinstance(op, nn.ConcatOp):
                self.requantize_operands(op)
            self.quantize_result(op.results[0], self.rule(op))
        terminator = self.block.last_op
        assert terminator is not None
        self.quantize_constants(terminator)

    def measured(self, value: SSAValue) -> Quantization:
        """The quantization of a value by its own range. PassFailedException if it has none."""
        found = self.chosen.get(value) or asked_for(value)
        if found is not None:
            return found
        measured = range_of(value)
        if measured is None:
            raise PassFailedException(f"{described(value)} {NO_RANGE}")
        try:
            return quantization_for(measured)
        except ValueError as error:
            raise PassFailedException(f"{described(value)}: {error}") from error

    def rule(self, op: Operation) -> Quantization | None:
        """The quantization that the result of `op` must have; None if its range decides."""
        if isinstance(op, KEEPS_QUANTIZATION):
            return self.input_of(op, op.input)
        if isinstance(op, nn.SoftmaxOp):
            return FIXED_OUTPUT["softmax"]
        if isinstance(op, nn.ActivationOp) and not asked_for(op.result):
            return FIXED_OUTPUT.get(op.function.data)
        return None

    def input_of(self, op: Operation, value: SSAValue) -> Quantization:
        """The quantization of an operand of `op`."""
        if isinstance(value.owner, nn.DequantizeOp):
            return value.owner.quantization.data
        raise PassFailedException(f"{layer_of(op)}: its input {described(value)} is not quantized")

    def choose_for_concats(self, layers: list[Operation]) -> None:
        """Let what is only read by a concat be produced as the concat wants it, outer ones first."""
        for op in reversed(layers):
            if not isinstance(op, nn.ConcatOp):
                continue
            self.chosen[op.result] = wanted = self.measured(op.result)
            for value in op.inputs:
                while isinstance(value.owner, KEEPS_QUANTIZATION) and only_user(value):
                    value = value.owner.input
                owner = value.owner
                free = isinstance(owner, Operation) and not isinstance(
                    owner, (*NO_LAYER, nn.SoftmaxOp)
                )
                if isinstance(owner, nn.ActivationOp):
                    free = owner.function.data not in FIXED_OUTPUT
                if free and only_user(value):
                    self.chosen[value] = wanted

    def requantize_operands(self, op: nn.ConcatOp) -> None:
        """Operands in another quantization than the concat's go through a pair of their own."""
        wanted = self.chosen[op.result]
        for index, value in enumerate(op.inputs):
            if self.input_of(op, value) != wanted:
                pair = self.pair(op, value, wanted)
                Rewriter.insert_op(pair, InsertPoint.before(op))
                op.operands[index] = pair[1].result

    def pair(
        self, layer: Operation | None, value: SSAValue, quantization: Quantization
    ) -> tuple[nn.QuantizeOp, nn.DequantizeOp]:
        """quantize and dequantize of `value`, not yet inserted."""
        q = nn.QuantizeOp(value, quantization)
        dq = nn.DequantizeOp(q.result, quantization)
        if layer is not None:
            copy_layer(layer, q)
            copy_layer(layer, dq)
        return q, dq

    def quantize_result(self, value: SSAValue, rule: Quantization | None) -> None:
        """A pair after `value`, unless all its users quantize it."""
        users = [use.operation for use in value.uses]
        if all(
            isinstance(user, nn.QuantizeOp) and rule in (None, user.quantization.data)
            for user in users
        ):
            return
        quantization = rule or self.measured(value)
        uses = [
            use
            for use in value.uses
            if not isinstance(use.operation, nn.QuantizeOp)
            or use.operation.quantization.data != quantization
        ]
        owner = value.owner
        pair = self.pair(owner if isinstance(owner, Operation) else None, value, quantization)
        at_start = isinstance(owner, Block)
        Rewriter.insert_op(
            pair, InsertPoint.at_start(owner) if at_start else InsertPoint.after(owner)
        )
        for use in uses:
            use.operation.operands[use.index] = pair[1].result

    def quantize_constants(self, op: Operation) -> None:
        """Constants that `op` reads as it reads a layer's result, per tensor."""
        parameters = 1 if isinstance(op, nn.WeightedOp) else len(op.operands)
        for index, value in enumerate(op.operands[:parameters]):
            constant = value.owner
            if not isinstance(constant, nn.ConstantOp):
                continue
            wanted = self.chosen.get(op.results[0]) if isinstance(op, nn.ConcatOp) else None
            measured = float(constant.array.min()), float(constant.array.max())
            self.dequantize_constant(op, index, wanted or quantization_for(measured))

    def quantize_weights(self, op: nn.WeightedOp) -> None:
        """The weights of `op` as int8, with scales that let its bias fit int32."""
        weights, bias = op.weights.owner, op.bias.owner
        if isinstance(weights, nn.DequantizeOp):
            return
        if not isinstance(weights, nn.ConstantOp) or not isinstance(bias, nn.ConstantOp):
            raise PassFailedException(f"{layer_of(op)}: its weights and bias must be constants")
        axis = 3 if isinstance(op, nn.DepthwiseConv2dOp) else 0
        if isinstance(op, nn.LinearOp):
            axis = self.linear_axis
        minimum = minimum_weight_scale(bias.array, self.input_of(op, op.input).scale)
        try:
            scales = weight_scales(
                weights.array, axis, minimum=minimum if axis is not None else minimum.max()
            )
        except ValueError as error:
            raise PassFailedException(f"{layer_of(op)}: {error}") from error
        self.dequantize_constant(op, 1, Quantization(tuple(scales.tolist()), 0, axis), lowest=-127)

    def dequantize_constant(
        self, op: Operation, index: int, quantization: Quantization, lowest: int = -128
    ) -> None:
        """Replace operand `index` of `op`, a constant, by its int8 form and a dequantize."""
        old = op.operands[index]
        constant = old.owner
        assert isinstance(constant, nn.ConstantOp)
        scales = quantization.scales if quantization.axis is not None else quantization.scale
        array = quantize(
            constant.array, scales, quantization.zero_point, quantization.axis, lo=lowest
        )
        stored = nn.ConstantOp(array, constant.label)
        dequantize = nn.DequantizeOp(stored.result, quantization)
        stored.result.name_hint = old.name_hint
        Rewriter.insert_op((stored, dequantize), InsertPoint.before(op))
        op.operands[index] = dequantize.result
        erase_unused([old])


@dataclass(frozen=True)
class QuantizePass(ModulePass):
    """Puts a float network with measured ranges into Q/DQ form.

    PassFailedException, naming the layer, where a range is missing.
    """

    name = "quantize"

    linear_weights: Literal["per-channel", "per-tensor"] = "per-channel"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        axis = 0 if self.linear_weights == "per-channel" else None
        for norm in op.walk():
            if isinstance(norm, nn.BatchNormOp):
                raise PassFailedException(
                    f"{layer_of(norm)}: a batch normalization cannot be quantized, "
                    "run fold-batch-norm first"
                )
        for function in op.ops:
            if isinstance(function, FuncOp) and any(
                inner.name.startswith("nn.") for inner in function.body.walk()
            ):
                Quantizer(function.body.block, axis).run()
