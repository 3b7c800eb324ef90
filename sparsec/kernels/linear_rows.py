# SPDX-License-Identifier: Apache-2.0
"""What the kernels share that run a linear layer of one row by a layout of their own (`layouts/linear.py`).

Bias, multiplier and shift of an output lie with its weights; the input zero point is folded into the bias.
"""

from abc import ABC
from collections.abc import Mapping

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir.rt.sparse_fc import SparseFullyConnectedOp
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.layouts.linear import is_saturating, pack_proven

BYTE_PLACES = 256
"""The most places that take one byte in the lists of these kernels."""


class LinearRow(Kernel, ABC):
    """A linear layer of one row whose weights are stored as `format` and laid out for the operation `operation`."""

    operation: type[SparseFullyConnectedOp]
    format: SparseFormat | None

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if format != self.format or not layer.is_row:
            return NOT_MINE
        try:
            self.operation.LAYOUT.check((layer.output_size[2], layer.input_size[2]))
        except ValueError as error:
            return str(error)
        return None

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        layout = self.operation.LAYOUT
        return layer.laid_out(layout, lambda: pack_proven(layout, layer.matrix, layer.numbers))

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return Stored(int(np.count_nonzero(layer.matrix)))

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        saturating = is_saturating(layer.matrix, layer.numbers, layer.requant.clamp)
        input = low.buffer(layer.op.operands[0])
        low.call(self.operation(input, arrays, output, layer.requant, saturating))
        return output


def row_loops(work: Workload, entries: int, wide: bool, together: int) -> Loops:
    """Rows of entries, whose places take two bytes if `wide`; `together` rows share theirs."""
    groups, rest = divmod(work.outputs[2], together)
    loops = {
        "calls": 1,
        "outputs": groups,
        "entries": entries * (not wide),
        "wide entries": entries * wide,
    }
    return loops if together == 1 else loops | {"last outputs": rest}
