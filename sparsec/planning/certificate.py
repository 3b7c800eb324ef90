# SPDX-License-Identifier: Apache-2.0
"""Proves a memory plan by playing it: who wrote each byte of the memory last?

Knows nothing of lifetimes and shares no code with the planner. A buffer that is read, or handed out at the end, must
still own each of its bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NOBODY = -1


@dataclass(frozen=True)
class Region:
    """The bytes of one buffer: `size` of them from `offset` of a memory on, at a multiple of `alignment`."""

    offset: int
    size: int
    alignment: int = 1
    memory: int = 0


@dataclass(frozen=True)
class Part:
    """`size` bytes of a buffer from its byte `start` on; all of it by default."""

    buffer: int
    start: int = 0
    size: int | None = None


@dataclass(frozen=True)
class Claim:
    """A kernel's promise: what it writes, `written`, may begin `below` bytes or more before what it reads, `read`,
    `above` bytes or more behind, or a multiple of `step` (if not 0) from it."""

    written: Part
    read: Part
    below: int
    above: int
    step: int = 0

    def allows(self, distance: int) -> bool:
        """Whether `written` may begin `distance` bytes behind `read`."""
        fits_step = self.step > 0 and distance % self.step == 0
        return distance + self.below <= 0 or distance >= self.above or fits_step


@dataclass(frozen=True)
class Step:
    """One kernel call: what it reads, what it writes, scratch memory included, and which of it may overlap."""

    name: str
    reads: tuple[Part, ...]
    writes: tuple[Part, ...]
    claims: tuple[Claim, ...] = ()


def certify(
    memories: Sequence[int],
    regions: Mapping[int, Region],
    inputs: Sequence[int],
    steps: Iterable[Step],
    outputs: Sequence[int],
) -> None:
    """Raises ValueError, naming the step, unless every read sees what was written for it.

    `memories` are the bytes of each memory, `regions` maps the buffers, numbered as one likes, to their bytes; `inputs`
    are filled before the first step and `outputs` read after the last. Within a step, what is written lies apart from
    everything else the step uses, unless the step claims that it need not.
    """
    _Play(memories, regions).run(inputs, steps, outputs)


class _Play:
    def __init__(self, memories: Sequence[int], regions: Mapping[int, Region]):
        for number, region in regions.items():
            if region.offset < 0 or region.offset + region.size > memories[region.memory]:
                raise ValueError(
                    f"buffer {number} lies outside the arena of {memories[region.memory]} bytes"
                )
            if region.offset % region.alignment:
                raise ValueError(
                    f"buffer {number} at {region.offset} is not aligned to {region.alignment} bytes"
                )
        self.regions = regions
        self.owner = [np.full(bytes, _NOBODY, np.int64) for bytes in memories]
        self.filled: dict[int, NDArray[np.bool_]] = {}

    def run(self, inputs: Sequence[int], steps: Iterable[Step], outputs: Sequence[int]) -> None:
        for number in inputs:
            self.write(Part(number), "at the start")
        for step in steps:
            self.expect_apart(step)
            for part in step.reads:
                self.read(part, step.name)
            for part in step.writes:
                self.write(part, step.name)
        for number in outputs:
            if number not in self.filled:
                raise ValueError(f"output buffer {number} is never written")
            self.read(Part(number), "at the end")

    def span(self, part: Part) -> tuple[int, int, int]:
        """The memory of a part and its bytes there, from and to."""
        region = self.regions[part.buffer]
        size = region.size - part.start if part.size is None else part.size
        if part.start < 0 or size < 0 or part.start + size > region.size:
            raise ValueError(f"{part} is not a part of a buffer of {region.size} bytes")
        begin = region.offset + part.start
        return region.memory, begin, begin + size

    def holds(self, part: Part) -> NDArray[np.bool_]:
        """For each byte of a part whether its buffer wrote it last."""
        memory, begin, end = self.span(part)
        return self.owner[memory][begin:end] == part.buffer

    def read(self, part: Part, when: str) -> None:
        if part.buffer not in self.filled or not np.all(self.bytes_filled(part)):
            raise ValueError(f"{when}: buffer {part.buffer} is read before it is written")
        if not np.all(self.holds(part)):
            raise ValueError(f"{when}: buffer {part.buffer} no longer holds what was written to it")

    def write(self, part: Part, when: str) -> None:
        filled = self.filled.setdefault(
            part.buffer, np.zeros(self.regions[part.buffer].size, np.bool_)
        )
        # Written in parts, as a concatenation is: the parts written before must still be there.
        if np.any(self.bytes_filled(part) & ~self.holds(part)):
            raise ValueError(f"{when}: buffer {part.buffer} no longer holds what was written to it")
        memory, begin, end = self.span(part)
        self.owner[memory][begin:end] = part.buffer
        filled[part.start : part.start + end - begin] = True

    def bytes_filled(self, part: Part) -> NDArray[Any]:
        _, begin, end = self.span(part)
        return self.filled[part.buffer][part.start : part.start + end - begin]

    def expect_apart(self, step: Step) -> None:
        parts = [*step.reads, *step.writes]
        for index, written in enumerate(step.writes, len(step.reads)):
            memory, begin, end = self.span(written)
            for other_index, other in enumerate(parts):
                other_memory, other_begin, other_end = self.span(other)
                if index == other_index or memory != other_memory:
                    continue
                if begin >= other_end or other_begin >= end:
                    continue
                claims = [c for c in step.claims if (c.written, c.read) == (written, other)]
                if other_index < len(step.reads) and any(
                    claim.allows(begin - other_begin) for claim in claims
                ):
                    continue
                raise ValueError(
                    f"{step.name}: buffers {written.buffer} and {other.buffer} overlap"
                )
