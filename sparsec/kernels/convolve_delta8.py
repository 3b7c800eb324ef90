# SPDX-License-Identifier: Apache-2.0
"""`sparsec_convolve_delta8_s8`: a convolution by `delta8` weights on every core, which a decoder may have written."""

from abc import ABC
from collections.abc import Mapping

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.cost import Strips
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts.linear_rows import FULL_CLAMP, SATURATING_SHIFTS
from sparsec.targets.cpu import Cpu, VectorUnit


class Delta8Kernel(Kernel, ABC):
    """A kernel that reads the arrays of `delta8` and multiplies raw inputs."""

    reads_decoded = True

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        assert format is not None
        return {**layer.components(format), **layer.folded}

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        entries = len(layer.components(Delta8())["entries"]) // 2
        return Stored(entries, slow=slow_rows(layer), left=layer.shifted_by(0))


class ConvolveDelta8(Delta8Kernel):
    """Windows of a strip of pixels are packed, then rows of weights walked once for each strip."""

    function = rt.ConvolveDelta8Op.C_FUNCTION

    def __init__(self) -> None:
        self.strips = Strips("sparsec_convolve_delta8_strips_s8", self)

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format == Delta8() and layer.is_full and not layer.is_row else NOT_MINE

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        height, width = layer.kernel_size
        return scratch_bytes(height * width * layer.input_size[2])

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", convolve_delta8(unit, work, stored)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        memory = low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None
        low.call(
            rt.ConvolveDelta8Op(
                low.buffer(layer.op.operands[0], layer.input_shape),
                arrays["entries"],
                arrays["counts"],
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                low.reshape(output, layer.output_shape),
                memory,
                layer.requant,
                layer.window,
                layer.kernel_size,
            )
        )
        return output


def slow_rows(layer: Layer) -> int:
    """Outputs that do not end in the short way, as `sparsec_is_saturated` has it."""
    if layer.requant.clamp != FULL_CLAMP:
        return layer.output_size[2]
    return int(np.count_nonzero(~np.isin(layer.constants.shift, SATURATING_SHIFTS)))


def scratch_bytes(columns: int) -> int:
    """`sparsec_convolve_delta8_s8_get_buffer_size` for weights of so many columns: the same on every core."""
    return 16 * columns


def convolve_delta8(unit: VectorUnit, work: Workload, stored: Stored) -> Loops:
    """`sparsec_convolve_delta8_s8`: windows of a strip of pixels are packed, then rows walked once per strip."""
    entries = stored.entries
    lanes = 16 if unit == "mve" else 8
    strips, last = divmod(work.pixels, lanes)
    outputs, channels = work.outputs[2], work.image[2]
    # Windows that a border cuts are packed tap by tap, others row by row.
    cut_rows = work.kernel_rows * work.cut_columns
    whole_rows = work.kernel_rows * (work.outputs[1] - work.cut_columns)
    cut_taps = work.inner_taps - whole_rows * work.kernel[1]
    loops = {
        "calls": 1,
        "pixels": work.pixels,
        "rows packed": whole_rows,
        "cut rows packed": cut_rows,
        "cut taps packed": cut_taps,
        "rows filled": work.pixels * work.kernel[0] - work.kernel_rows * work.outputs[1],
        "taps filled": work.side_taps,
        "elements filled": work.outer_taps * channels,
        "lanes cleared": (last > 0) * (lanes - last),
        "elements cleared": (last > 0) * (lanes - last) * work.columns,
        "strips": strips,
        "strips, entries": strips * entries,
    }
    if unit == "mve":
        row = work.kernel[1] * channels
        half = 0 < last <= lanes // 2
        quarters = -(-last // 4)
        return loops | {
            "strips, outputs": strips * outputs,
            "vectors packed": whole_rows * (row // 16) + cut_taps * (channels // 16),
            "elements packed": whole_rows * (row % 16) + cut_taps * (channels % 16),
            "last strip, outputs": outputs * (last > 0) * (not half),
            "last strip, stores": outputs * quarters,
            "last strip, entries": entries * (last > lanes // 2),
            "half strip, outputs": outputs * half,
            "half strip, entries": entries * half * quarters,
        }
    width = next(
        (name for limit, name in ((4, "eight"), (1, "four"), (0, "one")) if last > limit), ""
    )
    loops |= {
        "elements packed": work.inner_taps * channels,
        "strips, quick outputs": strips * (outputs - stored.slow),
        "strips, slow outputs": strips * stored.slow,
        # No output that ends in the short way is shifted to the left.
        "results rounded": lanes * strips * (stored.slow - stored.left)
        + last * (outputs - stored.left),
        "last strip, stores": outputs * last,
    }
    for name in ("eight", "four", "one"):
        loops[f"last strip of {name}, outputs"] = outputs * (name == width)
        loops[f"last strip of {name}, entries"] = entries * (name == width)
    return loops
