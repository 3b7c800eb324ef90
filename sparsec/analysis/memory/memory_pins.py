# SPDX-License-Identifier: Apache-2.0
"""What a recipe's pins mean in a bufferized function: which buffers and constants must lie in which memory."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from xdsl.dialects import func
from xdsl.ir import BlockArgument, SSAValue
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.memory.memory_plan import Memory, io_names
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layer import layer_of
from sparsec.ir.rt.decode import DecodeOp
from sparsec.ir.views import memory_of
from sparsec.recipe import Pin


@dataclass(frozen=True)
class Pinned:
    """Numbers of memories by buffer and by the name of a constant; `pins` are those of each memory."""

    buffers: dict[SSAValue, int] = field(default_factory=dict[SSAValue, int])
    constants: dict[str, int] = field(default_factory=dict[str, int])
    pins: dict[int, list[Pin]] = field(default_factory=dict[int, list[Pin]])

    def names(self, memory: int) -> str:
        """The pins to a memory, in words."""
        return f"recipe: {'; '.join(pin.text for pin in self.pins[memory])}"


def pinned(
    pins: Sequence[Pin],
    memories: Sequence[Memory],
    outputs: Mapping[str, Sequence[SSAValue]],
    constants: Iterable[str],
    planned: Iterable[SSAValue],
) -> Pinned:
    """What `pins` say of these `memories`; of two for one buffer the later holds.

    `outputs` are buffers by what they are called, `planned` those that the plan may place. A pattern that matches one of
    `outputs` is about those; else it is about constants. Raises PassFailedException, naming the pin, for one that means
    nothing.
    """
    found = Pinned()
    numbers = {m.name: number for number, m in enumerate(memories) if m.capacity is not None}
    symbols = list(constants)
    placeable = set(planned)
    for pin in pins:
        memory = numbers.get(pin.memory)
        if memory is None:
            known = f", known: {', '.join(numbers)}" if numbers else ""
            raise failure(
                pin,
                f"there is no memory '{pin.memory}'{known}; name it with --memory={pin.memory}=64K",
            )
        buffers = [
            buffer
            for name, values in outputs.items()
            if fnmatchcase(name, pin.pattern)
            for buffer in values
        ]
        stored = [] if buffers else [name for name in symbols if is_called(name, pin.pattern)]
        own = [buffer for buffer in buffers if buffer in placeable]
        if buffers and not own:
            raise failure(pin, "that is the caller's (--io=caller)")
        if not buffers and not stored:
            raise failure(pin, f"nothing is called so, known: {', '.join([*outputs, *symbols])}")
        found.buffers.update(dict.fromkeys(own, memory))
        found.constants.update(dict.fromkeys(stored, memory))
        found.pins.setdefault(memory, []).append(pin)
    return found


def outputs_by_name(
    function: func.FuncOp, inputs: Sequence[BlockArgument], results: Sequence[BlockArgument]
) -> dict[str, list[SSAValue]]:
    """What each layer of a bufferized function writes for others, and the network's inputs and outputs."""
    found: dict[str, list[SSAValue]] = {}
    for op in function.body.block.ops:
        if isinstance(op, KernelOp) and not isinstance(op, DecodeOp):
            scratch: SSAValue | None = getattr(op, "scratch", None)
            written = (memory_of(value) for value in op.written() if value is not scratch)
            found.setdefault(layer_of(op), []).extend(written)
    for names, arguments in (
        (io_names("input", len(inputs)), inputs),
        (io_names("output", len(results)), results),
    ):
        for name, argument in zip(names, arguments, strict=True):
            found.setdefault(name, []).append(argument)
    return found


def is_called(symbol: str, pattern: str) -> bool:
    """Whether `pattern` names the global `symbol`, or the tensor that is stored in it and others, as `fc.weight` is in
    `fc_weight_entries` and `fc_weight_counts`."""
    as_symbol = re.sub(r"[^\w*?\[\]-]", "_", pattern, flags=re.ASCII)
    return fnmatchcase(symbol, as_symbol) or fnmatchcase(symbol, f"{as_symbol}_*")


def failure(pin: Pin, reason: str) -> PassFailedException:
    """What to say of a pin."""
    return PassFailedException(f"recipe: {pin.text}: {reason}")
