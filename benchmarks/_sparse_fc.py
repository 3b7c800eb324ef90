# SPDX-License-Identifier: Apache-2.0
"""Instructions of the sparse fully connected kernels next to dense CMSIS-NN on QEMU.

The layers are kernels.md's: random weights of magnitude 12 to 127, per-tensor multiplier and shift (all that
`arm_fully_connected_s8` knows), and every output is compared with the numpy oracle.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Figure, step
from sparsec.calibration.image import KernelImage
from sparsec.ir import cmsis, rt
from sparsec.ir.rt.sparse_fc import SparseFullyConnectedOp
from sparsec.layouts.linear import RowNumbers, is_saturating, pack_proven
from sparsec.quantization import int8
from sparsec.quantization.params import Requant

Pattern: TypeAlias = Literal["un", "4x1", "1x4"]

WORKLOADS: dict[str, tuple[int, int]] = {"W5": (256, 256), "W6": (128, 640)}
"""(outputs, inputs) of a layer."""

KERNELS: dict[str, type[SparseFullyConnectedOp]] = {
    "table": rt.FullyConnectedTableOp,
    "4x1": rt.FullyConnected4x1Op,
    "4x1_w16": rt.FullyConnected4x1W16Op,
    "1x4": rt.FullyConnected1x4Op,
    "dense": rt.FullyConnectedDenseOp,
}
BLOCKS: dict[Pattern, tuple[int, int]] = {"un": (1, 1), "4x1": (4, 1), "1x4": (1, 4)}

CASES: tuple[tuple[Pattern, str, float, float | None], ...] = (
    ("un", "dense", 0.0, 1.5),
    ("un", "table", 0.50, None),
    ("un", "table", 0.70, None),
    ("un", "table", 0.90, 4.2),
    ("un", "table", 0.95, 7.0),
    ("4x1", "4x1", 0.75, 3.6),
    ("4x1", "4x1", 0.90, 8.2),
    ("4x1", "4x1_w16", 0.75, 4.6),
    ("4x1", "4x1_w16", 0.90, 10.3),
    ("1x4", "1x4", 0.50, None),
    ("1x4", "1x4", 0.75, 2.94),
    ("1x4", "1x4", 0.90, 6.25),
)
"""Pattern, kernel, share of zeros, and how many times fewer instructions than CMSIS-NN are wanted on a Cortex-M4."""

REQUANT = Requant(input_zp=-3, output_zp=-2)
SHIFT = -9
SEED = 5


@dataclass(frozen=True)
class FullyConnectedRow:
    """One layer by one kernel; instructions of one inference."""

    workload: str
    core: str
    pattern: Pattern
    kernel: str
    sparsity: float
    dense: int
    ours: int
    target: float | None

    @property
    def ratio(self) -> float:
        """Dense CMSIS-NN in terms of ours."""
        return self.dense / self.ours

    @property
    def figure(self) -> Figure:
        """The ratio and its target, as a benchmark publishes them."""
        what = f"instructions fc {self.workload} {self.core} {self.pattern} {self.sparsity:.0%} {self.kernel}: CMSIS-NN/ours"
        return Figure(what, self.ratio, self.target, "x", "higher")


@dataclass(frozen=True)
class Layer:
    """A fully connected layer with one scale."""

    input: NDArray[np.int8]
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multiplier: int

    @property
    def numbers(self) -> RowNumbers:
        """What the sparse kernels take, the input offset folded in."""
        sums = self.weights.astype(np.int64).sum(axis=1)
        rows = len(self.weights)
        return RowNumbers(
            (self.bias - REQUANT.input_zp * sums).astype(np.int32),
            np.full(rows, self.multiplier, np.int32),
            np.full(rows, SHIFT, np.int32),
        )

    def output(self) -> NDArray[np.int8]:
        """The numpy oracle's."""
        return int8.fully_connected(
            self.input[np.newaxis],
            self.weights,
            self.bias,
            input_zp=REQUANT.input_zp,
            output_zp=REQUANT.output_zp,
            multiplier=self.multiplier,
            shift=SHIFT,
        )[0]


def fully_connected_rows(core: str = "cortex-m4") -> list[FullyConnectedRow]:
    """Every case of both workloads. AssertionError when a byte differs."""
    step(f"fully connected layers on {core}")
    image, expected = KernelImage(), list[NDArray[np.int8]]()
    for workload, shape in WORKLOADS.items():
        # What CMSIS-NN takes does not depend on the weights.
        layer = random_layer(shape, (1, 1), 0.0)
        add_dense(image, layer, workload)
        expected.append(layer.output())
        for pattern, kernel, sparsity, _ in CASES:
            layer = random_layer(shape, BLOCKS[pattern], sparsity)
            name = f"{workload} {pattern} {sparsity} {kernel}"
            add_sparse(image, layer, KERNELS[kernel], name)
            expected.append(layer.output())
    found, outputs = image.measure(core)
    for output, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(output, wanted)
    rows: list[FullyConnectedRow] = []
    for workload in WORKLOADS:
        for pattern, kernel, sparsity, target in CASES:
            name = f"{workload} {pattern} {sparsity} {kernel}"
            dense, ours = (found[each].cost.instructions for each in (workload, name))
            wanted = target if core == "cortex-m4" else None
            rows.append(
                FullyConnectedRow(
                    *(workload, core, pattern, kernel, sparsity),
                    *(dense, ours, wanted),
                )
            )
    return rows


def random_layer(shape: tuple[int, int], block: tuple[int, int], sparsity: float) -> Layer:
    """`sparsity` is the share of blocks that are zero, exact to one block."""
    rng = np.random.default_rng(SEED)
    outputs, inputs = shape
    count = outputs // block[0] * (inputs // block[1])
    kept = rng.permutation(count) >= round(sparsity * count)
    mask = np.kron(kept.reshape(outputs // block[0], -1), np.ones(block, bool))
    weights = rng.integers(12, 128, shape) * rng.choice([-1, 1], shape) * mask
    return Layer(
        rng.integers(-128, 128, inputs).astype(np.int8),
        weights.astype(np.int8),
        rng.integers(-2000, 2000, outputs).astype(np.int32),
        int(rng.integers(2**30, 2**31)),
    )


def add_dense(image: KernelImage, layer: Layer, name: str) -> None:
    """The call of `arm_fully_connected_s8`."""
    output = image.buffer((1, len(layer.bias)))
    call = cmsis.FullyConnectedOp(
        image.constant(layer.input[np.newaxis]),
        image.constant(layer.weights),
        image.constant(layer.bias),
        output,
        REQUANT,
        layer.multiplier,
        SHIFT,
    )
    image.call(call, name)
    image.result(output)


def add_sparse(
    image: KernelImage, layer: Layer, kernel: type[SparseFullyConnectedOp], name: str
) -> None:
    """The call of one of our kernels."""
    arrays = pack_proven(kernel.LAYOUT, layer.weights, layer.numbers)
    output = image.buffer((1, len(layer.bias)))
    call = kernel(
        image.constant(layer.input[np.newaxis]),
        {array: image.constant(values) for array, values in arrays.items()},
        output,
        REQUANT,
        is_saturating(layer.weights, layer.numbers, REQUANT.clamp),
    )
    image.call(call, name)
    image.result(output)
