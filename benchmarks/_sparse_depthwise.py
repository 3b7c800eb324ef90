# SPDX-License-Identifier: Apache-2.0
"""The sparse depthwise convolution next to arm_depthwise_conv_wrapper_s8 on the same weights with their zeros filled in.

A multiplier and a shift for each channel, input offset 3, output offset -2, no clamp; uniform weights of magnitude 12 to
127 with random zeros, inputs of the full range. Both kernels must give the same bytes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._results import Figure, step
from sparsec.calibration.image import KernelImage
from sparsec.ir import cmsis, rt
from sparsec.layouts.depthwise_rows import pack_depthwise, plane_for
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from sparsec.run.profile.profile import Cost
from sparsec.targets import scratch
from sparsec.tools.console import print_table

REQUANT = Requant(input_zp=-3, output_zp=-2)
SEED = 9


@dataclass(frozen=True)
class Workload:
    """A depthwise convolution of square kernel and stride."""

    height: int
    width: int
    channels: int
    kernel: int
    stride: int = 1

    @property
    def window(self) -> Window:
        """Its geometry; TFLite's SAME padding."""
        before, after = zip(
            *(self._padding(size) for size in (self.height, self.width)), strict=True
        )
        return Window((self.stride, self.stride), (*before, *after))

    def _padding(self, size: int) -> tuple[int, int]:
        both = max(0, (-(-size // self.stride) - 1) * self.stride + self.kernel - size)
        return both // 2, both - both // 2

    @property
    def output(self) -> tuple[int, int]:
        """Height and width."""
        return -(-self.height // self.stride), -(-self.width // self.stride)


WORKLOADS = {
    "DW1": Workload(25, 5, 64, 3),
    "DW2": Workload(6, 6, 128, 3),
    "DW3": Workload(48, 48, 8, 3, 2),
    "DW4": Workload(12, 12, 32, 5),
}
SPARSITIES = (0, 30, 50, 70, 90)
TARGETS = {0: 2.0, 30: 2.0, 50: 2.0, 90: 4.0}
"""How many times fewer instructions than CMSIS-NN are wanted on a Cortex-M4, by percent of zeros."""


@dataclass(frozen=True)
class Layer:
    """Random constants of a workload, `stream` those of the sparse kernel."""

    workload: Workload
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multipliers: NDArray[np.int32]
    shifts: NDArray[np.int32]
    input: NDArray[np.int8]
    stream: NDArray[np.int32]
    scratch_bytes: int


@dataclass(frozen=True)
class DepthwiseRow:
    """What both kernels take, and what the sparse one stores."""

    workload: str
    sparsity: int
    core: str
    dense: Cost
    sparse: Cost
    nonzeros: int
    bytes: int
    scratch_bytes: int

    @property
    def ratio(self) -> float:
        """How many times fewer instructions the sparse kernel takes."""
        return self.dense.instructions / self.sparse.instructions

    @property
    def cycle_ratio(self) -> float:
        """The same in estimated cycles."""
        return self.dense.cycles / self.sparse.cycles

    @property
    def figure(self) -> Figure:
        """The ratio and its target, as a benchmark publishes them."""
        what = f"instructions depthwise {self.workload} {self.core} {self.sparsity}%: CMSIS-NN/ours"
        target = TARGETS.get(self.sparsity) if self.core == "cortex-m4" else None
        return Figure(what, self.ratio, target, "x", "higher")


def random_layer(work: Workload, sparsity: float) -> Layer:
    """A layer with `sparsity` of its weights zero, whose outputs spread over int8."""
    rng = np.random.default_rng(SEED)
    n, k = work.channels, work.kernel
    weights = rng.integers(12, 128, (k, k, n)) * rng.choice([-1, 1], (k, k, n))
    weights = np.where(rng.random(weights.shape) < sparsity, 0, weights).astype(np.int8)
    bias = rng.integers(-2000, 2000, n).astype(np.int32)
    per_row = max(1.0, np.count_nonzero(weights) / n)
    fractions, exponents = np.frexp(0.4 / (74 * np.sqrt(per_row)) * rng.uniform(0.6, 1.6, n))
    multipliers = (fractions * 2.0**31).astype(np.int32)
    shifts = exponents.astype(np.int32)
    folded = bias + -REQUANT.input_zp * weights.sum(axis=(0, 1), dtype=np.int32)
    plane = plane_for(work.window, work.output, (k, k))
    stream = pack_depthwise(weights, folded, multipliers, shifts, work.window, plane)
    image = rng.integers(-128, 128, (work.height, work.width, n)).astype(np.int8)
    return Layer(work, weights, bias, multipliers, shifts, image, stream, plane.bytes)


def add_calls(image: KernelImage, layer: Layer, name: str) -> None:
    """The dense and the sparse call, `name dense` and `name sparse`."""
    work = layer.workload
    kernel = (work.kernel, work.kernel)
    input = image.constant(layer.input[np.newaxis])
    weights = layer.weights[np.newaxis]
    dense, sparse = (image.buffer((1, *work.output, work.channels)) for _ in range(2))
    size = scratch.depthwise_convolve(
        "dsp", work.window, (1, *layer.input.shape), (1, *kernel, work.channels)
    )
    image.call(
        cmsis.DepthwiseConvOp(
            input,
            image.constant(weights),
            image.constant(layer.bias),
            image.constant(layer.multipliers),
            image.constant(layer.shifts),
            dense,
            image.scratch(size),
            REQUANT,
            work.window,
        ),
        f"{name} dense",
    )
    memory = image.scratch(layer.scratch_bytes)
    assert memory is not None
    rows = image.constant(layer.stream)
    image.call(
        rt.DepthwiseConvolveDelta8Op(input, rows, sparse, memory, REQUANT, work.window, kernel),
        f"{name} sparse",
    )
    image.result(dense)
    image.result(sparse)


def depthwise_rows(core: str) -> list[DepthwiseRow]:
    """Every workload at every sparsity. AssertionError when a byte differs."""
    wanted = [(name, percent) for name in WORKLOADS for percent in SPARSITIES]
    image = KernelImage()
    layers = [random_layer(WORKLOADS[name], percent / 100) for name, percent in wanted]
    for number, layer in enumerate(layers):
        add_calls(image, layer, str(number))
    found, outputs = image.measure(core)
    rows: list[DepthwiseRow] = []
    for number, ((name, percent), layer) in enumerate(zip(wanted, layers, strict=True)):
        assert np.array_equal(outputs[2 * number], outputs[2 * number + 1]), f"{name} differs"
        dense, sparse = (found[f"{number} {by}"].cost for by in ("dense", "sparse"))
        nonzeros = int(np.count_nonzero(layer.weights))
        stored = layer.stream.nbytes
        rows.append(
            DepthwiseRow(name, percent, core, dense, sparse, nonzeros, stored, layer.scratch_bytes)
        )
    return rows


def depthwise_figures() -> list[Figure]:
    """Measure both cores, print all rows, and give the ratios of instructions on the Cortex-M4."""
    step("depthwise convolutions on cortex-m4")
    m4 = depthwise_rows("cortex-m4")
    step("depthwise convolutions on cortex-m7")
    m7 = depthwise_rows("cortex-m7")
    print_table(
        "depthwise convolution",
        ("", "zeros %", "core", "CMSIS-NN", "sparse", "ratio", "cycles ratio", "bytes"),
        [
            (
                *(row.workload, row.sparsity, row.core),
                *(row.dense.instructions, row.sparse.instructions, f"{row.ratio:.2f}"),
                *(f"{row.cycle_ratio:.2f}", row.bytes),
            )
            for row in (*m4, *m7)
        ],
    )
    return [row.figure for row in m4]
