# SPDX-License-Identifier: Apache-2.0
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
them, each seen by one view, and not planned. Room that is left in a memory, unless it is the last, goes to the constants
that are used most per byte: `memref.global` gets `{sparsec.memory = "dtcm"}`. The plan is checked by an independent reader
before it is believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import IntegerAttr, MemRefType, ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.choice.module_recipe import recipe_of
from sparsec.analysis.memory.lifetimes import Lifetimes
from sparsec.analysis.memory.live_bytes import sum_text
from sparsec.analysis.memory.memory_pins import Pinned, outputs_by_name, pinned
from sparsec.analysis.memory.memory_plan import ARENA, Memory, certify_plan, planned_function
from sparsec.analysis.memory.memory_uses import memory_uses
from sparsec.analysis.memory.plan_view import plan_view
from sparsec.ir.attributes import ARENA_LIVE_BYTES, ARENA_LOWER_BOUND, MEMORY
from sparsec.ir.kernel import byte_count
from sparsec.planning.arena import lower_bound
from sparsec.planning.budget import Budget
from sparsec.planning.memories import place_constants, place_in_memories, stored_bytes
from sparsec.recipe import Pin, parse_recipe
from sparsec.rewriting.planned_views import callers_memories, inputs_and_results, write_plan
from sparsec.targets.memory import parse_memories


@dataclass(frozen=True)
class PlanMemoryPass(ModulePass):
    """Place all buffers of a bufferized module; if `overlap` is false, apart.

    The search counts its steps, so that the plan is the same on every machine, unless `seconds` are given.

    With `io=caller` inputs and results stay memory of the caller's. `memories` are names and bytes, the fastest first, as
    in `dtcm=65536,sram=262144`; without them there is one arena, as large as need be. `pins` are those of a recipe, as in
    `conv1: in dtcm; fc.weight: in dtcm`.
    """

    name = "plan-memory"
    seconds: float | None = None
    overlap: bool = True
    io: Literal["arena", "caller"] = "arena"
    memories: str = ""
    pins: str = ""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs.data
            if types and all(isinstance(t, MemRefType) for t in types):
                if planned_function(op) is None:
                    self.plan(op, function)
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

    def pins_for(self, module: ModuleOp) -> tuple[Pin, ...]:
        """The pins of the module and of the option. PassFailedException for what is no recipe."""
        try:
            return recipe_of(module).pins + parse_recipe(self.pins).pins
        except ValueError as error:
            raise PassFailedException(str(error)) from error

    def plan(self, module: ModuleOp, function: func.FuncOp) -> None:
        """Give every buffer of `function` a place, and constants as far as there is room."""
        memories = self.memories_for(module)
        inputs, results = inputs_and_results(function)
        own = ((), ()) if self.io == "caller" else (inputs, results)
        lifetimes = Lifetimes(function, *own)
        every = lifetimes.buffers
        planned = {value: buffer for value, buffer in every.items() if buffer.size}
        constants = {op.sym_name.data: op for op in module.ops if isinstance(op, memref.GlobalOp)}
        outputs = outputs_by_name(function, inputs, results)
        found = pinned(self.pins_for(module), memories, outputs, constants, planned)
        reserved = reserved_bytes(found, memories, constants)
        uses = memory_uses(function)

        buffers = list(planned.values())
        numbers = {value: number for number, value in enumerate(planned)}
        overlaps = lifetimes.overlaps if self.overlap else {}
        plan = place_in_memories(
            buffers,
            [
                None if memory.capacity is None else memory.capacity - bytes
                for memory, bytes in zip(memories, reserved, strict=True)
            ],
            [uses.buffers[value] for value in planned],
            {(numbers[o], numbers[i]): each for (o, i), each in overlaps.items()},
            {numbers[value]: memory for value, memory in found.buffers.items()},
            budget=Budget(self.seconds),
        )
        memories = [
            replace(
                memory,
                bytes=assigned.arena_bytes,
                bound=None if memory.capacity is None else assigned.lower_bound,
            )
            for memory, assigned in zip(memories, plan.assignments, strict=True)
        ]
        places = dict.fromkeys(every, (0, 0)) | dict(
            zip(planned, zip(plan.memories, plan.offsets, strict=True), strict=True)
        )
        given: list[Memory] = []
        if self.io == "caller":
            given += callers_memories("input", inputs) + callers_memories("output", results)
            for number, argument in enumerate((*inputs, *results), len(memories)):
                places[argument] = number, 0
        write_plan(function, inputs, results, [*memories, *given], places)
        bound = sum(assigned.lower_bound for assigned in plan.assignments)
        module.attributes[ARENA_LOWER_BOUND] = IntegerAttr(bound, 64)
        module.attributes[ARENA_LIVE_BYTES] = IntegerAttr(lower_bound(buffers), 64)
        check_capacities(module, found, reserved)
        mark_constants(constants, uses.constants, memories, found)


def reserved_bytes(
    found: Pinned, memories: Sequence[Memory], constants: Mapping[str, memref.GlobalOp]
) -> list[int]:
    """For each memory what pinned constants take of it. PassFailedException when that is more than it has."""
    reserved = [0] * len(memories)
    for name, memory in found.constants.items():
        reserved[memory] += stored_bytes(byte_count(constants[name].type))
    for number, (memory, bytes) in enumerate(zip(memories, reserved, strict=True)):
        if memory.capacity is not None and bytes > memory.capacity:
            raise PassFailedException(
                f"{found.names(number)}: these constants take {bytes} bytes, "
                f"memory '{memory.name}' has {memory.capacity}"
            )
    return reserved


def mark_constants(
    constants: Mapping[str, memref.GlobalOp],
    uses: Mapping[str, int],
    memories: Sequence[Memory],
    found: Pinned,
) -> None:
    """Say of each constant that is to be copied to a memory to which one; the others stay in flash."""
    if any(memory.capacity is None for memory in memories):
        return
    free = [(memory.capacity or 0) - stored_bytes(memory.bytes) for memory in memories]
    names = list(constants)
    sizes = [byte_count(op.type) for op in constants.values()]
    pins = {names.index(name): memory for name, memory in found.constants.items()}
    # The last memory is no faster than others that hold constants: what lies there was pinned.
    free[-1] = sum(stored_bytes(sizes[k]) for k, m in pins.items() if m == len(free) - 1)
    chosen = place_constants(sizes, [uses.get(name, 0) for name in names], free, pins)
    for op, memory in zip(constants.values(), chosen, strict=True):
        if memory is not None:
            op.attributes[MEMORY] = StringAttr(memories[memory].name)


def check_capacities(module: ModuleOp, found: Pinned, reserved: Sequence[int]) -> None:
    """PassFailedException, naming the layer at the peak and its buffers, when a memory is too small for its plan."""
    planned = planned_function(module)
    assert planned is not None
    for number, (memory, bytes) in enumerate(zip(planned.own_memories, reserved, strict=True)):
        if memory.capacity is None or memory.bytes <= memory.capacity - bytes:
            continue
        peak = plan_view(planned, 0).peak(memory.name)
        assert peak is not None
        pins = f"{found.names(number)}: " if number in found.pins else ""
        kept = f", {bytes} of them for pinned constants" if bytes else ""
        raise PassFailedException(
            f"{pins}layer '{peak.layer}' needs {peak.bytes} bytes of memory '{memory.name}' "
            f"({sum_text(peak.parts, peak.shared)}), which has {memory.capacity}{kept}; "
            f"the smallest arena found there takes {memory.bytes} bytes"
        )
