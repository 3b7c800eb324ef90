"""`plan-memory`: every buffer becomes a place in the arena, or in one of several memories.

    func.func @main(%x : memref<..>, %y : memref<..> {sparsec.result})
      %b = memref.alloc()
becomes
    func.func @main(%arena : memref<1024xi8> {sparsec.inputs = [..], sparsec.outputs = [..]})
      %offset = arith.constant 784 : index
      %b = memref.view %arena[%offset][]

Inputs are live from the start to their last use, results from their first write to the end, scratch memory during its
call. An output may lie over an input that dies in its call as far as the kernel allows. With `io=caller` inputs and
results are arguments behind the memories, each seen by one view, and not planned. The plan is checked by an independent
reader before it is believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xdsl.context import Context
from xdsl.dialects import arith, func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    IndexType,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    i8,
)
from xdsl.ir import BlockArgument, Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.buffer_lives import live_buffers, overlaps_of
from sparsec.analysis.memory_plan import (
    ARENA,
    INPUT,
    INPUTS,
    OUTPUT,
    OUTPUTS,
    RESULT,
    Direction,
    Memory,
    Place,
    certify_plan,
    io_names,
    planned_function,
)
from sparsec.ir.kernel import byte_count
from sparsec.ir.qnn import QUANTIZATION
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import buffer_type
from sparsec.planning.arena import lower_bound
from sparsec.planning.memories import place_in_memories

LOWER_BOUND = "sparsec.arena_lower_bound"
"""Attribute of a module: bytes that no plan can go below, of all memories for what lies in each."""

LIVE_BOUND = "sparsec.arena_live_bytes"
"""Attribute of a module: the largest live set, below which no plan goes whose buffers all lie apart."""


@dataclass(frozen=True)
class PlanMemoryPass(ModulePass):
    """Place all buffers of a bufferized module within `seconds`; if `overlap` is false, apart.

    With `io=caller` inputs and results stay memory of the caller's.
    """

    name = "plan-memory"
    seconds: float = 10.0
    overlap: bool = True
    io: Literal["arena", "caller"] = "arena"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs.data
            if types and all(isinstance(t, MemRefType) for t in types):
                if planned_function(op) is None:
                    bound, live = self.place_buffers(function)
                    op.attributes[LOWER_BOUND] = IntegerAttr(bound, 64)
                    op.attributes[LIVE_BOUND] = IntegerAttr(live, 64)
        planned = planned_function(op)
        if planned is not None:
            try:
                certify_plan(planned)
            except ValueError as error:
                raise PassFailedException(f"the memory plan is wrong: {error}") from error

    def place_buffers(self, function: func.FuncOp) -> tuple[int, int]:
        """Rewrite `function`; returns the bound of its memories, and the largest live set."""
        inputs, results = inputs_and_results(function)
        own = ((), ()) if self.io == "caller" else (inputs, results)
        every = live_buffers(function, *own)
        lifetimes = {value: buffer for value, buffer in every.items() if buffer.size}
        buffers = list(lifetimes.values())
        numbers = {value: number for number, value in enumerate(lifetimes)}
        overlaps = overlaps_of(function, lifetimes) if self.overlap else {}
        plan = place_in_memories(
            buffers,
            [None],
            [1.0] * len(buffers),
            {(numbers[o], numbers[i]): each for (o, i), each in overlaps.items()},
            seconds=self.seconds,
        )
        memories = [Memory(ARENA, found.arena_bytes) for found in plan.assignments]
        places = dict.fromkeys(every, (0, 0)) | dict(
            zip(lifetimes, zip(plan.memories, plan.offsets, strict=True), strict=True)
        )
        if self.io == "caller":
            given = [*callers_memories("input", inputs), *callers_memories("output", results)]
            for argument, memory in zip((*inputs, *results), given, strict=True):
                places[argument] = len(memories), 0
                memories.append(memory)
        write_plan(function, inputs, results, memories, places)
        return sum(found.lower_bound for found in plan.assignments), lower_bound(buffers)


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
