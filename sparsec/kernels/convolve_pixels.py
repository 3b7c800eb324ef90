# SPDX-License-Identifier: Apache-2.0
"""`sparsec_convolve_pixels_s8`: sparse convolutions of channel-major activations on Helium, a weight by 28 pixels at once.

Its weights lie as the layout and shape of the input ask for, so another layout of the input is another array in flash.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.convolve_delta8 import slow_rows
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.planes import filling, gaps_of, left_by, read_by
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts.activations import ChannelMajor
from sparsec.layouts.pixel_rows import NAME, Taps, pack_pixel_rows, taps_of, unpack_pixel_rows
from sparsec.targets.cpu import VectorUnit

MOST_VECTORS = 7
"""Four positions each, which the kernel takes at once."""


class ConvolvePixels(Kernel):
    """Windows that move by one pixel. It reads `delta8` as its own arrays, as `ConvolvePacked` does."""

    function = rt.ConvolvePixelsOp.C_FUNCTION
    units = ("mve",)
    layout = NAME

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        mine = format == Delta8() and layer.is_full and not layer.is_row
        if not mine or layer.window.strides != (1, 1):
            return NOT_MINE
        padded = layer.input_size[1] + self.reads(layer).gap_columns
        return None if padded >= layer.output_size[1] and self.taps(layer).are_apart else NOT_MINE

    def taps(self, layer: Layer) -> Taps:
        """Where the inputs of a window are."""
        shape, dilations = layer.input_shape, layer.window.dilations
        return taps_of(self.reads(layer), shape, layer.kernel_size, dilations)

    def reads(self, layer: Layer) -> ChannelMajor:
        return read_by(layer.window, layer.requant.input_zp)

    def leaves(self, layer: Layer) -> ChannelMajor:
        sizes = layer.input_size, layer.output_size
        return left_by(self.reads(layer), *sizes, 0, layer.requant.output_zp)

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        layer.components(Delta8())  # raises where the type of the constant would say what cannot be
        return layer.laid_out(f"{NAME} {layer.input_size}", lambda: self._rows(layer))

    def _rows(self, layer: Layer) -> Arrays:
        taps = self.taps(layer)
        weights, numbers = layer.constants.weights, layer.numbers
        arrays = pack_pixel_rows(weights, numbers, taps)
        held, given = unpack_pixel_rows(arrays["rows"], arrays["steps"], arrays["values"], taps)
        if not np.array_equal(held, weights) or not given.equals(numbers):
            raise AssertionError(f"{NAME} do not hold the layer they were given")
        return arrays

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return Stored(len(self.lay_out(layer, None)["values"]), slow=slow_rows(layer))

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", convolve_pixels(work, stored)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.laid_out(layer.output_shape, self.leaves(layer))
        low.call(
            rt.ConvolvePixelsOp(
                low.read(layer.op.operands[0], layer.input_shape, self.reads(layer)),
                arrays["rows"],
                arrays["steps"],
                arrays["values"],
                output,
                layer.requant,
                layer.window,
                layer.kernel_size,
            )
        )
        return low.nhwc(output)


def blocks_of(positions: int) -> Counter[int]:
    """Vectors of each block, and how many blocks have so many."""
    vectors = -(-positions // 4)
    found: Counter[int] = Counter()
    for blocks in range(-(-vectors // MOST_VECTORS), 0, -1):
        size = -(-vectors // blocks)
        found[size] += 1
        vectors -= size
    return found


def convolve_pixels(work: Workload, stored: Stored) -> Loops:
    """`sparsec_convolve_pixels_s8` of an input with the gaps that it needs."""
    gaps = gaps_of(work)
    pitch = work.image[1] + gaps[1]
    return walked(work.outputs, pitch, (0, pitch - work.outputs[1]), stored)


def walked(image: tuple[int, int, int], pitch: int, gaps: tuple[int, int], stored: Stored) -> Loops:
    """The same for an output `image` whose rows are `pitch` apart and which has `gaps`: rows of weights are walked once
    for each block."""
    height, width, outputs = image
    blocks = blocks_of((height - 1) * pitch + width)
    count = blocks.total()
    vectors = sum(size * times for size, times in blocks.items())
    return {
        "calls": 1,
        "blocks": count,
        "blocks, outputs": count * (outputs - stored.slow),
        "blocks, outputs of one vector": blocks[1] * (outputs - stored.slow),
        "vectors, outputs": vectors * (outputs - stored.slow),
        "blocks, slow outputs": count * stored.slow,
        "vectors, slow outputs": vectors * stored.slow,
        "blocks, entries": count * stored.entries,
        "vectors, entries": vectors * stored.entries,
        **filling(image, gaps),
    }
