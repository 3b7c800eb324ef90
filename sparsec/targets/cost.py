"""What a layer with weights costs by each kernel on each core: fitted sums, never a measurement.

A kernel's loops follow from the shape (the modules *_loops.py); what a pass of each loop takes on a core is in
costs.json, which `make calibrate` writes and nobody edits. The rule: no coefficient stands in code.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from sparsec.targets import dense_loops as dense
from sparsec.targets import sparse_loops as sparse
from sparsec.targets.cpu import VectorUnit, cpu_named
from sparsec.targets.dense_loops import Loops
from sparsec.targets.depthwise_loops import depthwise_convolve_delta8
from sparsec.targets.stored import Stored
from sparsec.targets.workload import Workload

COSTS = Path(__file__).parent / "costs.json"

CALIBRATED = (
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4",
    "cortex-m7",
    "cortex-m33",
    "cortex-m55",
)
"""The cores that QEMU runs."""

STAND_INS: Mapping[str, str] = MappingProxyType({"cortex-m85": "cortex-m55", "host": "cortex-m3"})
"""Whose costs other processors take. The host compiles the plain C that the Cortex-M3 has too."""


@dataclass(frozen=True)
class Cost:
    """Instructions and cycles of one call. Cycles are estimates at zero wait states, as sparsec/targets/timing.py has them."""

    instructions: int
    cycles: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.instructions + other.instructions, self.cycles + other.cycles)

    def __sub__(self, other: "Cost") -> "Cost":
        return self + -1 * other

    def __rmul__(self, times: int) -> "Cost":
        return Cost(times * self.instructions, times * self.cycles)


Fit: TypeAlias = Mapping[str, Mapping[Literal["instructions", "cycles"], float]]
"""What a pass of each loop takes; a loop that is not in it takes nothing."""

Nest: TypeAlias = Callable[[VectorUnit, Workload, Stored], tuple[str, Loops]]
"""The path of a kernel, empty where it has only one, and its loops."""


def _sparse(loops: Callable[[VectorUnit, Workload, Stored], Loops]) -> Nest:
    return lambda unit, work, stored: ("", loops(unit, work, stored))


def _around(unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
    """The loop over the strips of a layer, without the `strip_kernel` in it."""
    return "", {"calls": 1, "strips": work.parts().total()}


def _dense(loops: Callable[[VectorUnit, Workload], Loops]) -> Nest:
    return lambda unit, work, _: ("", loops(unit, work))


KERNELS: Mapping[str, Nest] = MappingProxyType(
    {
        "arm_convolve_wrapper_s8": lambda unit, work, _: dense.convolution(unit, work),
        "arm_convolve_s8": _dense(dense.any_window),
        "arm_depthwise_conv_wrapper_s8": lambda unit, work, _: dense.depthwise(unit, work),
        "arm_fully_connected_s8": _dense(dense.fully_connected),
        "sparsec_fully_connected_per_channel_s8": _dense(dense.fully_connected_per_channel),
        "sparsec_fully_connected_dense_s8": _dense(dense.fully_connected_four_rows),
        "sparsec_convolve_delta8_s8": _sparse(sparse.convolve_delta8),
        "sparsec_convolve_packed_s8": _sparse(sparse.convolve_packed),
        "sparsec_depthwise_convolve_delta8_s8": _sparse(depthwise_convolve_delta8),
        "sparsec_fully_connected_delta8_s8": _sparse(sparse.fully_connected_delta8),
        "sparsec_fully_connected_table_s8": _sparse(sparse.fully_connected_table),
        "sparsec_fully_connected_1x4_s8": _sparse(sparse.fully_connected_1x4),
        "sparsec_fully_connected_4x1_s8": _sparse(sparse.fully_connected_4x1),
        "sparsec_fully_connected_4x1_w16_s8": _sparse(sparse.fully_connected_4x1),
        "sparsec_decode_delta4_s8": _sparse(sparse.decode),
        "sparsec_decode_csr_s8": _sparse(sparse.decode_csr),
        "sparsec_decode_bitmap_s8": _sparse(sparse.decode_bitmap),
        "sparsec_decode_nm_s8": _sparse(sparse.decode_blocks),
        "sparsec_decode_row_block_s8": _sparse(sparse.decode_blocks),
        "sparsec_decode_block_s8": sparse.decode_block_rows,
        "sparsec_decode_dcsr_s8": _sparse(sparse.decode_blocks),
        "sparsec_decode_block_rle_s8": sparse.decode_records,
        "sparsec_convolve_strips_s8": _around,
        "sparsec_depthwise_conv_strips_s8": _around,
        "sparsec_convolve_packed_strips_s8": _around,
        "sparsec_convolve_delta8_strips_s8": _around,
    }
)
"""By the name of the C function."""

STRIPS: Mapping[str, str] = MappingProxyType(
    {
        "sparsec_convolve_strips_s8": "arm_convolve_s8",
        "sparsec_depthwise_conv_strips_s8": "arm_depthwise_conv_wrapper_s8",
        "sparsec_convolve_packed_strips_s8": "sparsec_convolve_packed_s8",
        "sparsec_convolve_delta8_strips_s8": "sparsec_convolve_delta8_s8",
    }
)
"""What does the strips of a layer, but for a 1x1 convolution without padding: see `strip_kernel`."""


def strip_kernel(kernel: str, workload: Workload) -> str | None:
    """What does the strips of a layer, None where `kernel` does all at once."""
    if kernel == "sparsec_convolve_strips_s8" and workload.is_point:
        return "arm_convolve_wrapper_s8"
    return STRIPS.get(kernel)


def kernel_cost(
    cpu: str, kernel: str, workload: Workload, entries: int, blocks: int = 0, zeros: int = 0
) -> Cost:
    """The cost of the layer by the C function `kernel` on the core `cpu`.

    `entries`, `blocks` and `zeros` are what is stored (see `Stored`, and the functions beside it that count for a
    format, for its decoder and for the packed convolution), 0 for a dense kernel. Only decoders and the packed
    convolution ask for more than `entries`. Raises ValueError where `cpu` is unknown or has no fit for the kernel and
    the path it takes.
    """
    path, loops = loops_of(cpu, kernel, workload, Stored(entries, blocks, zeros))
    fit = costs().get(STAND_INS.get(cpu, cpu), {}).get(row_name(kernel, path))
    if fit is None:
        raise ValueError(
            f"there is no cost of {row_name(kernel, path)} on {cpu}: make calibrate measures it"
        )
    instructions, cycles = (
        round(sum(passes * fit[name][what] for name, passes in loops.items() if name in fit))
        for what in ("instructions", "cycles")
    )
    inner = strip_kernel(kernel, workload)
    if inner is not None:
        for part, times in workload.parts().items():
            strip = kernel_cost(cpu, inner, part, entries, blocks, zeros)
            instructions += times * strip.instructions
            cycles += times * strip.cycles
    return Cost(instructions, cycles)


def loops_of(cpu: str, kernel: str, workload: Workload, stored: Stored) -> tuple[str, Loops]:
    """The path that `kernel` takes and the passes of its loops. Raises ValueError where core or kernel is unknown."""
    nest = KERNELS.get(kernel)
    if nest is None:
        raise ValueError(f"there is no cost of {kernel} on {cpu}, only of: {', '.join(KERNELS)}")
    return nest(cpu_named(cpu).vector_unit, workload, stored)


def row_name(kernel: str, path: str) -> str:
    """How costs.json calls a path of a kernel."""
    return f"{kernel} {path}".rstrip()


@cache
def costs() -> Mapping[str, Mapping[str, Fit]]:
    """costs.json: by core, kernel with its path, loop."""
    return json.loads(COSTS.read_text(encoding="utf-8"))
