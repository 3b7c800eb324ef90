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
from sparsec.kernels.branches import Lists, of_choice, of_jump, of_loop
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.layouts.linear import is_saturating, pack_proven

BYTE_PLACES = 256
"""The most places that take one byte in the lists of these kernels."""


class LinearRow(Kernel, ABC):
    """A linear layer of one row whose weights are stored as `format` and laid out for the operation `operation`."""

    operation: type[SparseFullyConnectedOp]
    format: SparseFormat | None

    def __init__(self) -> None:
        self.layout = self.operation.LAYOUT.name

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
        return Stored(int(np.count_nonzero(layer.matrix)), slow=self.slow_rows(layer))

    def slow_rows(self, layer: Layer) -> int:
        """All rows, or none if the short requantization is proven for them."""
        return 0 if self.is_saturating(layer) else layer.output_size[2]

    def is_saturating(self, layer: Layer) -> bool:
        """Whether that is proven. ValueError where the layer has no folded bias."""
        return is_saturating(layer.matrix, layer.numbers, layer.requant.clamp)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        input = low.buffer(layer.op.operands[0])
        saturating = self.is_saturating(layer)
        low.call(self.operation(input, arrays, output, layer.requant, saturating))
        return output


def row_path(stored: Stored) -> str:
    """Rows end in the short way, or all of them in the one for any sum."""
    return "slow" if stored.slow else ""


def row_loops(lists: Lists, group: int, stored: Stored, wide: bool) -> Loops:
    """Lists of entries, whose places take two bytes if `wide`, in groups and what is left over, to which a row jumps."""
    groups, left = lists.in_groups(group)
    loops = groups[1:].sum()
    ends = of_loop(groups) + of_choice(float(loops)) + of_jump(left)
    return {
        "calls": 1,
        "lists": lists.rows,
        "lists of a group": round(lists.rows * float(loops)),
        "left over": round(lists.rows * float(left @ np.arange(group))),
        "entries": stored.entries * (not wide),
        "wide entries": stored.entries * wide,
        "surprises": round(lists.rows * ends),
    }
