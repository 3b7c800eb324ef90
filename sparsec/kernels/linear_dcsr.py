# SPDX-License-Identifier: Apache-2.0
"""`sparsec_fully_connected_dcsr_s8`: a linear layer of one row by dCSR weights, whose columns Helium makes 16 at a time."""

from collections.abc import Mapping

import numpy as np
from xdsl.ir import SSAValue

from sparsec.formats import Dcsr, SparseFormat
from sparsec.formats.dcsr import LANES
from sparsec.ir import rt
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored, stored_in_groups
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import VectorUnit


class FullyConnectedDcsr(Kernel):
    """What costs is groups of 16 weights, and bit masks of deltas of more than four bits."""

    function = rt.FullyConnectedDcsrOp.C_FUNCTION
    units = ("mve",)

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format == Dcsr() and layer.is_row else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return {**layer.components(Dcsr()), **layer.folded}

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return stored_in_groups(layer.components(Dcsr()))

    def least(self, layer: Layer) -> Stored:
        entries = int(np.count_nonzero(layer.matrix))
        return Stored(entries, groups=-(-entries // LANES))

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        rows = work.outputs[2]
        return "", {
            "calls": 1,
            "rows": rows,
            "last rows": rows % 4,
            "groups": stored.groups,
            "short groups": stored.short,
            "bit masks": stored.blocks,
        }

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        low.call(
            rt.FullyConnectedDcsrOp(
                low.buffer(layer.op.operands[0]),
                [arrays[name] for name in Dcsr().element_types(layer.matrix.shape)],
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                output,
                layer.requant,
            )
        )
        return output
