"""The packed sparse convolution next to arm_convolve_wrapper_s8 on the same weights with their zeros filled in.

Workloads of the kernel study: a multiplier and a shift for each output, input offset 3, output offset -2, no clamp;
uniform weights of magnitude 12 to 127 with random zeros, inputs of the full range.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks._kernel_cases import KernelCases, Measured, dims, same
from sparsec.formats.packed_rows import pack_rows, slab_for
from sparsec.quantization.window import Window

INPUT_OFFSET, OUTPUT_OFFSET = 3, -2
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
    dense: Measured
    packed: Measured
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
        """The same in estimated cycles, of a measurement that asked for them."""
        assert self.dense.cycles is not None and self.packed.cycles is not None
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
    folded = bias + INPUT_OFFSET * weights.reshape(n, -1).sum(axis=1, dtype=np.int32)
    slab = slab_for(work.window, (work.height, work.width), (k, k), n)
    shifts = exponents.astype(np.int32)
    stream = pack_rows(weights, folded, multipliers, shifts, work.window, slab)
    image = rng.integers(-128, 128, (work.height, work.width, n)).astype(np.int8)
    return Layer(work, weights, bias, multipliers, shifts, image, stream, slab.bytes)


def add_calls(cases: KernelCases, layer: Layer) -> tuple[int, int]:
    """The numbers of the dense and the packed call."""
    work = layer.workload
    n, k, pad = work.channels, work.kernel, work.kernel // 2
    image, filter_ = dims(1, work.height, work.width, n), dims(n, k, k, n)
    params = (
        f"&(const cmsis_nn_conv_params){{{INPUT_OFFSET}, {OUTPUT_OFFSET}, {{1, 1}}, "
        f"{{{pad}, {pad}}}, {{1, 1}}, {{-128, 127}}}}"
    )
    quant = (
        f"&(const cmsis_nn_per_channel_quant_params){{(int32_t *){cases.array(layer.multipliers)}, "
        f"(int32_t *){cases.array(layer.shifts)}}}"
    )
    input_ = cases.array(layer.input)
    size = work.height * work.width * n
    dense = cases.call(
        f"arm_convolve_wrapper_s8(scratch, {params}, {quant}, {image}, {input_}, {filter_}, "
        f"{cases.array(layer.weights)}, {dims(1, 1, 1, n)}, {cases.array(layer.bias)}, "
        f"{image}, output);",
        size,
        4 * k * k * n,
    )
    packed = cases.call(
        f"sparsec_convolve_packed_s8(scratch, {params}, {image}, {input_}, {filter_}, "
        f"{cases.array(layer.stream)}, {image}, output);",
        size,
        layer.scratch_bytes,
    )
    return dense, packed


def measure(core: str, wanted: Sequence[Case], cycles: bool = False) -> list[ConvolutionRow]:
    """A row for each case. AssertionError when a byte differs."""
    cases = KernelCases()
    layers = [random_layer(WORKLOADS[name], how, percent / 100) for name, how, percent in wanted]
    calls = [add_calls(cases, layer) for layer in layers]
    results: list[Measured] = cases.measure(core, cycles)
    rows: list[ConvolutionRow] = []
    for (name, how, percent), layer, numbers in zip(wanted, layers, calls, strict=True):
        dense, packed = (results[number] for number in numbers)
        same([dense, packed])
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
