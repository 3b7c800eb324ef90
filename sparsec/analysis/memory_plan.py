"""The memory plan that a module states, read from its IR and nothing else.

A planned function takes the arena as its one argument and sees every buffer by a `memref.view` at a
constant offset. Where its inputs and results lie is said in the attributes of that argument.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

from xdsl.dialects import arith, func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    IntegerAttr,
    MemRefType,
    ModuleOp,
    i8,
)
from xdsl.ir import Attribute, SSAValue

from sparsec.ir.kernel import KernelOp, byte_count, element_dtype
from sparsec.ir.qnn import QUANTIZATION
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import memory_of, place_in_memory
from sparsec.planning.certificate import Claim, Part, Region, Step, certify
from sparsec.quantization.scheme import Quantization

RESULT = "sparsec.result"
"""Marks the arguments of a function, before its memory is planned, that hold its results."""

INPUTS = "sparsec.inputs"
OUTPUTS = "sparsec.outputs"
"""Attributes of the arena argument: the places of inputs and results, in order."""

INPUT = "sparsec.input"
OUTPUT = "sparsec.output"
"""Attributes of a view: the number of the input or result that it shows."""

SCRATCH_ALIGNMENT = 8
"""Bytes to which the kernels want their scratch memory aligned."""


@dataclass(frozen=True)
class Place:
    """Where an input or result lies in the arena, in bytes, and how it is quantized."""

    offset: int
    shape: tuple[int, ...]
    quantization: Quantization | None

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return prod(self.shape)

    def attribute(self) -> DictionaryAttr:
        """The place as an attribute."""
        entries: dict[str, Attribute] = {
            "offset": IntegerAttr(self.offset, 64),
            "type": MemRefType(i8, self.shape),
        }
        if self.quantization is not None:
            entries[QUANTIZATION] = QuantizationAttr(self.quantization)
        return DictionaryAttr(entries)


def place_of(attribute: DictionaryAttr) -> Place:
    """The inverse of `Place.attribute`."""
    offset, quantization = attribute.data["offset"], attribute.data.get(QUANTIZATION)
    assert isinstance(offset, IntegerAttr)
    return Place(
        offset.value.data,
        shape_of(attribute.data["type"]),
        quantization.data if isinstance(quantization, QuantizationAttr) else None,
    )


@dataclass(frozen=True)
class PlannedFunction:
    """A function whose buffers all lie in its arena."""

    function: func.FuncOp
    arena_bytes: int
    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]

    @property
    def kernels(self) -> Iterator[KernelOp]:
        """The calls, in order."""
        return (op for op in self.function.body.block.ops if isinstance(op, KernelOp))


def planned_function(module: ModuleOp) -> PlannedFunction | None:
    """The planned function of `module`, None when its memory is not planned."""
    for function in module.ops:
        if not isinstance(function, func.FuncOp) or function.arg_attrs is None:
            continue
        if len(function.arg_attrs) != 1 or INPUTS not in function.arg_attrs.data[0].data:
            continue
        attributes = function.arg_attrs.data[0].data
        (arena,) = function.body.block.args
        return PlannedFunction(
            function,
            shape_of(arena.type)[0],
            _places(attributes[INPUTS]),
            _places(attributes[OUTPUTS]),
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
    numbers: dict[SSAValue, int] = {}
    regions: dict[int, Region] = {}
    inputs: dict[int, int] = {}
    outputs: dict[int, int] = {}
    for view in planned.function.body.block.ops:
        if not isinstance(view, memref.ViewOp):
            continue
        number = numbers[view.result] = len(numbers)
        type = view.result.type
        alignment = element_dtype(type).itemsize
        regions[number] = Region(arena_offset(view), byte_count(type), alignment)
        for name, places, found in (
            (INPUT, planned.inputs, inputs),
            (OUTPUT, planned.outputs, outputs),
        ):
            index = view.attributes.get(name)
            if isinstance(index, IntegerAttr):
                place = places[index.value.data]
                if (place.offset, place.bytes) != (regions[number].offset, regions[number].size):
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
    certify([planned.arena_bytes], regions, list(inputs.values()), steps, list(outputs.values()))


def _step(name: str, op: KernelOp, numbers: Mapping[SSAValue, int]) -> Step:
    """A call as the certificate sees it; `numbers` are the buffers that are planned."""

    def part(operand: SSAValue) -> Part:
        memory, start = place_in_memory(operand)
        return Part(numbers[memory], start, byte_count(operand.type))

    written = op.written()
    writes = list(dict.fromkeys(value for value in op.operands if value in written))
    reads = list(
        dict.fromkeys(
            value for value in op.operands if value not in written and memory_of(value) in numbers
        )
    )
    claims: list[Claim] = []
    for output in writes:
        for input in reads:
            claim = op.safe_overlap(output, input)
            claims.append(Claim(part(output), part(input), claim.below, claim.above, claim.step))
    return Step(name, tuple(map(part, reads)), tuple(map(part, writes)), tuple(claims))
