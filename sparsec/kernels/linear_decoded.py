# SPDX-License-Identifier: Apache-2.0
"""`sparsec_fully_connected_decoded_s8`: a linear layer of one row by weights of a compact format, of which a few rows at a
time are decoded.

A convolution walks all rows of its weights for each strip of pixels, so that they are decoded as a whole in front of it:
here each row is needed once.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.cost import Costed
from sparsec.kernels.decoders import decoder_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.linear_delta8 import FullyConnectedDelta8
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import Cpu, VectorUnit

ROOM = 512
"""Bytes of scratch memory that rows of the mean length fill, if one row takes no more: the calls for each few rows are then
some 5 % of the cycles of what they do."""


class FullyConnectedDecoded(Kernel):
    """Any format that has a decoder, which is passed to it. Some rows take a call of the decoder, and one of the kernel for
    `delta8`."""

    function = rt.FullyConnectedDecodedOp.C_FUNCTION
    decodes = True

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        decoded = format is not None and decoder_of(format) is not None
        return None if decoded and layer.is_row else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        assert format is not None
        return {**layer.components(format), **layer.folded}

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        entries = len(layer.components(Delta8())["entries"]) // 2
        return Stored(entries, left=layer.shifted_by(0))

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return decoded_bytes(layer.components(Delta8())["counts"])

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        outputs = work.outputs[2]
        return "", {"calls": 1, "times": -(-outputs // rows_at_once(stored.entries, outputs))}

    def inside(self, work: Workload) -> Costed:
        return FullyConnectedDelta8()

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        format = layer.format
        assert format is not None
        counts = layer.components(Delta8())["counts"]
        names = format.element_types(layer.matrix.shape)
        output, memory = low.output(), low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None
        low.call(
            rt.FullyConnectedDecodedOp(
                low.buffer(layer.op.operands[0]),
                format,
                [arrays[name] for name in names],
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                output,
                memory,
                layer.requant,
                rows_at_once(int(counts.sum()), len(counts)),
            )
        )
        return output


def rows_at_once(entries: int, rows: int) -> int:
    """How many of `rows` that have so many `delta8` entries are decoded at a time."""
    return max(1, min(rows, ROOM * rows // (2 * entries + 2 * rows)))


def decoded_bytes(counts: NDArray[np.uint16]) -> int:
    """The scratch memory of rows with so many entries each: two bytes for the count of each row and for each entry."""
    rows = rows_at_once(int(counts.sum()), len(counts))
    most = np.add.reduceat(counts.astype(np.int64), np.arange(0, len(counts), rows)).max()
    return 2 * (rows + int(most))
