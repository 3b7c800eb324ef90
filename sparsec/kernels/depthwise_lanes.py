# SPDX-License-Identifier: Apache-2.0
"""`sparsec_depthwise_convolve_lanes_s8`: dense depthwise convolutions on Helium, weights laid out ahead.

CMSIS-NN gathers the window of each output pixel, then multiplies four channels at a time; this one copies each row of
the image once, widens eight channels by their multiplication, and keeps weights for two pixels.
"""

import numpy as np

from sparsec.formats import SparseFormat
from sparsec.ir import rt
from sparsec.kernels.kernel import NOT_MINE
from sparsec.kernels.layer import Array, Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import Stored
from sparsec.kernels.streamed import StreamedConvolution
from sparsec.kernels.workload import Workload
from sparsec.layouts.depthwise_lanes import (
    NAME,
    PART,
    PIXEL,
    overlap,
    pack_depthwise_lanes,
    scratch_bytes,
    why_not,
)
from sparsec.planning.overlap import Overlap
from sparsec.targets.cpu import Cpu, VectorUnit

KERNEL_IN_ASSEMBLY = (3, 3)


class DepthwiseLanes(StreamedConvolution):
    """Windows of 3x3 whose sums are shifted to the right are done by assembly, all others by C."""

    operation = rt.DepthwiseConvolveLanesOp
    function = rt.DepthwiseConvolveLanesOp.C_FUNCTION
    units = ("mve",)
    layout = NAME

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if format is not None or layer.kind != "depthwise_conv2d":
            return NOT_MINE
        return why_not(layer.window, (layer.input_size[2], layer.output_size[2]))

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.laid_out(NAME, lambda: {"rows": _rows(layer)})

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return stored_lanes(layer.numbers.shift, layer.requant.clamp[0] >= layer.requant.output_zp)

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return scratch_bytes(layer.window, layer.kernel_size, layer.output_size[1])

    def overlap(self, layer: Layer) -> Overlap:
        return overlap(layer.window, layer.kernel_size, layer.input_size, layer.output_size[:2])

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return depthwise_convolve_lanes(work, stored)


def _rows(layer: Layer) -> Array:
    numbers = layer.numbers
    weights = np.ascontiguousarray(np.moveaxis(layer.constants.weights[..., 0], 0, -1))
    return pack_depthwise_lanes(weights, numbers.bias, numbers.multiplier, numbers.shift)


def stored_lanes(shifts: Array, above: bool) -> Stored:
    """A layer with these shifts as its cost sees it; `above`: no output is below the output offset.

    `slow` counts the parts with a sum that is not shifted to the right, `groups` is 1 where negative sums must be rounded.
    """
    parts = range(0, len(shifts), PART)
    slow = sum(int((shifts[part : part + PART] >= 0).any()) for part in parts)
    return Stored(slow=slow, groups=0 if above else 1)


def depthwise_convolve_lanes(work: Workload, stored: Stored) -> tuple[str, Loops]:
    """Its path, and its loops."""
    height, width, channels = work.outputs
    groups, parts = -(-channels // PIXEL), -(-channels // PART)
    columns = (width - 1) * work.strides[1] + work.kernel[1]
    inside = min(columns - work.padding[1], work.image[1])
    rows = (height - 1) * min(work.strides[0], work.kernel[0]) + work.kernel[0]
    pairs, single = divmod(width, 2)
    loops = {
        "calls": 1,
        "pixels cleared": columns * work.kernel[0],
        "groups": groups,
        "rows of groups": groups * height,
        "rows copied": groups * rows,
        "pixels copied": groups * rows * inside,
    }
    fast = parts - stored.slow if is_in_assembly(work) else 0
    slow = parts - fast
    return "", loops | {
        "fast rows": fast * height,
        "fast pairs": fast * height * pairs * (work.strides[1] == 1),
        "fast pairs, stride 2": fast * height * pairs * (work.strides[1] == 2),
        "fast pairs, rounded": fast * height * pairs * stored.groups,
        "fast pixels": fast * height * single,
        "slow rows": slow * height,
        "slow pairs": slow * height * pairs,
        "slow pairs, kernel rows": slow * height * pairs * work.kernel[0],
        "slow pairs, taps": slow * height * pairs * work.taps,
        "slow pixels": slow * height * single,
        "slow pixels, kernel rows": slow * height * single * work.kernel[0],
        "slow pixels, taps": slow * height * single * work.taps,
    }


def is_in_assembly(work: Workload) -> bool:
    """Whether the windows are those that assembly does."""
    return work.kernel == KERNEL_IN_ASSEMBLY and work.strides[1] <= 2
