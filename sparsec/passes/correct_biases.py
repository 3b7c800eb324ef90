# SPDX-License-Identifier: Apache-2.0
"""`correct-biases`: layers whose rounded weights and inputs shift their mean get it back by their biases.

    %y = nn.conv2d %x, %w, %b        becomes        %y = nn.conv2d %x, %w, %b'

where b' - b is, for each channel, how far the mean of the float layer is above that of the rounded one on calibration
inputs, over what a clamp lets through. Layers are corrected front to back, each with the inputs that the corrected ones give.
That is the empirical bias correction of Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias
Correction" (2019). Weights stay as they are, and ranges too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreter import Interpreter
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from sparsec.interpreters.run import interpret, interpreter_of
from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.level import is_float
from sparsec.passes.calibrate import chunks, first_inputs, main_of, samples_at_once
from sparsec.passes.quantize import LinearWeights, quantized_copy
from sparsec.rewriting.constants import erase_unused, replace_constant

Array: TypeAlias = np.ndarray[Any, Any]


def layers_with_weights(module: ModuleOp) -> list[nn.WeightedOp]:
    """Those of `main`, front to back."""
    return [op for op in main_of(module).body.block.ops if isinstance(op, nn.WeightedOp)]


def unclamped(interpreter: Interpreter, op: nn.WeightedOp, operands: Sequence[Array]) -> Array:
    """What `op` gives without its clamp, [.., C] float64."""
    free = op.clone()
    free.properties.pop("bounds", None)
    [result] = interpreter.run_op(free, tuple(operands))
    free.erase()
    return result.astype(np.float64)


def passed(op: nn.WeightedOp, result: Array) -> Array:
    """Where the clamp of `op` leaves its result as it is."""
    if op.bounds is None:
        return np.ones(result.shape, bool)
    return (result > op.bounds.data.min) & (result < op.bounds.data.max)


def missing(op: nn.WeightedOp, real: Sequence[Array], rounded: Sequence[Array]) -> Array:
    """By how much `rounded` is below `real`, both without the clamp of `op`, in the mean of each channel, [C]."""
    total, count = 0.0, 0
    for expected, got in zip(real, rounded, strict=True):
        axes, counted = tuple(range(expected.ndim - 1)), passed(op, expected)
        total = total + np.sum((expected - got) * counted, axis=axes)
        count = count + np.count_nonzero(counted, axis=axes)
    return total / np.maximum(count, 1)


def correct_biases(
    module: ModuleOp, inputs: Sequence[Array], linear_weights: LinearWeights
) -> None:
    """Change the biases of `module`, a float network with ranges; `inputs` are [N, ..] each."""
    runs = list(chunks(inputs, samples_at_once(main_of(module))))
    rounded = quantized_copy(module, linear_weights)
    layers = zip(layers_with_weights(module), layers_with_weights(rounded), strict=True)
    correctable = {new: old for old, new in layers if constant_array(old.bias) is not None}
    real = [unclamped_results(module, run, set(correctable.values())) for run in runs]
    main, interpreter = main_of(rounded), interpreter_of(rounded)
    values: list[dict[SSAValue, Array]] = [dict(zip(main.args, run, strict=True)) for run in runs]
    for op in list(main.body.block.ops)[:-1]:
        operands = [[found[operand] for operand in op.operands] for found in values]
        if isinstance(op, nn.WeightedOp) and op in correctable:
            old = correctable[op]
            got = [unclamped(interpreter, op, each) for each in operands]
            bias = operands[0][2] + missing(op, [found[old] for found in real], got)
            before = old.bias
            replace_constant(old, 2, bias)
            erase_unused([before])
            for each in operands:
                each[2] = bias.astype(np.float32)
        for found, each in zip(values, operands, strict=True):
            found.update(zip(op.results, interpreter.run_op(op, tuple(each)), strict=True))


def unclamped_results(
    module: ModuleOp, inputs: Sequence[Array], wanted: set[nn.WeightedOp]
) -> dict[nn.WeightedOp, Array]:
    """What the layers `wanted` give before they clamp it."""
    interpreter = interpreter_of(module)
    values: dict[SSAValue, Array] = dict(zip(main_of(module).args, inputs, strict=True))
    found: dict[nn.WeightedOp, Array] = {}

    def listen(op: Operation, results: Sequence[Array]) -> None:
        values.update(zip(op.results, results, strict=True))
        if isinstance(op, nn.WeightedOp) and op in wanted:
            free = op.bounds is None
            operands = [values[operand] for operand in op.operands]
            found[op] = (
                results[0].astype(np.float64) if free else unclamped(interpreter, op, operands)
            )

    interpret(module, inputs, listener=listen)
    return found


@dataclass(frozen=True)
class CorrectBiasesPass(ModulePass):
    """Corrects biases by the first arrays of a .npy or .npz file, or the example inputs of a model file.

    The network must have measured ranges; `linear_weights` is what `quantize` will be told.
    """

    name = "correct-biases"

    file: str = ""
    input_layout: Literal["nchw", "nhwc"] = "nchw"
    linear_weights: LinearWeights = "per-channel"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if is_float(op):
            inputs = first_inputs(op, self.name, self.file, self.input_layout)
            correct_biases(op, inputs, self.linear_weights)
