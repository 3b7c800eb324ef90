# SPDX-License-Identifier: Apache-2.0
"""Dense 3x3 depthwise convolutions: the kernel with weights laid out ahead next to the one that skips zeros, and CMSIS-NN.

    make bench-depthwise         or        python -m benchmarks.depthwise

The weights have no zeros, and all kernels must give the same bytes. Outputs are cut off at zero as behind a ReLU, or
not at all: then rows end in another way. Cycles are estimates of sparsec/targets/timing.py.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks._results import Figure, publish, step
from benchmarks._sparse_depthwise import REQUANT, Layer, Workload, random_layer
from sparsec.calibration.image import KernelImage
from sparsec.ir import cmsis, rt
from sparsec.layouts.depthwise_3x3 import pack_depthwise_3x3, scratch_bytes
from sparsec.quantization.params import Requant
from sparsec.run.errors import RunError
from sparsec.targets import scratch
from sparsec.tools.console import print_table
from sparsec.tools.errors import UserError

CORES = ("cortex-m4", "cortex-m7")
WORKLOADS = {
    "25x5x64": Workload(25, 5, 64, 3),
    "48x48x8": Workload(48, 48, 8, 3),
    "12x12x64": Workload(12, 12, 64, 3),
    "6x6x128": Workload(6, 6, 128, 3),
    "3x3x256": Workload(3, 3, 256, 3),
    "24x24x16 stride 2": Workload(24, 24, 16, 3, 2),
    "12x12x64 stride 2": Workload(12, 12, 64, 3, 2),
    "6x6x128 stride 2": Workload(6, 6, 128, 3, 2),
    "7x9x7": Workload(7, 9, 7, 3),
}
ENDS = {"linear": REQUANT, "relu": Requant(REQUANT.input_zp, -128)}
SPEEDUP = 1.3
"""How many times fewer cycles than by `sparsec_depthwise_convolve_delta8_s8` are wanted."""


@dataclass(frozen=True)
class DepthwiseRow:
    """A layer by the three kernels: cycles for each output, and bytes of scratch of the runtime's two."""

    workload: str
    end: str
    core: str
    cmsis: float
    delta8: float
    ours: float
    delta8_scratch: int
    scratch: int
    stored: int

    @property
    def figures(self) -> Iterator[Figure]:
        """The ratios of cycles and of scratch memory."""
        what = f"{self.workload} {self.end} {self.core}: delta8/3x3"
        yield Figure(f"cycles {what}", self.delta8 / self.ours, SPEEDUP, "x", "higher")
        if self.end == "linear" and self.core == CORES[0]:
            yield Figure(f"scratch {what}", self.delta8_scratch / self.scratch, 1.0, "x", "higher")


def add_calls(image: KernelImage, layer: Layer, requant: Requant, name: str) -> tuple[int, int]:
    """The calls `name cmsis`, `name delta8` and `name 3x3`; bytes of scratch and of the stream of the last."""
    work = layer.workload
    shape = (1, *layer.input.shape)
    x, bias, multiplier, shift = (
        image.constant(array)
        for array in (layer.input[np.newaxis], layer.bias, layer.multipliers, layer.shifts)
    )
    weights = layer.weights[np.newaxis]
    outputs = [image.buffer((1, *work.output, work.channels)) for _ in range(3)]
    size = scratch.depthwise_convolve("dsp", work.window, shape, weights.shape)
    numbers = (bias, multiplier, shift, outputs[0], image.scratch(size))
    image.call(
        cmsis.DepthwiseConvOp(x, image.constant(weights), *numbers, requant, work.window),
        f"{name} cmsis",
    )
    memory = image.scratch(layer.scratch_bytes)
    assert memory is not None
    rows = image.constant(layer.stream)
    image.call(
        rt.DepthwiseConvolveDelta8Op(x, rows, outputs[1], memory, requant, work.window, (3, 3)),
        f"{name} delta8",
    )
    folded = layer.bias - requant.input_zp * layer.weights.sum(axis=(0, 1), dtype=np.int32)
    stream = pack_depthwise_3x3(layer.weights, folded, layer.multipliers, layer.shifts, requant)
    size = scratch_bytes(work.window, (work.height, work.width), work.output)
    memory = image.scratch(size)
    assert memory is not None
    rows = image.constant(stream)
    image.call(
        rt.DepthwiseConvolve3x3Op(x, rows, outputs[2], memory, requant, work.window),
        f"{name} 3x3",
    )
    for output in outputs:
        image.result(output)
    return size, stream.nbytes


def measure(core: str) -> list[DepthwiseRow]:
    """Every layer on `core`. AssertionError when a byte differs."""
    image = KernelImage()
    wanted = [(name, end) for name in WORKLOADS for end in ENDS]
    layers = {name: random_layer(work, 0.0) for name, work in WORKLOADS.items()}
    sizes = [add_calls(image, layers[name], ENDS[end], f"{name} {end}") for name, end in wanted]
    found, results = image.measure(core)
    rows: list[DepthwiseRow] = []
    for number, ((name, end), (size, stored)) in enumerate(zip(wanted, sizes, strict=True)):
        dense, *others = results[3 * number : 3 * number + 3]
        assert all(np.array_equal(dense, other) for other in others), f"{name} {end} differs"
        cmsis_nn, delta8, ours = (
            found[f"{name} {end} {kernel}"].cost.cycles / dense.size
            for kernel in ("cmsis", "delta8", "3x3")
        )
        unfolded = layers[name].scratch_bytes
        rows.append(DepthwiseRow(name, end, core, cmsis_nn, delta8, ours, unfolded, size, stored))
    return rows


def main() -> int:
    """Measure and print everything; 0, or 1 if a target was missed."""
    rows: list[DepthwiseRow] = []
    try:
        for core in CORES:
            step(f"3x3 depthwise convolutions on {core}")
            rows += measure(core)
    except (RunError, UserError) as error:
        step(f"error: {error}")
        return 2
    print_table(
        "cycles for each output of a dense 3x3 depthwise convolution",
        ("", "end", "core", "CMSIS-NN", "delta8", "3x3", "delta8/3x3", "scratch", "3x3", "stored"),
        [
            (
                *(row.workload, row.end, row.core.removeprefix("cortex-")),
                *(f"{row.cmsis:.1f}", f"{row.delta8:.1f}", f"{row.ours:.1f}"),
                *(f"{row.delta8 / row.ours:.2f}", row.delta8_scratch, row.scratch, row.stored),
            )
            for row in rows
        ],
    )
    return publish("depthwise", [figure for row in rows for figure in row.figures])


if __name__ == "__main__":
    sys.exit(main())
