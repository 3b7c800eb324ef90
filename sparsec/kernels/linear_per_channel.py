# SPDX-License-Identifier: Apache-2.0
"""`sparsec_fully_connected_per_channel_s8`: dense linear layers of one row with a multiplier for each output.

CMSIS-NN has no function for that. It multiplies raw inputs: `-input_zp * sum(weights)` is folded into the bias.
"""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import rt
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops, columns_of, rounded
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import VectorUnit


class FullyConnectedPerChannel(Kernel):
    """Also for one multiplier that serves all outputs."""

    function = rt.FullyConnectedPerChannelOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if format is None and layer.is_row else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        return layer.operands | layer.folded

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return Stored(left=layer.shifted_by(0))

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", {**fully_connected_per_channel(unit, work), **rounded(unit, work, stored)}

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        low.call(
            rt.FullyConnectedPerChannelOp(
                low.buffer(layer.op.operands[0]),
                arrays["weights"],
                arrays["bias"],
                arrays["multiplier"],
                arrays["shift"],
                output,
                layer.requant,
            )
        )
        return output


def fully_connected_per_channel(unit: VectorUnit, work: Workload) -> Loops:
    """`sparsec_fully_connected_per_channel_s8`, the runtime's dense kernel."""
    columns, outputs = work.columns, work.outputs[2]
    if unit == "mve":
        (fours, rest), vectors = divmod(outputs, 4), -(-columns // 16)
        return {
            "calls": 1,
            "fours": fours,
            "last outputs": rest,
            "vectors": (fours + rest) * vectors,
        }
    pairs = -(-outputs // 2)
    loops = {"calls": 1, "pairs": pairs, "outputs": outputs}
    parts = columns_of(unit, columns, 16)
    return loops | {f"pairs, {part}": pairs * passes for part, passes in parts.items()}
