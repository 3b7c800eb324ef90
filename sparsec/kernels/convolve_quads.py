# SPDX-License-Identifier: Apache-2.0
"""Helium convolutions that take four pixels at a time and read windows where they lie: dense, and by blocks of 16 and 4.

CMSIS-NN gathers windows first (im2col) and ends every output by itself. Here sixteen outputs end at once, and only the rows
of bands at the border are copied.
"""

from abc import ABC, abstractmethod

from sparsec.formats import Block, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.kernel import NOT_MINE
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.stored import Stored
from sparsec.kernels.streamed import StreamedConvolution
from sparsec.kernels.workload import Workload
from sparsec.layouts.linear_rows import FULL_CLAMP
from sparsec.layouts.quads import (
    BLOCKS,
    QUAD,
    RUNS,
    VECTOR,
    Windows,
    pack_blocks,
    pack_runs,
    unpack_blocks,
)
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Window
from sparsec.targets.cpu import Cpu, VectorUnit


class ConvolveQuads(StreamedConvolution, ABC):
    """What they share: all constants are one stream."""

    units = ("mve",)

    @abstractmethod
    def rows(self, layer: Layer) -> Arrays:
        """The stream."""

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.laid_out(self.function, lambda: self.rows(layer))

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def overlap(self, layer: Layer) -> Overlap:
        return windows_of(layer).overlap(layer.output_size[2])


class ConvolveRuns(ConvolveQuads):
    """Dense weights."""

    operation = rt.ConvolveRunsOp
    function = rt.ConvolveRunsOp.C_FUNCTION
    layout = RUNS

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format is None and layer.is_full and not layer.is_row else NOT_MINE

    def rows(self, layer: Layer) -> Arrays:
        windows = windows_of(layer)
        runs = 1 if windows.packs(layer.output_size[2]) else windows.runs[0]
        return {"rows": pack_runs(layer.matrix, layer.numbers, runs)}

    def least(self, layer: Layer) -> Stored:
        return Stored(slow=slow_outputs(layer), left=layer.shifted_by(0))

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return windows_of(layer).scratch_of_runs(layer.output_size[2])

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        windows = windows_of_work(work)
        outputs, quads = work.outputs[2], quads_of(windows)
        runs, size = windows.runs
        packs = windows.packs(outputs)
        together = runs * -(-size // VECTOR)
        loops = shared_loops(windows, outputs, stored)
        done = quads * outputs_done(outputs, stored)
        copies, short = QUAD * quads * runs * packs, runs == windows.kernel[0] and size <= VECTOR
        if runs > 1 and not packs:
            return "several runs", loops | {
                "quads, outputs, runs": done * (runs - 1),
                "quads, outputs, vectors": done * together,
            }
        return "one run", loops | {
            "quads, outputs, vectors": done * -(-runs * size // VECTOR),
            "quads packed": quads * packs,
            "short runs packed": copies * short,
            "runs packed": copies * (not short),
            "vectors packed": QUAD * quads * together * packs * (not short),
        }


class ConvolveBlocks(ConvolveQuads, ABC):
    """Blocks of `size` neighbouring weights."""

    layout = BLOCKS
    size: int

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if format != Block(1, self.size) or not layer.is_full or layer.is_row:
            return NOT_MINE
        return windows_of(layer).why_no_blocks(self.size)

    def rows(self, layer: Layer) -> Arrays:
        return {"rows": pack_blocks(layer.matrix, layer.numbers, windows_of(layer), self.size)}

    def least(self, layer: Layer) -> Stored:
        rows = self.lay_out(layer, None)["rows"]
        outputs = layer.output_size[2]
        blocks = unpack_blocks(rows, outputs, windows_of(layer), self.size).blocks
        return Stored(
            self.size * blocks, blocks, slow=slow_outputs(layer), left=layer.shifted_by(0)
        )

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return windows_of(layer).scratch_of_blocks(self.size)

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        windows, outputs = windows_of_work(work), work.outputs[2]
        vectors = quads_of(windows) * stored.entries // VECTOR
        return "", {
            **shared_loops(windows, outputs, stored),
            "quads, vectors": vectors * outputs_done(outputs, stored) // outputs,
        }


class Convolve1x16(ConvolveBlocks):
    """Blocks of sixteen."""

    operation = rt.Convolve1x16Op
    function = rt.Convolve1x16Op.C_FUNCTION
    size = 16


class Convolve1x4(ConvolveBlocks):
    """Blocks of four, of which four are gathered at once."""

    operation = rt.Convolve1x4Op
    function = rt.Convolve1x4Op.C_FUNCTION
    size = 4


def windows_of(layer: Layer) -> Windows:
    """Where the windows of a layer lie."""
    height, width, _ = layer.output_size
    return Windows(layer.window, layer.input_size, (height, width), layer.kernel_size)


def windows_of_work(work: Workload) -> Windows:
    """Where those of a layer lie whose padding makes the last window fit."""
    return Windows(Window(work.strides, work.padding), work.image, work.outputs[:2], work.kernel)


def slow_outputs(layer: Layer) -> int:
    """Outputs that are clamped further than bytes are."""
    return layer.output_size[2] if layer.requant.clamp != FULL_CLAMP else 0


def quads_of(windows: Windows) -> int:
    """How many times four pixels are taken."""
    return sum(-(-height * windows.output[1] // QUAD) for height in windows.bands())


def by_fours(outputs: int, stored: Stored) -> bool:
    """Whether outputs are done four at a time."""
    return outputs >= QUAD and not stored.left


def outputs_done(outputs: int, stored: Stored) -> int:
    """How many are done, those twice that the last four share with those before."""
    return -(-outputs // QUAD) * QUAD if by_fours(outputs, stored) else outputs


def shared_loops(windows: Windows, outputs: int, stored: Stored) -> dict[str, int]:
    """The loops that all of them have. The words of fours are stored apart where they are not aligned, or of less than four
    pixels. Fours whose shifts are to the right are quick; if one in a layer is not, or where
    there are less than four outputs, all are done one by one."""
    quads = quads_of(windows)
    quick = -(-outputs // QUAD) if by_fours(outputs, stored) else 0
    others = 0 if quick else outputs
    bands = windows.bands() if windows.padded else []
    copied = sum(windows.band_rows(height) for height in bands)
    pixels = [height * windows.output[1] for height in windows.bands()]
    few = [each for each in pixels if each < QUAD]
    apart = 0 if outputs % QUAD == 0 else quads - len(few)
    return {
        "calls": 1,
        "lines": 0 if windows.is_flat else windows.output[0],
        "quads": quads,
        "quads, fours": quads * quick,
        "quads, fours apart": apart * quick,
        "quads, fours of few pixels": len(few) * quick,
        "quads, fours, few pixels": sum(few) * quick,
        "quads, other outputs": quads * others,
        "quads, other fours": quads * -(-others // QUAD),
        "quads, slow fours": quads * -(-stored.slow // QUAD),
        "bands": len(bands),
        "rows copied": copied,
        "vectors copied": copied * -(-windows.pitch // VECTOR),
    }
