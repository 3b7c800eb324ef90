# SPDX-License-Identifier: Apache-2.0
"""The QEMU machines images run on: memory map and timer, one frozen row per core.

QEMU's `-icount shift=7` makes one instruction 128 ns of virtual time, so a timer of more than
7.8125 MHz counts instructions exactly.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from sparsec.run.errors import ToolchainError

ICOUNT_SHIFT = 7
STACK_BYTES = 16 * 1024

Layout = Literal["large", "small"]
SMALL_FLASH_BYTES = 1024 * 1024
SMALL_RAM_BYTES = 256 * 1024

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Region:
    """A range of addresses: `origin` and length in bytes."""

    origin: int
    length: int


@dataclass(frozen=True)
class Machine:
    """One QEMU machine.

    `timer_hz` is the rate of its timer; `timer_addresses` tell the harness its kind and place.
    """

    qemu_name: str
    vectors_origin: int
    flash: Region
    ram: Region
    timer_hz: int
    timer_addresses: tuple[str, ...]

    def instructions(self, ticks: int) -> int:
        """The instructions executed in `ticks` of the timer, to the nearest whole one."""
        per_second = Fraction(10**9, 1 << ICOUNT_SHIFT)
        return round(ticks * per_second / self.timer_hz)

    def regions(self, layout: Layout) -> tuple[Region, Region]:
        """Flash and RAM of the layout: all the board has, or what a typical microcontroller has."""
        match layout:
            case "large":
                return self.flash, self.ram
            case "small":
                return Region(self.flash.origin, SMALL_FLASH_BYTES), Region(
                    self.ram.origin, SMALL_RAM_BYTES
                )


def _mps2(qemu_name: str, ram: Region) -> Machine:
    return Machine(
        qemu_name,
        vectors_origin=0,
        flash=Region(0x400, 4 * _MIB - 0x400),
        ram=ram,
        timer_hz=25_000_000,
        timer_addresses=("TIMER_CMSDK=0x40000000u", "SECONDS_COUNTER=0x40028010u"),
    )


# These boards have 16 MB of PSRAM too, but what lies below it ignores writes: a stack overflow would go unseen.
_SSRAM = Region(0x20000000, 4 * _MIB)

_AN505 = Machine(
    "mps2-an505",
    vectors_origin=0x10000000,
    flash=Region(0x10000400, 4 * _MIB - 0x400),
    ram=Region(0x38000000, 4 * _MIB),
    timer_hz=20_000_000,
    timer_addresses=("TIMER_CMSDK=0x50000000u", "SECONDS_COUNTER=0x50302010u"),
)

# Code and constants lie in DDR memory, which has room for any network. RAM does not: the stack at its start must have
# unmapped addresses below it.
_AN547 = Machine(
    "mps3-an547",
    vectors_origin=0,
    flash=Region(0x70000000, 16 * _MIB),
    ram=Region(0x31000000, 4 * _MIB),
    timer_hz=32_000_000,
    timer_addresses=("TIMER_SSE=0x58100000u",),
)

MACHINES: dict[str, Machine] = {
    # QEMU has no Cortex-M0+ board; Armv6-M is a subset of the Cortex-M3's Armv7-M.
    "cortex-m0plus": _mps2("mps2-an385", _SSRAM),
    "cortex-m3": _mps2("mps2-an385", _SSRAM),
    "cortex-m4": _mps2("mps2-an386", _SSRAM),
    "cortex-m7": _mps2("mps2-an500", Region(0x60000000, 16 * _MIB)),
    "cortex-m33": _AN505,
    "cortex-m55": _AN547,
    # QEMU has no Cortex-M85. Its code runs on the M55 as long as nobody asks for branch protection (PACBTI), which is all
    # that its instructions have beyond.
    "cortex-m85": _AN547,
}


def machine_for(cpu: str) -> Machine:
    """The QEMU machine that runs code for `cpu`. Raises ToolchainError when there is none."""
    machine = MACHINES.get(cpu)
    if machine is None:
        raise ToolchainError(
            f"QEMU has no machine for {cpu}, run on one of: host, {', '.join(MACHINES)}"
        )
    return machine
