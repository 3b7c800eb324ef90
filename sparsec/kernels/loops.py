# SPDX-License-Identifier: Apache-2.0
"""Loops that several kernels share: how often they run for a shape. The names are the rows of costs.json."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias

from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import VectorUnit

Loops: TypeAlias = Mapping[str, int]
"""Passes of each loop."""


def rounded(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """The results that are rounded to the right of a shift; Helium does the same for all."""
    if unit == "mve":
        return {}
    return {"results rounded": work.pixels * (work.outputs[2] - stored.left)}


def product(
    unit: VectorUnit, rows: int, columns: int, outputs: int, calls: int = 1
) -> dict[str, int]:
    """`arm_nn_mat_mult_nt_t_s8` of an input [rows, columns], `calls` times."""
    loops: dict[str, int] = {"calls": 1}
    if unit == "mve":
        vectors = -(-columns // 16)
        fours, ones = divmod(rows, 4)
        loops |= {
            "four rows, vectors": fours * outputs * vectors,
            "four rows, outputs": fours * outputs,
            "four rows": fours,
            "one row, vectors": ones * outputs * vectors,
            "one row, outputs": ones * outputs,
            "one row, last outputs": ones * (outputs % 4),
            "one row": ones,
        }
    else:
        pairs, odd = divmod(outputs, 2)
        loops |= {
            "output pairs": pairs,
            "output pairs, weights summed": pairs * columns,
            "odd output": odd * rows,
            "odd output, columns": odd * rows * columns,
        }
        for name, times in (("two rows", rows // 2), ("odd row", rows % 2)):
            loops[name] = pairs * times
            for part, passes in columns_of(unit, columns, 16).items():
                loops[f"{name}, {part}"] = pairs * times * passes
                if unit == "dsp":
                    loops[f"{name}, any {part}"] = pairs * times * (passes > 0)
    return {name: calls * passes for name, passes in loops.items()}


def columns_of(unit: VectorUnit, columns: int, most: int) -> dict[str, int]:
    """Passes over columns, which DSP code takes 16 or 4 at a time and then one by one."""
    if unit == "scalar":
        return {"columns": columns}
    parts = {"fours": columns % most // 4, "last columns": columns % 4}
    if most == 4:
        return parts | {"fours": columns // 4}
    return {"sixteens": columns // 16} | parts


def elements(work: Workload, sizes: Sequence[int]) -> Loops:
    """Elements one by one, or in blocks of `sizes`, the largest first."""
    loops, left = {"calls": 1}, prod(work.outputs)
    for size in sizes:
        loops[f"blocks of {size}"], left = divmod(left, size)
    return loops


def vectors(work: Workload, lanes: int) -> Loops:
    """Elements in vectors, the last of which may not be full."""
    whole, left = divmod(prod(work.outputs), lanes)
    return {"calls": 1, "vectors": whole, "last vector": int(left > 0)}
