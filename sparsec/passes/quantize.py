# SPDX-License-Identifier: Apache-2.0
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

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, TypeGuard

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.dialects.func import FuncOp
from xdsl.ir import Block, BlockArgument, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.values.ranges import Range, range_of
from sparsec.ir import nn
from sparsec.ir.layer import copy_layer, layer_of
from sparsec.ir.level import is_float
from sparsec.ir.shapes import element_type
from sparsec.quantization.ranges import activation_qparams
from sparsec.quantization.scheme import Quantization
from sparsec.rewriting.constants import check_constants, quantize_constant, weight_quantization
from sparsec.rewriting.qdq.conversions.activation import FIXED_OUTPUT, TRUTH, carried, fixed_output
from sparsec.rewriting.qdq.conversions.boundary import BYTES

LinearWeights: TypeAlias = Literal["per-channel", "per-tensor"]

WITH_PARAMETERS = (nn.WeightedOp, nn.NormalizeOp, nn.ResampleOp)
"""Layers whose other operands are their own numbers."""

NO_LAYER = (nn.ConstantOp, nn.QuantizeOp, nn.DequantizeOp)

NO_RANGE = (
    "has no measured range: give --calibrate FILE.npz, "
    "or export the model with a batch of real example inputs"
)
UNREAD = Quantization((1 / 128,), 0)
"""Of an input that no layer reads and of which nothing is known: [-1, 1), and nothing depends on it."""

LEFT_OPEN = (
    "is not between quantize/dequantize operations, as other parts of the model are: "
    "give --calibrate FILE.npz, or quantize it too before the export"
)


def quantization_for(measured: Range) -> Quantization:
    """The per-tensor quantization of values in a range."""
    scale, zero_point = activation_qparams(*measured)
    return Quantization((scale,), zero_point)


def is_real(value: SSAValue) -> bool:
    """Whether `value` holds real numbers: integers stand for themselves."""
    return element_type(value.type) == f32


def described(value: SSAValue) -> str:
    """`value` in an error message."""
    if isinstance(value, BlockArgument):
        return f"input {value.index}"
    assert isinstance(value.owner, Operation)
    return f"{layer_of(value.owner)} ({value.owner.name})"


def adds_a_value(op: Operation | Block) -> TypeGuard[nn.PadOp]:
    """Whether the result of `op` has a number that its operand need not have one for."""
    return isinstance(op, nn.PadOp) and op.value.value.data != 0


def moves_data(op: Operation | Block) -> TypeGuard[Operation]:
    """Whether `op` commutes with quantization."""
    return isinstance(op, Operation) and op.has_trait(nn.MovesData) and not adds_a_value(op)


def origin(value: SSAValue) -> SSAValue:
    """The value whose quantization `value` has in any case."""
    while moves_data(value.owner) or (
        isinstance(value.owner, Operation) and value.owner.has_trait(nn.KeepsQuantization)
    ):
        value = value.owner.operands[0]
    return value


TakesValues: TypeAlias = nn.ConcatOp | nn.ExtremeOp | nn.SelectOp


def takes_values(op: Operation) -> TypeGuard[TakesValues]:
    """Whether each number of the result of `op` is one of an operand.

    The larger of two is the same where both saturate as the result does.
    """
    return isinstance(op, TakesValues)


def taken_from(op: Operation) -> Sequence[SSAValue]:
    """The operands of which the result of `op` has values: all but a mask."""
    return op.operands[1:] if isinstance(op, nn.SelectOp) else op.operands


def joins(op: Operation) -> TypeGuard[TakesValues | nn.PadOp]:
    """Whether the result of `op` has values of several origins. Parts of one value put together again are no join."""
    if takes_values(op):
        return len({origin(value) for value in taken_from(op)}) > 1
    return adds_a_value(op)


def asked_for(value: SSAValue) -> Quantization | None:
    """The quantization that a Q/DQ graph already gives to `value`, maybe behind a layer that keeps it."""
    for use in value.uses:
        user = use.operation
        if isinstance(user, nn.QuantizeOp):
            return user.quantization.data
        if moves_data(user):
            found = asked_for(user.results[0])
            if found is not None:
                return found
    return None


def pair_after(value: SSAValue, by: Quantization) -> tuple[nn.QuantizeOp, nn.DequantizeOp]:
    """quantize and dequantize of `value`, not yet inserted."""
    quantize = nn.QuantizeOp(value, by)
    return quantize, nn.DequantizeOp(quantize.result, by)


@dataclass
class Quantizer:
    """One function on its way to Q/DQ form; `chosen` holds what joins ask of their operands."""

    block: Block
    linear_axis: int | None
    chosen: dict[SSAValue, Quantization] = field(default_factory=dict[SSAValue, Quantization])
    partial: bool = field(init=False)
    """Whether the network brings pairs of its own."""
    joins: set[Operation] = field(init=False)

    def __post_init__(self) -> None:
        self.joins = {op for op in self.block.ops if joins(op)}
        self.partial = any(isinstance(op, nn.QuantizeOp) for op in self.block.ops)

    def run(self) -> None:
        """Insert all pairs, front to back: the input of a layer is quantized before the layer."""
        layers = [op for op in self.block.ops if op.results and not isinstance(op, NO_LAYER)]
        self.choose_for_joins(layers)
        for argument in self.block.args:
            if not is_real(argument):
                continue
            if argument.uses:
                self.quantize_result(argument, None)
            else:
                self.quantize_unread(argument)
        for op in layers:
            self.quantize_constants(op)
            if isinstance(op, nn.WeightedOp):
                self.quantize_weights(op)
            if op in self.joins:
                self.requantize_operands(op)
            if is_real(op.results[0]):
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
            raise PassFailedException(
                f"{described(value)} {LEFT_OPEN if self.partial else NO_RANGE}"
            )
        try:
            return quantization_for(measured)
        except ValueError as error:
            raise PassFailedException(f"{described(value)}: {error}") from error

    def rule(self, op: Operation) -> Quantization | None:
        """The quantization that the result of `op` must have; None if its range decides."""
        if op in self.joins:
            return self.chosen[op.results[0]]
        if takes_values(op) or moves_data(op) or op.has_trait(nn.KeepsQuantization):
            return self.input_of(op, taken_from(op)[0])
        if isinstance(op, nn.SoftmaxOp | nn.MaskedSoftmaxOp):
            return FIXED_OUTPUT["softmax"]
        if isinstance(op, nn.FromUint8Op) and not asked_for(op.result):
            return BYTES
        if isinstance(op, nn.ActivationOp) and not asked_for(op.result):
            return self.fixed(op) or self.carried(op)
        return None

    def carried(self, op: nn.ActivationOp) -> Quantization | None:
        """What makes nothing of a line: its numbers are those of its operand."""
        if op.result in self.chosen:
            return None
        return carried(self.input_of(op, op.input), op.term)

    def fixed(self, op: nn.ActivationOp) -> Quantization | None:
        """TFLite's quantization of a function, unless its own range is smaller than half of it: that would cost a bit."""
        fixed, measured = fixed_output(op), range_of(op.result)
        if fixed is None or fixed == TRUTH or measured is None:
            return fixed
        return fixed if 2 * self.measured(op.result).scale > fixed.scale else None

    def input_of(self, op: Operation, value: SSAValue) -> Quantization:
        """The quantization of an operand of `op`."""
        if isinstance(value.owner, nn.DequantizeOp):
            return value.owner.quantization.data
        raise PassFailedException(f"{layer_of(op)}: its input {described(value)} is not quantized")

    def choose_for_joins(self, layers: list[Operation]) -> None:
        """Let what is only read by a join be produced as the join wants it, outer ones first."""
        for op in reversed(layers):
            if op not in self.joins:
                continue
            self.chosen[op.results[0]] = wanted = self.measured(op.results[0])
            for value in taken_from(op):
                while moves_data(value.owner) and value.has_one_use():
                    value = value.owner.operands[0]
                # An argument keeps its own quantization: it is the network's contract.
                if value.has_one_use() and isinstance(value.owner, Operation):
                    self.chosen[value] = wanted

    def requantize_operands(self, op: Operation) -> None:
        """Operands in another quantization than the join's go through a pair of their own."""
        wanted = self.chosen[op.results[0]]
        for index, value in enumerate(op.operands):
            if value in taken_from(op) and self.input_of(op, value) != wanted:
                pair = pair_after(value, wanted)
                for new in pair:
                    copy_layer(op, new)
                Rewriter.insert_op(pair, InsertPoint.before(op))
                op.operands[index] = pair[1].result

    def quantize_unread(self, argument: BlockArgument) -> None:
        """quantize of an argument that no layer reads: by its range, if it has one."""
        quantization = UNREAD if range_of(argument) is None else self.measured(argument)
        Rewriter.insert_op(nn.QuantizeOp(argument, quantization), InsertPoint.at_start(self.block))

    def quantize_result(self, value: SSAValue, rule: Quantization | None) -> None:
        """A pair after `value`, unless all its users quantize it."""
        given = [
            use.operation.quantization.data if isinstance(use.operation, nn.QuantizeOp) else None
            for use in value.uses
        ]
        if None not in given and (rule is None or set(given) <= {rule}):
            return
        quantization = rule or self.measured(value)
        others = [use for use, by in zip(value.uses, given, strict=True) if by != quantization]
        pair = pair_after(value, quantization)
        owner = value.owner
        if isinstance(owner, Block):
            point = InsertPoint.at_start(owner)
        else:
            point = InsertPoint.after(owner)
            for new in pair:
                copy_layer(owner, new)
        Rewriter.insert_op(pair, point)
        for use in others:
            use.operation.operands[use.index] = pair[1].result

    def quantize_constants(self, op: Operation) -> None:
        """Constants that `op` reads as it reads a layer's result, per tensor."""
        tensors = op.operands[:1] if isinstance(op, WITH_PARAMETERS) else op.operands
        if isinstance(op, nn.MatmulOp):
            tensors = op.operands[:2]
        for index, value in enumerate(tensors):
            constant = value.owner
            if not isinstance(constant, nn.ConstantOp) or constant.array.dtype != np.float32:
                continue
            wanted = self.chosen.get(op.results[0]) if op in self.joins else None
            if isinstance(op, nn.SelectOp) and index == 0:
                wanted = TRUTH
            measured = float(constant.array.min()), float(constant.array.max())
            quantize_constant(op, index, wanted or quantization_for(measured))

    def quantize_weights(self, op: nn.WeightedOp) -> None:
        """The weights of `op` as int8, unless they are."""
        if not isinstance(op.weights.owner, nn.DequantizeOp):
            axis = 3 if isinstance(op, nn.DepthwiseConv2dOp) else 0
            if isinstance(op, nn.LinearOp):
                axis = self.linear_axis
            quantization = weight_quantization(op, self.input_of(op, op.input).scale, axis)
            quantize_constant(op, 1, quantization, lowest=-127)


def quantize(module: ModuleOp, linear_weights: LinearWeights) -> None:
    """Put the float functions of `module` into Q/DQ form. PassFailedException, naming the layer, where a range is missing."""
    axis = 0 if linear_weights == "per-channel" else None
    for norm in module.walk():
        if isinstance(norm, nn.BatchNormOp):
            raise PassFailedException(
                f"{layer_of(norm)}: a batch normalization cannot be quantized, "
                "run fold-batch-norm first"
            )
    for function in module.ops:
        if isinstance(function, FuncOp) and is_float(function):
            Quantizer(function.body.block, axis).run()


def quantized_copy(module: ModuleOp, linear_weights: LinearWeights) -> ModuleOp:
    """`module` as `quantize` would leave it; itself it stays. Raises what `quantize` does."""
    copy = module.clone()
    quantize(copy, linear_weights)
    return copy


def quantizations(module: ModuleOp) -> set[Quantization]:
    """All that occur in `module`."""
    return {op.quantization.data for op in module.walk() if isinstance(op, nn.QuantizeOp)}


@dataclass(frozen=True)
class QuantizePass(ModulePass):
    """Puts a float network with measured ranges into Q/DQ form.

    PassFailedException, naming the layer, where a range is missing, or a weight is NaN or infinite.
    """

    name = "quantize"

    linear_weights: LinearWeights = "per-channel"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        check_constants(op)
        quantize(op, self.linear_weights)
