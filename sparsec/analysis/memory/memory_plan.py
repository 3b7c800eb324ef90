# SPDX-License-Identifier: Apache-2.0
"""The memory plan that a module states, read from its IR and nothing else.

A planned function takes its memories as arguments, by default one arena, and sees every buffer by a `memref.view` of one of
them at a constant offset. Where its inputs and results lie is said in the attributes of the first argument. One that is
the caller's is a memory of its own, behind the others: `%input : memref<16xi8> {sparsec.memory = "input",
sparsec.caller = "input"}`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from xdsl.dialects import arith, func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    StringAttr,
    i8,
)
from xdsl.ir import Attribute, BlockArgument, SSAValue

from sparsec.ir.attributes import (
    CALLER,
    CAPACITY,
    INPUT,
    INPUTS,
    MEMORY,
    MEMORY_LOWER_BOUND,
    OUTPUT,
    OUTPUTS,
    QUANTIZATION,
)
from sparsec.ir.constant import numpy_type
from sparsec.ir.kernel import KernelOp, byte_count, element_dtype
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import element_type, shape_of
from sparsec.ir.views import memory_of, place_in_memory
from sparsec.planning.certificate import Claim, Part, Region, Step, certify
from sparsec.quantization.scheme import Quantization

ARENA = "arena"
"""The name of a memory that has none of its own."""


SCRATCH_ALIGNMENT = 8
"""Bytes to which the kernels want their scratch memory aligned."""

Direction: TypeAlias = Literal["input", "output"]


@dataclass(frozen=True)
class Memory:
    """Memory that the function is given: `bytes` are what the plan uses of its `capacity`, None without a limit.

    No plan of the buffers that lie there needs less than `bound` bytes. `caller` says which of the caller's buffers it
    is; it is None for a memory whose content is the network's.
    """

    name: str
    bytes: int
    capacity: int | None = None
    bound: int | None = None
    caller: Direction | None = None

    def attributes(self) -> dict[str, Attribute]:
        """What the type of the argument does not say."""
        found: dict[str, Attribute] = {} if self.name == ARENA else {MEMORY: StringAttr(self.name)}
        if self.capacity is not None:
            found[CAPACITY] = IntegerAttr(self.capacity, 64)
        if self.bound is not None:
            found[MEMORY_LOWER_BOUND] = IntegerAttr(self.bound, 64)
        if self.caller is not None:
            found[CALLER] = StringAttr(self.caller)
        return found


def memory_shown(argument: BlockArgument, attributes: Mapping[str, Attribute]) -> Memory:
    """The inverse of `Memory.attributes`."""
    name, caller = attributes.get(MEMORY), attributes.get(CALLER)
    return Memory(
        name.data if isinstance(name, StringAttr) else ARENA,
        shape_of(argument.type)[0],
        _number(attributes.get(CAPACITY)),
        _number(attributes.get(MEMORY_LOWER_BOUND)),
        cast("Direction", caller.data) if isinstance(caller, StringAttr) else None,
    )


def _number(attribute: Attribute | None) -> int | None:
    return attribute.value.data if isinstance(attribute, IntegerAttr) else None


@dataclass(frozen=True)
class Place:
    """Where an input or result lies in a memory, in bytes, and how it is quantized; elements are of type `element`."""

    offset: int
    shape: tuple[int, ...]
    quantization: Quantization | None
    memory: str = ARENA
    element: Attribute = i8

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type of the elements."""
        return numpy_type(self.element)

    def attribute(self) -> DictionaryAttr:
        """The place as an attribute."""
        entries: dict[str, Attribute] = {
            "offset": IntegerAttr(self.offset, 64),
            "type": MemRefType(self.element, self.shape),
        }
        if self.memory != ARENA:
            entries["memory"] = StringAttr(self.memory)
        if self.quantization is not None:
            entries[QUANTIZATION] = QuantizationAttr(self.quantization)
        return DictionaryAttr(entries)


def place_of(attribute: DictionaryAttr) -> Place:
    """The inverse of `Place.attribute`. Raises ValueError for another attribute."""
    offset = attribute.data.get("offset")
    type = cast("MemRefType[Any] | None", attribute.data.get("type"))
    quantization, memory = attribute.data.get(QUANTIZATION), attribute.data.get("memory")
    if not isinstance(offset, IntegerAttr) or not isinstance(type, MemRefType):
        raise ValueError("an input or output lacks its offset or its type")
    return Place(
        offset.value.data,
        shape_of(type),
        quantization.data if isinstance(quantization, QuantizationAttr) else None,
        memory.data if isinstance(memory, StringAttr) else ARENA,
        element_type(type),
    )


def io_names(direction: Direction, count: int) -> list[str]:
    """What inputs or outputs are called: `input`, or `input0`, `input1` if there are several."""
    return [direction if count == 1 else f"{direction}{number}" for number in range(count)]


@dataclass(frozen=True)
class PlannedFunction:
    """A function whose buffers all lie in the memories that are its arguments, in their order."""

    function: func.FuncOp
    memories: tuple[Memory, ...]
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]

    @property
    def own_memories(self) -> tuple[Memory, ...]:
        """Those whose content is the network's, not the caller's inputs and outputs."""
        return tuple(memory for memory in self.memories if memory.caller is None)

    @property
    def arena_bytes(self) -> int:
        """The bytes of all memories but the caller's inputs and outputs."""
        return sum(memory.bytes for memory in self.own_memories)

    def memory_of(self, view: memref.ViewOp) -> int:
        """The number of the memory that `view` shows a part of."""
        assert isinstance(view.source, BlockArgument)
        return view.source.index

    @property
    def views(self) -> Iterator[memref.ViewOp]:
        """The buffers."""
        return (op for op in self.function.body.block.ops if isinstance(op, memref.ViewOp))

    @property
    def kernels(self) -> Iterator[KernelOp]:
        """The calls, in order."""
        return (op for op in self.function.body.block.ops if isinstance(op, KernelOp))


def planned_function(module: ModuleOp) -> PlannedFunction | None:
    """The planned function of `module`, None when its memory is not planned."""
    for function in module.ops:
        if not isinstance(function, func.FuncOp) or not function.arg_attrs:
            continue
        attributes = [entry.data for entry in function.arg_attrs]
        if INPUTS not in attributes[0]:
            continue
        arguments = function.body.block.args
        return PlannedFunction(
            function,
            tuple(memory_shown(*each) for each in zip(arguments, attributes, strict=True)),
            _places(attributes[0][INPUTS]),
            _places(attributes[0][OUTPUTS]),
        )
    return None


def _places(attribute: object) -> tuple[Place, ...]:
    assert isinstance(attribute, ArrayAttr)
    places: list[Place] = []
    for entry in attribute:  # pyright: ignore[reportUnknownVariableType]
        assert isinstance(entry, DictionaryAttr)
        places.append(place_of(entry))
    return tuple(places)


def arena_offset(view: memref.ViewOp) -> int:
    """The constant offset of a view, in bytes."""
    constant = view.byte_shift.owner
    assert isinstance(constant, arith.ConstantOp)
    assert isinstance(constant.value, IntegerAttr)
    return constant.value.value.data


def certify_plan(planned: PlannedFunction) -> None:
    """Raises ValueError unless the plan of the function gives every kernel the bytes it needs."""
    check_memories(planned)
    numbers: dict[SSAValue, int] = {}
    regions: dict[int, Region] = {}
    inputs: dict[int, int] = {}
    outputs: dict[int, int] = {}
    for view in planned.views:
        number = numbers[view.result] = len(numbers)
        type, memory = view.result.type, planned.memory_of(view)
        alignment = element_dtype(type).itemsize
        regions[number] = Region(arena_offset(view), byte_count(type), alignment, memory)
        for name, places, found in (
            (INPUT, planned.inputs, inputs),
            (OUTPUT, planned.outputs, outputs),
        ):
            index = view.attributes.get(name)
            if isinstance(index, IntegerAttr):
                if not 0 <= index.value.data < len(places):
                    raise ValueError(f"there is no {name} {index.value.data}")
                place, region = places[index.value.data], regions[number]
                said = place.memory, place.offset, place.bytes
                if said != (planned.memories[memory].name, region.offset, region.size):
                    raise ValueError(f"{name} {index.value.data} does not lie where it is said to")
                found[index.value.data] = number
    if outputs.keys() != set(range(len(planned.outputs))):
        raise ValueError("not every output has a buffer")

    steps: list[Step] = []
    for index, op in enumerate(planned.kernels):
        scratch: SSAValue | None = getattr(op, "scratch", None)
        if scratch is not None:
            number = numbers[scratch]
            regions[number] = replace(regions[number], alignment=SCRATCH_ALIGNMENT)
        steps.append(_step(f"call {index}, {op.name}", op, numbers))
    sizes = [memory.bytes for memory in planned.memories]
    certify(sizes, regions, list(inputs.values()), steps, list(outputs.values()))
    check_inputs(planned)


def memory_of_constant(constant: memref.GlobalOp) -> str | None:
    """The name of the memory to which `constant` is copied, None for flash."""
    name = constant.attributes.get(MEMORY)
    return name.data if isinstance(name, StringAttr) else None


def check_memories(planned: PlannedFunction) -> None:
    """Raises ValueError unless the memories have names of their own, and hold what is planned and the constants that are
    copied there."""
    names = [memory.name for memory in planned.memories]
    constants: Counter[str] = Counter()
    module = planned.function.parent_op()
    for op in module.walk() if module is not None else ():
        if isinstance(op, memref.GlobalOp) and (name := memory_of_constant(op)) is not None:
            if name not in (memory.name for memory in planned.own_memories):
                raise ValueError(f"constant '{op.sym_name.data}' lies in no memory: '{name}'")
            constants[name] += byte_count(op.type)
    for memory in planned.memories:
        if names.count(memory.name) > 1:
            raise ValueError(f"two memories are called '{memory.name}'")
        used = memory.bytes + constants[memory.name]
        if memory.capacity is not None and used > memory.capacity:
            raise ValueError(f"memory '{memory.name}' has {memory.capacity} bytes, {used} are used")


def check_inputs(planned: PlannedFunction) -> None:
    """Raises ValueError if a call writes to an input that is the caller's."""
    written = {memory_of(value) for op in planned.kernels for value in op.written()}
    for view in planned.views:
        memory = planned.memories[planned.memory_of(view)]
        if memory.caller == "input" and view.result in written:
            raise ValueError(f"'{memory.name}' is the caller's, and written to")


def _step(name: str, op: KernelOp, numbers: Mapping[SSAValue, int]) -> Step:
    """A call as the certificate sees it; `numbers` are the buffers that are planned."""

    def part(operand: SSAValue, first: int, size: int) -> Part:
        memory, start = place_in_memory(operand)
        return Part(numbers[memory], start + first, size)

    written = op.written()
    operands = list(dict.fromkeys(op.operands))
    writes = {value: part(value, *op.span_written(value)) for value in operands if value in written}
    reads = {
        value: part(value, 0, byte_count(value.type))
        for value in operands
        if value not in written and memory_of(value) in numbers
    }
    claims: list[Claim] = []
    for output, target in writes.items():
        first, _ = op.span_written(output)
        for input, source in reads.items():
            # Said of where the operands begin, not of where what is written does.
            claim = op.safe_overlap(output, input)
            claims.append(
                Claim(target, source, claim.below - first, claim.above + first, claim.step)
            )
    return Step(name, tuple(reads.values()), tuple(writes.values()), tuple(claims))
