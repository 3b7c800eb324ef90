# SPDX-License-Identifier: Apache-2.0
"""The processors sparsec generates code for, as one frozen table."""

from dataclasses import dataclass, replace
from typing import Literal

from sparsec.targets.cmsis_nn import PACKAGED, Release

VectorUnit = Literal["scalar", "dsp", "mve"]
CompilerName = Literal["gcc", "clang"]


@dataclass(frozen=True)
class GatherPrice:
    """An assumption of what a Helium gather or scatter takes: `per_cycle` elements in each cycle and a cycle more, in
    which nothing else issues. Nobody has published it for the Cortex-M55."""

    per_cycle: int

    def cycles(self, elements: int) -> int:
        """Of one gather."""
        return elements // self.per_cycle + 1


LIKELY_GATHERS = GatherPrice(per_cycle=2)
"""What estimates take: so it was measured on the Cortex-M85 (jnk0le/random, cortex_m85.md)."""
PESSIMISTIC_GATHERS = GatherPrice(per_cycle=1)
"""What `sparsec explain` tries besides, to tell which choices hang on it."""


@dataclass(frozen=True)
class Cpu:
    """One processor.

    `vector_unit` is the arithmetic CMSIS-NN picks at compile time: plain C, the DSP extension
    (SMLAD and friends) or Helium (MVE). It decides how much scratch memory a kernel asks for.
    `compiler_flags` select the processor in gcc and clang, `stand_in_flags`, in their order, one with the same
    instructions where a compiler does not know this one yet. `cmsis_nn` is the release of the library that it runs.
    `gathers` is the assumed price of gathers, by which choices are made.
    """

    name: str
    vector_unit: VectorUnit
    compiler_flags: tuple[str, ...]
    summary: str
    cmsis_nn: Release = PACKAGED
    gathers: GatherPrice = LIKELY_GATHERS
    stand_in_flags: tuple[tuple[str, ...], ...] = ()

    def optimization(self, compiler: CompilerName) -> str:
        """The level at which code is fastest: at -O3 clang versions and peels loops of Helium, which get slower."""
        return "-Os" if compiler == "clang" and self.vector_unit == "mve" else "-O3"


def _arm(name: str, vector_unit: VectorUnit, float_abi: str, summary: str, *stand_ins: str) -> Cpu:
    flags = [
        (f"-mcpu={each}", "-mthumb", f"-mfloat-abi={float_abi}") for each in (name, *stand_ins)
    ]
    return Cpu(name, vector_unit, flags[0], summary, stand_in_flags=tuple(flags[1:]))


CPUS: dict[str, Cpu] = {
    cpu.name: cpu
    for cpu in (
        _arm("cortex-m0plus", "scalar", "soft", "Armv6-M, no DSP"),
        _arm("cortex-m3", "scalar", "soft", "Armv7-M, no DSP"),
        _arm("cortex-m4", "dsp", "hard", "Armv7E-M, DSP, single-precision FPU"),
        _arm("cortex-m7", "dsp", "hard", "Armv7E-M, DSP, FPU, dual issue"),
        _arm("cortex-m33", "dsp", "hard", "Armv8-M Mainline, DSP, FPU"),
        _arm("cortex-m55", "mve", "hard", "Armv8.1-M, Helium"),
        # gcc 12 of Debian does not know it.
        _arm("cortex-m85", "mve", "hard", "Armv8.1-M, Helium, dual issue", "cortex-m55"),
        Cpu("host", "scalar", (), "the machine the compiler runs on, for tests"),
    )
}


def cpu_named(name: str, cmsis_nn: Release = PACKAGED) -> Cpu:
    """The processor called `name`, with a release of CMSIS-NN.

    Raises ValueError, naming the known processors, when there is none.
    """
    cpu = CPUS.get(name)
    if cpu is None:
        raise ValueError(f"unknown target '{name}', choose one of: {', '.join(CPUS)}")
    return replace(cpu, cmsis_nn=cmsis_nn)
