"""Proves a memory plan by playing it: who wrote each byte of the arena last?

Knows nothing of lifetimes and shares no code with the planner. A buffer that is read, or handed
out at the end, must still own each of its bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

_NOBODY = -1


@dataclass(frozen=True)
class Region:
    """The bytes of one buffer: `size` of them from `offset` on, at a multiple of `alignment`."""

    offset: int
    size: int
    alignment: int = 1


@dataclass(frozen=True)
class Step:
    """One kernel call: the buffers it reads and those it writes, scratch memory included."""

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]


def certify(
    arena_bytes: int,
    regions: Mapping[int, Region],
    inputs: Sequence[int],
    steps: Iterable[Step],
    outputs: Sequence[int],
) -> None:
    """Raises ValueError, naming the step, unless every read sees what was written for it.

    `regions` maps the buffers, numbered as one likes, to their bytes; `inputs` are filled before
    the first step and `outputs` read after the last. Within a step, what is written lies apart from
    everything else the step uses.
    """
    for number, region in regions.items():
        if region.offset < 0 or region.offset + region.size > arena_bytes:
            raise ValueError(f"buffer {number} lies outside the arena of {arena_bytes} bytes")
        if region.offset % region.alignment:
            raise ValueError(
                f"buffer {number} at {region.offset} is not aligned to {region.alignment} bytes"
            )
    owner = np.full(arena_bytes, _NOBODY, np.int64)
    filled = set(inputs)

    def bytes_of(number: int) -> slice:
        region = regions[number]
        return slice(region.offset, region.offset + region.size)

    def expect(number: int, when: str) -> None:
        if np.any(owner[bytes_of(number)] != number):
            raise ValueError(f"{when}: buffer {number} no longer holds what was written to it")

    for number in inputs:
        owner[bytes_of(number)] = number
    for step in steps:
        for number in step.writes:
            _expect_apart(step, number, regions)
        for number in step.reads:
            if number not in filled:
                raise ValueError(f"{step.name}: buffer {number} is read before it is written")
            expect(number, step.name)
        for number in step.writes:
            if number in filled:  # written in parts, as a concatenation is
                expect(number, step.name)
            owner[bytes_of(number)] = number
            filled.add(number)
    for number in outputs:
        if number not in filled:
            raise ValueError(f"output buffer {number} is never written")
        expect(number, "at the end")


def _expect_apart(step: Step, written: int, regions: Mapping[int, Region]) -> None:
    mine = regions[written]
    others = (*step.reads, *step.writes)
    if others.count(written) > 1:
        raise ValueError(f"{step.name}: buffer {written} is used twice, once for writing")
    for number in others:
        other = regions[number]
        if (
            number != written
            and mine.offset < other.offset + other.size
            and other.offset < mine.offset + mine.size
        ):
            raise ValueError(f"{step.name}: buffers {written} and {number} overlap")
