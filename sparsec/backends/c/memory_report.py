# SPDX-License-Identifier: Apache-2.0
"""What report.json says of memory: what lies in which one, and how many bytes that takes of it."""

from collections import Counter
from typing import Any

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.memref import GlobalOp

from sparsec.analysis.memory.memory_plan import (
    Direction,
    Place,
    PlannedFunction,
    io_names,
    memory_of_constant,
)
from sparsec.ir.kernel import byte_count
from sparsec.planning.memories import stored_bytes
from sparsec.quantization.scheme import Quantization

FLASH = "flash"


def describe_memories(module: ModuleOp, planned: PlannedFunction) -> list[dict[str, Any]]:
    """Those that the network is given: what is planned of each, and what constants take that are copied there."""
    constants: Counter[str | None] = Counter()
    for op in globals_of(module):
        constants[memory_of_constant(op)] += stored_bytes(byte_count(op.type))
    return [
        {
            "name": memory.name,
            "bytes": memory.bytes,
            "constant_bytes": constants[memory.name],
            "capacity_bytes": memory.capacity,
        }
        for memory in planned.own_memories
    ]


def describe_constants(module: ModuleOp) -> list[dict[str, Any]]:
    """Where each constant lies: in flash, or copied from there to a memory."""
    return [
        {
            "name": op.sym_name.data,
            "bytes": byte_count(op.type),
            "memory": memory_of_constant(op) or FLASH,
        }
        for op in globals_of(module)
    ]


def describe_places(direction: Direction, planned: PlannedFunction) -> list[dict[str, Any]]:
    """Inputs or outputs; the memory of one that is the caller's is None."""
    places = planned.inputs if direction == "input" else planned.outputs
    own = {memory.name for memory in planned.own_memories}
    return [
        {
            "name": name,
            "memory": place.memory if place.memory in own else None,
            "offset": place.offset,
            "bytes": place.bytes,
            "shape": list(place.shape),
            "type": place.dtype.name,
            "scale": None if (scheme := scheme_of(place)) is None else scheme.scale,
            "zero_point": None if scheme is None else scheme.zero_point,
        }
        for name, place in zip(io_names(direction, len(places)), places, strict=True)
    ]


def scheme_of(place: Place) -> Quantization | None:
    """What the bytes of an input or output stand for; None where that is not known, and of other integers."""
    return place.quantization if place.dtype == np.int8 else None


def globals_of(module: ModuleOp) -> list[GlobalOp]:
    """The constants of a bufferized module."""
    return [op for op in module.ops if isinstance(op, GlobalOp)]
