# SPDX-License-Identifier: Apache-2.0
"""Writing a memory plan down: a function gets its memories as arguments and sees every buffer by a view of one."""

from collections.abc import Mapping, Sequence

from xdsl.dialects import arith, func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    IndexType,
    IntegerAttr,
    MemRefType,
    i8,
)
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.rewriter import Rewriter

from sparsec.analysis.memory.memory_plan import Direction, Memory, Place, io_names
from sparsec.ir.attributes import INPUT, INPUTS, OUTPUT, OUTPUTS, QUANTIZATION, RESULT
from sparsec.ir.kernel import byte_count
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import element_type, shape_of
from sparsec.ir.views import buffer_type


def inputs_and_results(
    function: func.FuncOp,
) -> tuple[list[BlockArgument], list[BlockArgument]]:
    """The arguments of a bufferized function."""
    arguments = function.body.block.args
    attributes = [a.data for a in function.arg_attrs or ()] or [{} for _ in arguments]
    results = [a for a, each in zip(arguments, attributes, strict=True) if RESULT in each]
    return [a for a in arguments if a not in results], results


def callers_memories(direction: Direction, arguments: Sequence[BlockArgument]) -> list[Memory]:
    """Inputs or results as memory of the caller's."""
    names = io_names(direction, len(arguments))
    return [
        Memory(name, byte_count(argument.type), caller=direction)
        for name, argument in zip(names, arguments, strict=True)
    ]


def write_plan(
    function: func.FuncOp,
    inputs: Sequence[BlockArgument],
    results: Sequence[BlockArgument],
    memories: Sequence[Memory],
    places: Mapping[SSAValue, tuple[int, int]],
) -> None:
    """Give `function` these memories, and see each buffer in its own: `places` are the number of one and the offset."""
    block = function.body.block
    attributes = [a.data for a in function.arg_attrs or ()] or [{} for _ in block.args]

    def place(argument: BlockArgument) -> Place:
        memory, offset = places[argument]
        quantization = attributes[argument.index].get(QUANTIZATION)
        return Place(
            offset,
            shape_of(argument.type),
            quantization.data if isinstance(quantization, QuantizationAttr) else None,
            memories[memory].name,
            element_type(argument.type),
        )

    entries = [memory.attributes() for memory in memories]
    for name, arguments in ((INPUTS, inputs), (OUTPUTS, results)):
        entries[0][name] = ArrayAttr([place(argument).attribute() for argument in arguments])
    shown: list[BlockArgument] = []
    for memory in memories:
        shown.append(block.insert_arg(MemRefType(i8, [memory.bytes]), len(block.args)))
        shown[-1].name_hint = memory.name
    first = block.first_op
    for name, arguments in ((INPUT, inputs), (OUTPUT, results)):
        for number, argument in enumerate(arguments):
            view = show(argument, shown, places[argument], first)
            view.attributes[name] = IntegerAttr(number, 64)
    for argument in (*inputs, *results):
        block.erase_arg(argument)
    for value, where in places.items():
        if isinstance(value.owner, memref.AllocOp):
            show(value, shown, where, value.owner)
            Rewriter.erase_op(value.owner)
    for op in list(block.ops):
        if isinstance(op, memref.AllocOp):  # nobody uses it
            Rewriter.erase_op(op)
    function.function_type = FunctionType.from_lists([each.type for each in shown], [])
    function.arg_attrs = ArrayAttr([DictionaryAttr(entry) for entry in entries])


def show(
    value: SSAValue,
    memories: Sequence[SSAValue],
    place: tuple[int, int],
    before: Operation | None,
) -> memref.ViewOp:
    """Replace the buffer `value` by the bytes at `place`, the number of a memory and an offset."""
    assert before is not None
    memory, offset = place
    constant = arith.ConstantOp(IntegerAttr(offset, IndexType()))
    view = memref.ViewOp(memories[memory], constant.result, [], buffer_type(value.type))
    view.result.name_hint = value.name_hint
    block = before.parent_block()
    assert block is not None
    block.insert_ops_before([constant, view], before)
    value.replace_all_uses_with(view.result)
    return view
