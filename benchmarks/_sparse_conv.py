# SPDX-License-Identifier: Apache-2.0
"""The packed sparse convolution next to arm_convolve_wrapper_s8 on the same weights with their zeros filled in.

Workloads of the kernel study: a multiplier and a shift for each output, input offset 3, output offset -2, no clamp;
uniform weights of magnitude 12 to 127 with random zeros, inputs of the full range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsec.calibration.image import KernelImage
from sparsec.ir import cmsis, rt
from sparsec.layouts.packed_rows import pack_rows, slab_for
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from sparsec.run.profile.profile import Cost
from sparsec.targets import scratch

REQUANT = Requant(input_zp=-3, output_zp=-2)
DENSE_BYTES_PER_ROW = 12
SEED = 3

Pattern: TypeAlias = Literal["un", "1x4"]
Case: TypeAlias = tuple[str, Pattern, int]
"""Workload, pattern and percent of zeros."""


@dataclass(frozen=True)
class Workload:
    """A convolution with as many outputs as inputs and padding that keeps the size."""

    height: int
    width: int
    channels: int
    kernel: int

    @property
    def window(self) -> Window:
        """Its geometry."""
        pad = self.kernel // 2
        return Window(padding=(pad, pad, pad, pad))


WORKLOADS = {
    "W1": Workload(25, 5, 64, 1),
    "W2": Workload(6, 6, 128, 1),
    "W3": Workload(3, 3, 256, 1),
    "W4": Workload(8, 8, 64, 3),
}


@dataclass(frozen=True)
class Layer:
    """Random constants of a workload, `stream` those of the packed kernel."""

    workload: Workload
    weights: NDArray[np.int8]
    bias: NDArray[np.int32]
    multipliers: NDArray[np.int32]
    shifts: NDArray[np.int32]
    input: NDArray[np.int8]
    stream: NDArray[np.int32]
    scratch_bytes: int


@dataclass(frozen=True)
class ConvolutionRow:
    """What both kernels take, and what the packed one stores."""

    workload: str
    pattern: Pattern
    sparsity: int
    core: str
    dense: Cost
    packed: Cost
    nonzeros: int
    bytes: int
    bytes_allowed: float
    scratch_bytes: int

    @property
    def case(self) -> Case:
        """What was measured."""
        return self.workload, self.pattern, self.sparsity

    @property
    def ratio(self) -> float:
        """How many times fewer instructions the packed kernel takes."""
        return self.dense.instructions / self.packed.instructions

    @property
    def cycle_ratio(self) -> float:
        """The same in estimated cycles."""
        return self.dense.cycles / self.packed.cycles


def random_layer(work: Workload, pattern: Pattern, sparsity: float) -> Layer:
    """A layer with `sparsity` of its weights zero, whose outputs spread over int8; of "1x4", four channels at once."""
    rng = np.random.default_rng(SEED)
    n, k = work.channels, work.kernel
    shape = (n, k, k, n)
    weights = rng.integers(12, 128, shape) * rng.choice([-1, 1], shape)
    zeros = rng.random(shape if pattern == "un" else (n, k, k, n // 4)) < sparsity
    zeros = zeros if pattern == "un" else np.repeat(zeros, 4, axis=3)
    weights = np.where(zeros, 0, weights).astype(np.int8)
    bias = rng.integers(-2000, 2000, n).astype(np.int32)
    per_row = max(1.0, np.count_nonzero(weights) / n)
    fractions, exponents = np.frexp(0.4 / (74 * np.sqrt(per_row)) * rng.uniform(0.6, 1.6, n))
    multipliers = (fractions * 2.0**31).astype(np.int32)
    folded = bias + -REQUANT.input_zp * weights.reshape(n, -1).sum(axis=1, dtype=np.int32)
    slab = slab_for(work.window, (work.height, work.width), (k, k), n)
    shifts = exponents.astype(np.int32)
    stream = pack_rows(weights, folded, multipliers, shifts, work.window, slab)
    image = rng.integers(-128, 128, (work.height, work.width, n)).astype(np.int8)
    return Layer(work, weights, bias, multipliers, shifts, image, stream, slab.bytes)


def add_calls(image: KernelImage, layer: Layer, name: str) -> None:
    """The dense and the packed call, `name dense` and `name packed`."""
    work = layer.workload
    kernel = (work.kernel, work.kernel)
    input = image.constant(layer.input[np.newaxis])
    dense, packed = (image.buffer((1, *layer.input.shape)) for _ in range(2))
    size = scratch.convolve("dsp", work.window, (1, *layer.input.shape), layer.weights.shape)
    image.call(
        cmsis.ConvolveOp(
            input,
            image.constant(layer.weights),
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
        rt.ConvolvePackedOp(input, rows, packed, memory, REQUANT, work.window, kernel),
        f"{name} packed",
    )
    image.result(dense)
    image.result(packed)


def measure(core: str, wanted: Sequence[Case]) -> list[ConvolutionRow]:
    """A row for each case. AssertionError when a byte differs."""
    image = KernelImage()
    layers = [random_layer(WORKLOADS[name], how, percent / 100) for name, how, percent in wanted]
    for number, layer in enumerate(layers):
        add_calls(image, layer, str(number))
    found, outputs = image.measure(core)
    rows: list[ConvolutionRow] = []
    for number, ((name, how, percent), layer) in enumerate(zip(wanted, layers, strict=True)):
        assert np.array_equal(outputs[2 * number], outputs[2 * number + 1]), f"{name} differs"
        dense, packed = (found[f"{number} {by}"].cost for by in ("dense", "packed"))
        nonzeros = int(np.count_nonzero(layer.weights))
        stored: Any = layer.stream.nbytes
        allowed = 2.1 * nonzeros + (12 + DENSE_BYTES_PER_ROW) * layer.workload.channels
        rows.append(
            ConvolutionRow(
                *(name, how, percent, core, dense, packed),
                *(nonzeros, stored, allowed, layer.scratch_bytes),
            )
        )
    return rows
