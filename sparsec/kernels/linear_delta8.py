# SPDX-License-Identifier: Apache-2.0
"""`sparsec_fully_connected_delta8_s8`: a linear layer of one row by `delta8` weights, some of which a decoder may have
written for `sparsec_fully_connected_decoded_s8`."""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import rt
from sparsec.kernels.branches import Lists, of_choice, of_loop
from sparsec.kernels.convolve_delta8 import Delta8Kernel
from sparsec.kernels.kernel import NOT_MINE
from sparsec.kernels.layer import Layer
from sparsec.kernels.loops import Loops, rounded
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import VectorUnit


class FullyConnectedDelta8(Delta8Kernel):
    """Entry by entry."""

    function = rt.FullyConnectedDelta8Op.C_FUNCTION
    reads_decoded = False

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format == Delta8() and layer.is_row else NOT_MINE

    def least(self, layer: Layer) -> Stored:
        return Stored(len(layer.components(Delta8())["entries"]) // 2, left=layer.shifted_by(0))

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        lists = Lists.of(stored.entries, work.outputs[2], work.columns)
        pairs, (_, odd) = lists.in_groups(2)
        ends = of_loop(pairs) + of_choice(float(odd)) + of_choice(float(pairs[0]))
        return "", {
            "calls": 1,
            "outputs": lists.rows,
            "outputs of a pair": round(lists.rows * (1 - float(pairs[0]))),
            "odd outputs": round(lists.rows * float(odd)),
            "entries": stored.entries,
            "surprises": round(lists.rows * ends),
            **rounded(unit, work, stored),
        }

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        low.call(
            rt.FullyConnectedDelta8Op(
                low.buffer(layer.op.operands[0]),
                arrays["entries"],
                arrays["counts"],
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                output,
                layer.requant,
            )
        )
        return output
