# SPDX-License-Identifier: Apache-2.0
"""A whole function from `nn` to `qnn`, with its signature."""

from collections.abc import Sequence

from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, f32
from xdsl.ir import Attribute, Block, Operation
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import nn
from sparsec.ir.attributes import QUANTIZATION, RANGE
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import element_type
from sparsec.quantization.scheme import AS_THEY_ARE, Quantization
from sparsec.rewriting.qdq.conversions import CONVERSIONS
from sparsec.rewriting.qdq.folding import Folding, Stored, fail


def hoist_quantize(block: Block) -> None:
    """Quantize before layers that only move data, unless their input is quantized already.

    A Q/DQ graph that treats max pooling as part of the convolution before it, or a network that
    transposes its input first, quantizes too late for an int8 form of the moving layer.
    """
    pending = [op for op in block.ops if isinstance(op, nn.QuantizeOp)]
    while pending:
        op = pending.pop()
        mover = op.input.owner
        if not isinstance(mover, Operation) or op.quantization.data.axis is not None:
            continue
        if not mover.has_trait(nn.MovesData):
            continue
        source = mover.operands[0]
        if isinstance(source.owner, nn.DequantizeOp | nn.ConstantOp):
            continue
        before = nn.QuantizeOp(source, op.quantization.data)
        between = nn.DequantizeOp(before.result, op.quantization.data)
        moved = mover.clone({source: between.result})
        Rewriter.insert_op((before, between, moved), InsertPoint.before(mover))
        op.operands[0] = moved.results[0]
        if not mover.results[0].uses:
            Rewriter.erase_op(mover)
        pending.append(before)


def convert(folding: Folding, op: Operation) -> None:
    """Emit the int8 form of one operation."""
    conversion = CONVERSIONS.get(type(op))
    if conversion is not None:
        try:
            conversion(folding, op)
        except ValueError as error:  # of numbers that int8 arithmetic cannot hold
            raise fail(op, str(error)) from error
    elif not isinstance(op, nn.ConstantOp | func.ReturnOp):
        raise fail(op, f"{op.name} has no int8 form")


def convert_all(folding: Folding, block: Block) -> list[Quantization]:
    """Convert every operation; returns the quantization of each result of the function."""
    old = list(block.ops)
    for op in old:
        convert(folding, op)
    terminator = old[-1]
    results: list[Quantization] = []
    for index, operand in enumerate(terminator.operands):
        result = folding.result(terminator, operand)
        terminator.operands[index] = result.value
        results.append(result.quantization)
    for op in reversed(old[:-1]):
        Rewriter.erase_op(op)
    return results


def attach(attributes: ArrayAttr[DictionaryAttr] | None, all: Sequence[Quantization]) -> Attribute:
    """Argument or result attributes with the quantization added and the float range removed."""
    old: list[dict[str, Attribute]] = (
        [dict(entry.data) for entry in attributes] if attributes is not None else [{} for _ in all]
    )
    for entry, quantization in zip(old, all, strict=True):
        entry.pop(RANGE, None)
        entry[QUANTIZATION] = QuantizationAttr(quantization)
    return ArrayAttr([DictionaryAttr(entry) for entry in old])


def fold_function(function: func.FuncOp) -> None:
    """Convert one function with its signature."""
    block = function.body.block
    hoist_quantize(block)
    folding = Folding()
    for argument in block.args:
        if element_type(argument.type) != f32:
            folding.stored[argument] = Stored(argument, AS_THEY_ARE)
    results = convert_all(folding, block)
    inputs: list[Quantization] = []
    for argument in block.args:
        if argument not in folding.stored:
            raise PassFailedException(
                f"input {argument.index} of the network is not quantized: "
                "give calibration data, or a Q/DQ pair"
            )
        inputs.append(folding.stored[argument].quantization)
    terminator = block.last_op
    assert terminator is not None
    function.function_type = FunctionType.from_lists(
        [argument.type for argument in block.args], [v.type for v in terminator.operands]
    )
    function.properties["arg_attrs"] = attach(function.arg_attrs, inputs)
    function.properties["res_attrs"] = attach(function.res_attrs, results)
