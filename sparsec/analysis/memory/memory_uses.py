# SPDX-License-Identifier: Apache-2.0
"""How many bytes of each buffer and constant one inference reads and writes, by a simple model of the kernels.

What a layer has stored, its weights above all, is read once for each pixel of its output, and with each such byte one of
its inputs and one of its scratch memory. What is written is written once. Only the proportions matter: what is used most
per byte belongs in the fastest memory.
"""

from collections import Counter
from dataclasses import dataclass, field
from math import prod

from xdsl.dialects import func, memref
from xdsl.ir import SSAValue

from sparsec.ir.kernel import KernelOp, byte_count
from sparsec.ir.rt.decode import DecodeOp
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import memory_of


@dataclass(frozen=True)
class Uses:
    """Bytes that are read and written, by buffer and by the name of a constant."""

    buffers: Counter[SSAValue] = field(default_factory=Counter[SSAValue])
    constants: Counter[str] = field(default_factory=Counter[str])


def memory_uses(function: func.FuncOp) -> Uses:
    """Those of a bufferized function."""
    uses = Uses()
    calls = [op for op in function.body.block.ops if isinstance(op, KernelOp)]
    decoded = {memory_of(v) for op in calls if isinstance(op, DecodeOp) for v in op.written()}
    for op in calls:
        written = list(dict.fromkeys(op.written()))
        read = [value for value in dict.fromkeys(op.operands) if value not in written]
        stored = [v for v in read if name_of_constant(v) is not None or memory_of(v) in decoded]
        scratch: SSAValue | None = getattr(op, "scratch", None)
        pixels = max(prod(shape_of(v.type)[:-1]) for v in written if v is not scratch)
        for value in stored:
            name, bytes = name_of_constant(value), byte_count(value.type) * pixels
            if name is None:
                uses.buffers[memory_of(value)] += bytes
            else:
                uses.constants[name] += bytes
        products = sum(byte_count(value.type) for value in stored) * pixels
        for value in read:
            if value not in stored:
                uses.buffers[memory_of(value)] += max(byte_count(value.type), products)
        for value in written:
            extra = products if value is scratch else 0
            uses.buffers[memory_of(value)] += byte_count(value.type) + extra
    return uses


def name_of_constant(buffer: SSAValue) -> str | None:
    """The global that `buffer` shows, None if it shows none."""
    owner = memory_of(buffer).owner
    return owner.name_.string_value() if isinstance(owner, memref.GetGlobalOp) else None
