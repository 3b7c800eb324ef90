# SPDX-License-Identifier: Apache-2.0
"""`bufferize`: no tensor is left: arguments, results and constants are buffers.

    func.func @main(%x : tensor<..>) -> tensor<..>
becomes
    memref.global "private" constant @conv1_weight : memref<..> = dense<..>
    func.func @main(%x : memref<..>, %y : memref<..> {sparsec.result})

A result is computed in place in the buffer the caller gives. What cannot be, an input or a value
returned twice, is copied there.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    ModuleOp,
    TensorType,
    UnitAttr,
    UnrealizedConversionCastOp,
)
from xdsl.ir import Block, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import qnn, rt
from sparsec.ir.attributes import RESULT
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import buffer_type, memory_of, reshaped
from sparsec.rewriting.constants_to_globals import Globals


@dataclass(frozen=True)
class BufferizePass(ModulePass):
    """Turn the last tensors into buffers."""

    name = "bufferize"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            signature = function.function_type
            if any(isinstance(t, TensorType) for t in (*signature.inputs, *signature.outputs)):
                check_lowered(function)
                bufferize(op, function)


def check_lowered(function: func.FuncOp) -> None:
    """PassFailedException when an operation still computes on tensors."""
    for op in function.walk():
        if isinstance(
            op, func.FuncOp | func.ReturnOp | UnrealizedConversionCastOp | qnn.ConstantOp
        ):
            continue
        if any(isinstance(value.type, TensorType) for value in (*op.operands, *op.results)):
            raise PassFailedException(
                f"{op.name} still computes on tensors: quantize the model and run "
                "convert-qnn-to-kernels first"
            )


def bufferize(module: ModuleOp, function: func.FuncOp) -> None:
    """Rewrite one function."""
    block = function.body.block
    for argument in block.args:
        Rewriter.replace_value_with_new_type(argument, buffer_type(argument.type))
    table = Globals(module)
    for op in list(block.ops):
        if isinstance(op, qnn.ConstantOp):
            table.replace(op)
        elif isinstance(op, UnrealizedConversionCastOp):
            remove_cast(op)
    return_op = block.last_op
    assert isinstance(return_op, func.ReturnOp)
    inputs = len(block.args)
    for number in range(len(return_op.arguments)):
        # Read anew each time: placing one result replaces its uses, here too.
        add_result(block, return_op, return_op.arguments[number])
    Rewriter.replace_op(return_op, func.ReturnOp())

    attributes = argument_attributes(function, inputs)
    function.function_type = FunctionType.from_lists([a.type for a in block.args], [])
    function.arg_attrs = ArrayAttr(attributes)
    function.res_attrs = None


def remove_cast(cast: UnrealizedConversionCastOp) -> None:
    """Both sides of the cast are one buffer by now."""
    (source,), (target,) = cast.inputs, cast.outputs
    if buffer_type(target.type) != source.type:
        raise PassFailedException(f"cannot see {source.type} as {target.type}")
    target.replace_all_uses_with(source)
    Rewriter.erase_op(cast)


def add_result(block: Block, return_op: Operation, value: SSAValue) -> None:
    """Append an argument to `block` that holds `value` when the function ends."""
    argument = block.insert_arg(value.type, len(block.args))
    memory = memory_of(value)
    if isinstance(memory.owner, memref.AllocOp):
        target: SSAValue = argument
        if memory.type != argument.type:
            view = reshaped(argument, shape_of(memory.type))
            Rewriter.insert_op(view, InsertPoint.at_start(block))
            target = view.result
        memory.replace_all_uses_with(target)
        Rewriter.erase_op(memory.owner)
        return
    # An input, a constant, or the memory of an earlier result.
    block.insert_ops_before([rt.ConcatenateOp(value, argument, 0, 0)], return_op)


def argument_attributes(function: func.FuncOp, inputs: int) -> list[DictionaryAttr]:
    """The attributes of inputs and results, as attributes of the new arguments."""
    none = DictionaryAttr({})
    results = len(function.function_type.outputs)
    of_inputs = list(function.arg_attrs or [none] * inputs)
    of_results = list(function.res_attrs or [none] * results)
    marked = [DictionaryAttr({RESULT: UnitAttr(), **attrs.data}) for attrs in of_results]
    return [*of_inputs, *marked]
