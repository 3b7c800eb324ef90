"""`plan-memory`: every buffer becomes a place in the arena, or in one of several memories.

    func.func @main(%x : memref<..>, %y : memref<..> {sparsec.result})
      %b = memref.alloc()
becomes
    func.func @main(%arena : memref<1024xi8> {sparsec.inputs = [..], sparsec.outputs = [..]})
      %offset = arith.constant 784 : index
      %b = memref.view %arena[%offset][]

Inputs are live from the start to their last use, results from their first write to the end, scratch memory during its
call. An output may lie over an input that dies in its call as far as the kernel allows. With `memories` each becomes an
argument, `%dtcm : memref<..xi8> {sparsec.memory = "dtcm"}`. With `io=caller` inputs and results are arguments behind
them, each seen by one view, and not planned. The plan is checked by an independent reader before it is believed.
"""

from dataclasses import dataclass, replace
from typing import Literal

from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import IntegerAttr, MemRefType, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.buffer_lives import live_buffers, overlaps_of
from sparsec.analysis.live_bytes import sum_text
from sparsec.analysis.memory_plan import ARENA, Memory, certify_plan, planned_function
from sparsec.analysis.memory_uses import memory_uses
from sparsec.analysis.plan_view import plan_view
from sparsec.passes.planned_views import callers_memories, inputs_and_results, write_plan
from sparsec.planning.arena import lower_bound
from sparsec.planning.memories import place_in_memories
from sparsec.targets.memory import parse_memories

LOWER_BOUND = "sparsec.arena_lower_bound"
"""Attribute of a module: bytes that no plan can go below, of all memories for what lies in each."""

LIVE_BOUND = "sparsec.arena_live_bytes"
"""Attribute of a module: the largest live set, below which no plan goes whose buffers all lie apart."""


@dataclass(frozen=True)
class PlanMemoryPass(ModulePass):
    """Place all buffers of a bufferized module within `seconds`; if `overlap` is false, apart.

    With `io=caller` inputs and results stay memory of the caller's. `memories` are names and bytes, the fastest first, as
    in `dtcm=65536,sram=262144`; without them there is one arena, as large as need be.
    """

    name = "plan-memory"
    seconds: float = 10.0
    overlap: bool = True
    io: Literal["arena", "caller"] = "arena"
    memories: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs.data
            if types and all(isinstance(t, MemRefType) for t in types):
                if planned_function(op) is None:
                    bound, live = self.place_buffers(function, self.memories_for(op))
                    op.attributes[LOWER_BOUND] = IntegerAttr(bound, 64)
                    op.attributes[LIVE_BOUND] = IntegerAttr(live, 64)
                    check_capacities(op)
        planned = planned_function(op)
        if planned is not None:
            try:
                certify_plan(planned)
            except ValueError as error:
                raise PassFailedException(f"the memory plan is wrong: {error}") from error

    def memories_for(self, module: ModuleOp) -> list[Memory]:
        """The memories, nothing in them yet. PassFailedException for names that cannot be."""
        try:
            chosen = parse_memories(self.memories)
        except ValueError as error:
            raise PassFailedException(f"memories: {error}") from error
        constants = {op.sym_name.data for op in module.ops if isinstance(op, memref.GlobalOp)}
        for memory in chosen:
            if memory.name in constants:
                raise PassFailedException(
                    f"a constant is called '{memory.name}' as the memory is: name that otherwise"
                )
        return [Memory(each.name, 0, each.capacity) for each in chosen] or [Memory(ARENA, 0)]

    def place_buffers(self, function: func.FuncOp, memories: list[Memory]) -> tuple[int, int]:
        """Rewrite `function`; returns the bound of its memories, and the largest live set."""
        inputs, results = inputs_and_results(function)
        own = ((), ()) if self.io == "caller" else (inputs, results)
        every = live_buffers(function, *own)
        lifetimes = {value: buffer for value, buffer in every.items() if buffer.size}
        buffers = list(lifetimes.values())
        numbers = {value: number for number, value in enumerate(lifetimes)}
        overlaps = overlaps_of(function, lifetimes) if self.overlap else {}
        uses = memory_uses(function)
        plan = place_in_memories(
            buffers,
            [memory.capacity for memory in memories],
            [uses.buffers[value] for value in lifetimes],
            {(numbers[o], numbers[i]): each for (o, i), each in overlaps.items()},
            seconds=self.seconds,
        )
        memories = [
            replace(
                memory,
                bytes=found.arena_bytes,
                bound=None if memory.capacity is None else found.lower_bound,
            )
            for memory, found in zip(memories, plan.assignments, strict=True)
        ]
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


def check_capacities(module: ModuleOp) -> None:
    """PassFailedException, naming the layer at the peak and its buffers, when a memory is too small for its plan."""
    planned = planned_function(module)
    assert planned is not None
    for memory in planned.own_memories:
        if memory.capacity is None or memory.bytes <= memory.capacity:
            continue
        peak = plan_view(planned, 0).peak(memory.name)
        assert peak is not None
        raise PassFailedException(
            f"layer '{peak.layer}' needs {peak.bytes} bytes of memory '{memory.name}' "
            f"({sum_text(peak.parts, peak.shared)}), which has {memory.capacity}; "
            f"the smallest arena found there takes {memory.bytes} bytes"
        )
