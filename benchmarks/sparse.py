# SPDX-License-Identifier: Apache-2.0
"""Sparse kernels next to CMSIS-NN's dense ones (gcc 12.2 -O3, the same image), byte for byte equal.

    make bench-sparse         or        python -m benchmarks.sparse

Instructions are QEMU's, cycles are estimates of sparsec/targets/timing.py.
"""

import sys

from benchmarks._never_slower import never_slower_figures
from benchmarks._results import Figure, publish, step
from benchmarks._sparse_conv import Case, ConvolutionRow, measure
from benchmarks._sparse_depthwise import depthwise_figures
from benchmarks._sparse_fc import fully_connected_rows
from benchmarks._sparse_networks import NETWORKS, OPTIONS, flash_row, network_rows
from sparsec.run.errors import RunError
from sparsec.tools.console import print_table
from sparsec.tools.errors import UserError

INSTRUCTIONS: dict[Case, float | None] = {
    ("W1", "un", 0): None,
    ("W1", "un", 50): 2.6,
    ("W1", "un", 70): 3.8,
    ("W1", "un", 80): 5.0,
    ("W1", "un", 90): 7.0,
    ("W1", "un", 95): 9.0,
    ("W2", "un", 50): 2.3,
    ("W2", "un", 90): 8.0,
    ("W2", "un", 95): 11.5,
    ("W3", "un", 50): 2.2,
    ("W3", "un", 90): 8.3,
    ("W3", "un", 95): 12.0,
    ("W4", "un", 50): 2.7,
    ("W4", "un", 80): 6.3,
    ("W4", "un", 90): 11.5,
    ("W4", "un", 95): 18.0,
    ("W1", "1x4", 75): None,
    ("W1", "1x4", 90): None,
    ("W2", "1x4", 75): None,
    ("W2", "1x4", 90): None,
    ("W4", "1x4", 90): None,
}
"""How many times fewer instructions than CMSIS-NN are wanted on a Cortex-M4."""
CYCLES_M7: dict[Case, float] = {
    ("W1", "un", 90): 4.4,
    ("W2", "un", 90): 4.9,
    ("W3", "un", 90): 4.7,
    ("W4", "un", 90): 7.2,
}
"""The same in estimated cycles on a Cortex-M7."""


def convolution_figures() -> list[Figure]:
    """Measure the convolutions, print them, and give the figures that have a target."""
    step("convolutions on cortex-m4")
    m4 = measure("cortex-m4", list(INSTRUCTIONS))
    step("convolutions on cortex-m7")
    m7 = measure("cortex-m7", list(CYCLES_M7))
    print_convolutions([*m4, *m7])
    figures = [
        Figure(
            f"instructions {row.workload} {row.core} {row.pattern} {row.sparsity} %: CMSIS-NN/ours",
            *(row.ratio, INSTRUCTIONS[row.case], "x", "higher"),
        )
        for row in m4
    ]
    figures += [
        Figure(
            f"estimated cycles {row.workload} {row.core} {row.pattern} {row.sparsity} %: CMSIS-NN/ours",
            *(row.cycle_ratio, CYCLES_M7[row.case], "x", "higher"),
        )
        for row in m7
    ]
    return figures + [
        Figure(
            f"bytes {row.workload} {row.pattern} {row.sparsity} %, {row.nonzeros} non-zeros",
            *(row.bytes, row.bytes_allowed, "B", "lower"),
        )
        for row in m4
        if row.sparsity == 90
    ]


def print_convolutions(rows: list[ConvolutionRow]) -> None:
    """A table of all that was measured."""
    print_table(
        "packed convolution",
        (
            "",
            "pattern",
            "zeros %",
            "core",
            "CMSIS-NN",
            "packed",
            "ratio",
            "cycles ratio",
            "bytes",
            "scratch",
        ),
        [
            (
                *(row.workload, row.pattern, row.sparsity, row.core),
                *(row.dense.instructions, row.packed.instructions, f"{row.ratio:.2f}"),
                *(f"{row.cycle_ratio:.2f}", row.bytes, row.scratch_bytes),
            )
            for row in rows
        ],
    )


def network_figures() -> list[Figure]:
    """Measure whole networks, print them, and give the figures."""
    rows, options = network_rows(), " ".join(OPTIONS)
    print_table(
        f"pruned networks, {options}, thousands; flash is code and constants",
        (
            *("network", "set to zero %", "zeros %", "core", "CMSIS-NN", "sparsec", "ratio"),
            *("cycles", "cycles", "ratio", "flash B", "flash B"),
        ),
        [
            (
                *(NETWORKS[row.network], row.sparsity, f"{row.zeros:.1f}", row.core),
                *(
                    row.plain.instructions // 1000,
                    row.ours.instructions // 1000,
                    f"{row.ratio:.2f}",
                ),
                *(row.plain.cycles // 1000, row.ours.cycles // 1000, f"{row.cycle_ratio:.2f}"),
                *(row.plain_flash, row.flash),
            )
            for row in rows
        ],
    )
    figures: list[Figure] = []
    for row in rows:
        network = f"{NETWORKS[row.network]}, {row.sparsity} % set to zero, {row.core}"
        what = f"{network}: CMSIS-NN/ours"
        figures += [
            Figure(f"zeros {network}", row.zeros, None, "%", "higher"),
            Figure(f"instructions {what}", row.ratio, 1.0, "x", "higher", options),
            Figure(f"estimated cycles {what}", row.cycle_ratio, 1.0, "x", "higher", options),
            Figure(f"flash {what}", row.plain_flash / row.flash, None, "x", "higher", options),
        ]
        for whose, cost, flash, by in (
            ("CMSIS-NN", row.plain, row.plain_flash, ""),
            ("ours", row.ours, row.flash, options),
        ):
            figures += [
                Figure(
                    f"instructions {network}: {whose}",
                    *(cost.instructions, None, "instructions", "lower", by),
                ),
                Figure(
                    f"estimated cycles {network}: {whose}",
                    *(cost.cycles, None, "cycles", "lower", by),
                ),
                Figure(f"flash {network}: {whose}", flash, None, "B", "lower", by),
            ]
    return figures


def flash_figures() -> list[Figure]:
    """Formats chosen layer by layer next to the best one for all layers."""
    rows = [flash_row(name, sparsity) for name in NETWORKS for sparsity in (75, 90)]
    return [
        Figure(
            f"flash of {NETWORKS[row.network]}, {row.sparsity} % set to zero, cortex-m4"
            f" (all dense {row.dense}, all {row.best_format} {row.best})",
            *(row.chosen, row.best, "B", "lower", "--objective=flash"),
        )
        for row in rows
    ]


def main() -> int:
    """Measure everything; 1 if a target was missed."""
    figures = convolution_figures()
    figures += [row.figure for row in fully_connected_rows()]
    figures += depthwise_figures()
    figures += never_slower_figures()
    figures += network_figures()
    figures += flash_figures()
    return publish("sparse", figures)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (UserError, RunError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
