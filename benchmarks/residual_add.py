# SPDX-License-Identifier: Apache-2.0
"""The kernels of a residual sum next to arm_elementwise_add_s8: exact instructions and estimated cycles for each element.

    make bench-residual_add         or        python -m benchmarks.residual_add

The sums of ResNet8 (MLPerf Tiny) have random scales here; the others are what the kernel likes less. Both kernels must
give the same bytes.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from xdsl.ir import SSAValue

from benchmarks._results import Figure, publish, step
from sparsec.calibration.image import KernelImage
from sparsec.ir import cmsis, rt
from sparsec.ir.kernel import KernelOp
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams
from sparsec.quantization.rounded_add import rounded
from sparsec.quantization.short_add import shorten
from sparsec.run.errors import RunError
from sparsec.run.profile.profile import Cost
from sparsec.tools.console import print_table

TARGETS: dict[str, float | None] = {
    "cortex-m0plus": None,
    "cortex-m3": None,
    "cortex-m4": 3.0,
    "cortex-m7": 3.0,
    "cortex-m33": 3.0,
    "cortex-m55": 2.0,
}
"""How many times fewer instructions, and estimated cycles, than CMSIS-NN are wanted."""
SEED = 5
SEARCHES = 500
SHARE = 0.99
"""Of random sums, how many should have a short form."""
SEARCH_SECONDS = 0.05
"""What looking for one may take, found or not."""


@dataclass(frozen=True)
class Workload:
    """A sum of `size` elements; `scales` are those of both inputs and of the output, `zero_point` is the output's."""

    size: int
    scales: tuple[float, float, float]
    zero_point: int = -128
    clamp: tuple[int, int] = (-128, 127)


WORKLOADS = {
    "32x32x16": Workload(32 * 32 * 16, (0.04312739, 0.06724611, 0.06250377)),
    "16x16x32": Workload(16 * 16 * 32, (0.05870413, 0.03914922, 0.04121853)),
    "8x8x64": Workload(8 * 8 * 64, (0.07120571, 0.04331864, 0.06690283)),
    "no clamp, odd": Workload(4099, (0.07120571, 0.04331864, 0.08431277), 7),
    "clamped": Workload(4096, (0.07120571, 0.04331864, 0.06690283), -40, (-40, 90)),
    "large input scale": Workload(4096, (0.31004719, 0.04331864, 0.08210559), 7),
    "no short form": Workload(4096, (0.058, 0.039, 0.042)),
}


@dataclass(frozen=True)
class Row:
    """A sum by both kernels on a core."""

    workload: str
    core: str
    size: int
    kernel: str
    cmsis: Cost
    ours: Cost

    @property
    def ratio(self) -> float:
        """How many times fewer instructions ours takes."""
        return self.cmsis.instructions / self.ours.instructions

    @property
    def cycle_ratio(self) -> float:
        """The same in estimated cycles."""
        return self.cmsis.cycles / self.ours.cycles

    @property
    def figures(self) -> list[Figure]:
        """Both ratios and their target."""
        what, target = f"sum {self.workload} {self.core}: CMSIS-NN/ours", TARGETS[self.core]
        return [
            Figure(f"instructions {what}", self.ratio, target, "x", "higher"),
            Figure(f"cycles {what}", self.cycle_ratio, target, "x", "higher"),
        ]


def params_of(work: Workload) -> AddParams:
    """What TensorFlow Lite would prepare."""
    numbers = add_params(*work.scales)
    return AddParams(
        input1_zp=-128, input2_zp=11, output_zp=work.zero_point, clamp=work.clamp, **numbers
    )


def our_call(a: SSAValue, b: SSAValue, output: SSAValue, params: AddParams) -> KernelOp:
    """What a network calls."""
    if (short := shorten(params)) is not None:
        return rt.ResidualAddOp(a, b, output, short)
    sum = rounded(params)
    assert sum is not None
    first, second = (b, a) if sum.swapped else (a, b)
    return rt.ResidualAddRoundedOp(first, second, output, sum.numbers)


def add_calls(image: KernelImage, name: str, params: AddParams, size: int) -> None:
    """The layers `name CMSIS-NN` and `name ours` and their outputs."""
    rng = np.random.default_rng(SEED)
    a, b = (image.constant(rng.integers(-128, 128, size).astype(np.int8)) for _ in range(2))
    theirs, ours = (image.buffer((size,)) for _ in range(2))
    image.call(cmsis.ElementwiseAddOp(a, b, theirs, params), f"{name} CMSIS-NN")
    image.call(our_call(a, b, ours, params), f"{name} ours")
    image.result(theirs)
    image.result(ours)


def rows_of(core: str) -> list[Row]:
    """Every workload. AssertionError when a byte differs."""
    image = KernelImage()
    for name, work in WORKLOADS.items():
        add_calls(image, name, params_of(work), work.size)
    found, outputs = image.measure(core)
    rows: list[Row] = []
    for number, (name, work) in enumerate(WORKLOADS.items()):
        assert np.array_equal(outputs[2 * number], outputs[2 * number + 1]), f"{name} differs"
        theirs, ours = (found[f"{name} {whose}"] for whose in ("CMSIS-NN", "ours"))
        (kernel,) = ours.kernels
        rows.append(Row(name, core, work.size, kernel, theirs.cost, ours.cost))
    return rows


def search_figures() -> list[Figure]:
    """How many random sums have a short form, and how long looking for it takes on average."""
    rng = np.random.default_rng(SEED)
    scales = rng.uniform(0.02, 0.1, (SEARCHES, 2))
    outputs = np.hypot(*scales.T) * rng.uniform(0.7, 1.4, SEARCHES)
    works = [
        Workload(1, (float(first), float(second), float(output)), int(rng.integers(-128, 128)))
        for (first, second), output in zip(scales, outputs, strict=True)
    ]
    begin = time.process_time()
    found = [shorten(params_of(work)) for work in works]
    seconds = (time.process_time() - begin) / SEARCHES
    share = 1 - found.count(None) / SEARCHES
    return [
        Figure("sums of random scales with a short form", share, SHARE, "", "higher"),
        Figure("CPU time to look for one", seconds, SEARCH_SECONDS, "s", "lower"),
    ]


def per_element(row: Row, cost: Cost) -> tuple[str, str]:
    """Instructions and cycles of an element."""
    return f"{cost.instructions / row.size:.2f}", f"{cost.cycles / row.size:.2f}"


def main() -> int:
    """Measure all cores; 1 if a target was missed."""
    rows: list[Row] = []
    for core in TARGETS:
        step(f"sums on {core}")
        rows += rows_of(core)
    print_table(
        "of an element: exact instructions, estimated cycles; outputs byte-identical",
        ("sum", "core", "ours", "CMSIS-NN", "cycles", "instr.", "cycles", "ratio", "cycles"),
        [
            (
                *(row.workload, row.core, row.kernel.removeprefix("sparsec_residual_")),
                *(*per_element(row, row.cmsis), *per_element(row, row.ours)),
                *(f"{row.ratio:.2f}", f"{row.cycle_ratio:.2f}"),
            )
            for row in rows
        ],
    )
    step("short forms of random sums")
    figures = [figure for row in rows for figure in row.figures]
    return publish("residual_add", [*figures, *search_figures()])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
