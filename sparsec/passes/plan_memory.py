"""`plan-memory`: every buffer becomes a place in one arena.

    func.func @main(%x : memref<..>, %y : memref<..> {sparsec.result})
      %b = memref.alloc()
becomes
    func.func @main(%arena : memref<1024xi8> {sparsec.inputs = [..], sparsec.outputs = [..]})
      %offset = arith.constant 784 : index
      %b = memref.view %arena[%offset][]

Inputs are live from the start to their last use, results from their first write to the end, scratch memory during its
call. An output may lie over an input that dies in its call as far as the kernel allows. The plan is checked by an
independent reader before it is believed.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

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

from sparsec.analysis.memory_plan import (
    INPUT,
    INPUTS,
    OUTPUT,
    OUTPUTS,
    RESULT,
    Place,
    certify_plan,
    planned_function,
)
from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.qnn import QUANTIZATION
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import buffer_type, memory_of, place_in_memory
from sparsec.planning.arena import Buffer, lower_bound
from sparsec.planning.offsets import Assignment
from sparsec.planning.overlap import Overlap
from sparsec.planning.overlapping import assign_overlapping

LOWER_BOUND = "sparsec.arena_lower_bound"
"""Attribute of a module: bytes that no plan can go below."""

LIVE_BOUND = "sparsec.arena_live_bytes"
"""Attribute of a module: the largest live set, below which no plan goes whose buffers all lie apart."""

ACTIVATION_ALIGNMENT = 4
"""Kernels read activations word by word, which is slower across the words of the memory."""


@dataclass(frozen=True)
class PlanMemoryPass(ModulePass):
    """Place all buffers of a bufferized module in one arena, within `seconds`, or, if `overlap` is false, apart."""

    name = "plan-memory"
    seconds: float = 10.0
    overlap: bool = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs.data
            if types and all(isinstance(t, MemRefType) for t in types):
                if planned_function(op) is None:
                    assigned, live = place_buffers(function, self.seconds, self.overlap)
                    op.attributes[LOWER_BOUND] = IntegerAttr(assigned.lower_bound, 64)
                    op.attributes[LIVE_BOUND] = IntegerAttr(live, 64)
        planned = planned_function(op)
        if planned is not None:
            try:
                certify_plan(planned)
            except ValueError as error:
                raise PassFailedException(f"the memory plan is wrong: {error}") from error


def place_buffers(
    function: func.FuncOp, seconds: float, may_overlap: bool
) -> tuple[Assignment, int]:
    """Rewrite `function` to one arena; returns where all lies, and the largest live set."""
    block = function.body.block
    attributes = [a.data for a in function.arg_attrs or ()] or [{} for _ in block.args]
    results = [a for a, d in zip(block.args, attributes, strict=True) if RESULT in d]
    inputs = [a for a in block.args if a not in results]

    every = live_buffers(function, inputs, results)
    lifetimes = {value: buffer for value, buffer in every.items() if buffer.size}
    buffers = list(lifetimes.values())
    numbers = {value: number for number, value in enumerate(lifetimes)}
    overlaps = overlaps_of(function, lifetimes) if may_overlap else {}
    layout = assign_overlapping(
        buffers,
        {(numbers[o], numbers[i]): each for (o, i), each in overlaps.items()},
        seconds=seconds,
    )
    offsets = dict.fromkeys(every, 0) | dict(zip(lifetimes, layout.offsets, strict=True))

    def place(argument: BlockArgument) -> Place:
        quantization = attributes[argument.index].get(QUANTIZATION)
        return Place(
            offsets[argument],
            shape_of(argument.type),
            quantization.data if isinstance(quantization, QuantizationAttr) else None,
        )

    places = {
        INPUTS: ArrayAttr([place(argument).attribute() for argument in inputs]),
        OUTPUTS: ArrayAttr([place(argument).attribute() for argument in results]),
    }
    arena_type = MemRefType(i8, [layout.arena_bytes])
    arena = block.insert_arg(arena_type, len(block.args))
    arena.name_hint = "arena"
    first = block.first_op
    for name, values in ((INPUT, inputs), (OUTPUT, results)):
        for number, argument in enumerate(values):
            view = show(argument, arena, offsets[argument], first)
            view.attributes[name] = IntegerAttr(number, 64)
    for argument in (*inputs, *results):
        block.erase_arg(argument)
    for value, offset in offsets.items():
        if isinstance(value.owner, memref.AllocOp):
            show(value, arena, offset, value.owner)
            Rewriter.erase_op(value.owner)
    for op in list(block.ops):
        if isinstance(op, memref.AllocOp):  # nobody uses it
            Rewriter.erase_op(op)
    function.function_type = FunctionType.from_lists([arena_type], [])
    function.arg_attrs = ArrayAttr([DictionaryAttr(places)])
    return layout, lower_bound(buffers)


def show(value: SSAValue, arena: SSAValue, offset: int, before: Operation | None) -> memref.ViewOp:
    """Replace the buffer `value` by the bytes of `arena` from `offset` on."""
    assert before is not None
    constant = arith.ConstantOp(IntegerAttr(offset, IndexType()))
    view = memref.ViewOp(arena, constant.result, [], buffer_type(value.type))
    view.result.name_hint = value.name_hint
    block = before.parent_block()
    assert block is not None
    block.insert_ops_before([constant, view], before)
    value.replace_all_uses_with(view.result)
    return view


def live_buffers(
    function: func.FuncOp, inputs: list[BlockArgument], results: list[BlockArgument]
) -> dict[SSAValue, Buffer]:
    """Size and lifetime of every buffer. Time 0 is before the first call, which is at time 1."""
    block = function.body.block
    buffers: dict[SSAValue, Buffer] = {}
    for argument in inputs:
        buffers[argument] = Buffer(byte_count(argument.type), 0, 0, ACTIVATION_ALIGNMENT)
    time = 0
    for op in block.ops:
        if not isinstance(op, KernelOp):
            continue
        time += 1
        for value in map(memory_of, op.operands):
            if value in buffers:
                buffers[value] = replace(buffers[value], last=time)
            elif isinstance(value.owner, memref.AllocOp):
                alignment = value.owner.alignment
                bytes = ACTIVATION_ALIGNMENT if alignment is None else alignment.value.data
                buffers[value] = Buffer(byte_count(value.type), time, time, bytes)
            elif value in results:
                buffers[value] = Buffer(byte_count(value.type), time, time, ACTIVATION_ALIGNMENT)
    for argument in results:
        buffers[argument] = replace(buffers[argument], last=time + 1)
    return buffers


def overlaps_of(
    function: func.FuncOp, buffers: Mapping[SSAValue, Buffer]
) -> dict[tuple[SSAValue, SSAValue], Overlap]:
    """How an output may lie over an input that dies in the call which first writes the output: by (output, input)."""
    found: dict[tuple[SSAValue, SSAValue], Overlap] = {}
    kernels = [op for op in function.body.block.ops if isinstance(op, KernelOp)]
    for time, op in enumerate(kernels, 1):
        written = set(op.written())
        whole = [value for value in op.operands if shows_all(value) and memory_of(value) in buffers]
        born = [v for v in whole if v in written and buffers[memory_of(v)].first == time]
        dying = [v for v in whole if v not in written and buffers[memory_of(v)].last == time]
        used = Counter(memory_of(value) for value in dict.fromkeys(op.operands))
        for output in born:
            for input in dying:
                pair = memory_of(output), memory_of(input)
                # Memory that is seen in two ways could be claimed in two ways.
                if all(used[memory] == 1 for memory in pair):
                    found[pair] = op.safe_overlap(output, input)
    return found


def shows_all(buffer: SSAValue) -> bool:
    """Whether `buffer` is all of its memory."""
    memory, start = place_in_memory(buffer)
    return start == 0 and byte_count(buffer.type) == byte_count(memory.type)
