# SPDX-License-Identifier: Apache-2.0
"""`sparsec_depthwise_convolve_3x3_s8`: dense depthwise convolutions of 3x3 windows, weights laid out ahead.

It widens the inputs of four channels once, into words of two rows, and keeps the weights of a channel in registers while
it goes along them. On cores with DSP instructions that takes a third to a half of CMSIS-NN's cycles, but for images of a
few pixels, and less scratch memory than the kernel that skips zeros.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import rt
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Array, Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts.depthwise_3x3 import (
    ANY,
    LANES,
    NAME,
    PLAIN,
    kind_of,
    overlap,
    pack_depthwise_3x3,
    scratch_bytes,
    sum_bound,
    why_not,
)
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Window
from sparsec.targets.cpu import Cpu, VectorUnit


class Depthwise3x3(Kernel):
    """Channels end in three ways (see the layout), which costs depend on."""

    function = rt.DepthwiseConvolve3x3Op.C_FUNCTION
    units = ("dsp",)
    layout = NAME

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if format is not None or layer.kind != "depthwise_conv2d":
            return NOT_MINE
        channels = layer.input_size[2], layer.output_size[2]
        return why_not(layer.window, layer.kernel_size, channels)

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.laid_out(NAME, lambda: {"rows": _rows(layer)})

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return stored_3x3(kinds_of(layer))

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return scratch_bytes(layer.window, layer.input_size[:2], layer.output_size[:2])

    def overlap(self, layer: Layer) -> Overlap:
        return overlap(layer.window, layer.input_size, layer.output_size)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return depthwise_convolve_3x3(work, stored)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        memory = low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None
        output = low.output()
        low.call(
            rt.DepthwiseConvolve3x3Op(
                low.buffer(layer.op.operands[0]),
                arrays["rows"],
                output,
                memory,
                layer.requant,
                layer.window,
            )
        )
        return output


def _rows(layer: Layer) -> Array:
    numbers = layer.numbers
    weights = np.ascontiguousarray(np.moveaxis(layer.constants.weights[..., 0], 0, -1))
    arrays = (weights, numbers.bias, numbers.multiplier, numbers.shift)
    return pack_depthwise_3x3(*arrays, layer.requant)


def kinds_of(layer: Layer) -> list[int]:
    """How the row of each channel ends."""
    numbers = layer.numbers
    each = zip(
        *(array.tolist() for array in (numbers.bias, numbers.multiplier, numbers.shift)),
        layer.matrix,
        strict=True,
    )
    return [kind_of(sum_bound(b, weights), s, m, layer.requant) for b, m, s, weights in each]


def stored_3x3(kinds: Iterable[int]) -> Stored:
    """Rows of these kinds as their cost sees them."""
    found = Counter(kinds)
    return Stored(found.total(), found[ANY], found[PLAIN])


def depthwise_convolve_3x3(work: Workload, stored: Stored) -> tuple[str, Loops]:
    """Its path, and its loops: `stored` counts rows, of those that are not quick, and of those the plain ones, which C
    does, as it does all of fewer than four channels."""
    height, width, channels = work.outputs
    quick, any_, plain = stored.entries - stored.blocks - stored.zeros, stored.blocks, stored.zeros
    strided = work.strides != (1, 1)
    words = scratch_bytes(Window(work.strides, work.padding), work.image[:2], work.outputs[:2]) // 4
    columns = min(work.image[1], (width - 1) * work.strides[1] + 3 - work.padding[1])
    twos, ones = (0, height) if strided else divmod(height, 2)
    loops = {"calls": 1, "words cleared": words}
    if channels < LANES:
        widened = (twos + ones + 1) * columns * ((quick + any_ > 0) + (plain > 0))
        return "few", loops | {
            "columns": widened,
            "columns, channels": widened * channels,
            "rows": height * channels,
            "quick pixels": work.pixels * quick,
            "any pixels": work.pixels * any_,
            "plain pixels": work.pixels * plain,
        }
    groups = -(-channels // LANES)
    blocks, rest = divmod(width, 2)
    widened = groups * (twos + ones + 1)
    # C widens once more for each group that has a plain row.
    plain_groups = round(groups * (1 - (1 - plain / channels) ** LANES))
    loops |= {
        "groups": groups,
        "groups of two rows": groups * (twos > 0),
        "groups of one row": groups * (ones > 0),
        "strips": groups * (twos + ones),
        "two columns": widened * (columns // 2),
        "odd column": widened * (columns % 2),
        "plain pixels": work.pixels * plain,
        "plain columns": plain_groups * (twos + ones + 1) * columns,
        "plain rows": plain * height,
    }
    single = rest if strided else width
    for name, rows in (("quick", quick), ("any", any_)):
        loops |= {
            f"{name} rows": rows * (twos + ones),
            f"{name}, two rows": rows * twos * blocks,
            f"{name}, two rows, last column": rows * twos * rest,
            f"{name}, one row": rows * ones * blocks * strided,
            f"{name}, pixels": rows * ones * single,
            f"{name}, any pixel": rows * ones * (single > 0),
        }
    return "", loops
