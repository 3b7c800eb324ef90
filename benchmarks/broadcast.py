# SPDX-License-Identifier: Apache-2.0
"""Products and sums of tensors that broadcast next to CMSIS-NN's on the tensor repeated: exact instructions and estimated
cycles for each element.

    make bench-broadcast         or        python -m benchmarks.broadcast

Both give the same bytes; CMSIS-NN, which does not broadcast, is given the smaller operand as often as it is needed.
"""

import sys
from dataclasses import dataclass

import numpy as np

from benchmarks._results import Figure, publish, step
from sparsec.calibration.image import KernelImage
from sparsec.ir import cmsis, rt
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, Clamp, MulParams
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.run.errors import RunError
from sparsec.run.profile.profile import Cost
from sparsec.tools.console import print_table

CORES = ("cortex-m4", "cortex-m7", "cortex-m55")
SEED = 6


@dataclass(frozen=True)
class Workload:
    """A product (else a sum) of a tensor and one that is repeated."""

    product: bool
    shape: tuple[int, ...]
    repeated: tuple[int, ...]
    clamp: Clamp = (-128, 127)


WORKLOADS = {
    "product, channels": Workload(True, (144, 32), (1, 32)),
    "product, pixels": Workload(True, (144, 32), (144, 1)),
    "product, clamped": Workload(True, (144, 32), (1, 32), (-128, 90)),
    "product, 3 channels": Workload(True, (1024, 3), (1, 3)),
    "sum, channels": Workload(False, (144, 32), (1, 32)),
    "sum, pixels": Workload(False, (144, 32), (144, 1)),
}


def sum_params(clamp: Clamp) -> AddParams:
    """Of scales as they are in networks."""
    numbers = add_params(0.043, 0.067, 0.062)
    return AddParams(input1_zp=-128, input2_zp=11, output_zp=-7, clamp=clamp, **numbers)


def product_params(clamp: Clamp) -> MulParams:
    """Of scales as they are in networks."""
    return MulParams(-128, 11, *quantize_multiplier(0.043 * 0.0039 / 0.012), -7, clamp)


@dataclass(frozen=True)
class Row:
    """A workload by both on a core."""

    workload: str
    core: str
    size: int
    theirs: Cost
    ours: Cost

    @property
    def figures(self) -> list[Figure]:
        """How many times fewer instructions and estimated cycles ours takes."""
        what = f"{self.workload} {self.core}: CMSIS-NN/ours"
        instructions = self.theirs.instructions / self.ours.instructions
        cycles = self.theirs.cycles / self.ours.cycles
        return [
            Figure(f"instructions {what}", instructions, None, "x", "higher"),
            Figure(f"cycles {what}", cycles, None, "x", "higher"),
        ]


def add_calls(image: KernelImage, name: str, work: Workload) -> None:
    """The layers `name CMSIS-NN` and `name ours` and their outputs."""
    rng = np.random.default_rng(SEED)
    left, right = (
        rng.integers(-128, 128, shape).astype(np.int8) for shape in (work.shape, work.repeated)
    )
    whole = np.ascontiguousarray(np.broadcast_to(right, work.shape))
    a, b, c = (image.constant(array) for array in (left, right, whole))
    theirs, ours = (image.buffer(work.shape) for _ in range(2))
    if work.product:
        product = product_params(work.clamp)
        image.call(cmsis.ElementwiseMulOp(a, c, theirs, product), f"{name} CMSIS-NN")
        image.call(rt.MulOp(a, b, ours, product), f"{name} ours")
    else:
        sum = sum_params(work.clamp)
        image.call(cmsis.ElementwiseAddOp(a, c, theirs, sum), f"{name} CMSIS-NN")
        image.call(rt.AddOp(a, b, ours, sum, 1), f"{name} ours")
    image.result(theirs)
    image.result(ours)


def rows_of(core: str) -> list[Row]:
    """Every workload. AssertionError when a byte differs."""
    image = KernelImage()
    for name, work in WORKLOADS.items():
        add_calls(image, name, work)
    found, outputs = image.measure(core)
    rows: list[Row] = []
    for number, (name, work) in enumerate(WORKLOADS.items()):
        assert np.array_equal(outputs[2 * number], outputs[2 * number + 1]), f"{name} differs"
        theirs, ours = (found[f"{name} {whose}"].cost for whose in ("CMSIS-NN", "ours"))
        rows.append(Row(name, core, work.shape[0] * work.shape[1], theirs, ours))
    return rows


def per_element(row: Row, cost: Cost) -> tuple[str, str]:
    """Instructions and cycles of an element."""
    return f"{cost.instructions / row.size:.2f}", f"{cost.cycles / row.size:.2f}"


def main() -> int:
    """Measure all cores."""
    rows: list[Row] = []
    for core in CORES:
        step(f"tensors that broadcast on {core}")
        rows += rows_of(core)
    print_table(
        "of an element: exact instructions, estimated cycles; outputs byte-identical",
        ("layer", "core", "CMSIS-NN", "cycles", "ours", "cycles"),
        [
            (
                *(row.workload, row.core),
                *per_element(row, row.theirs),
                *per_element(row, row.ours),
            )
            for row in rows
        ],
    )
    return publish("broadcast", [figure for row in rows for figure in row.figures])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
