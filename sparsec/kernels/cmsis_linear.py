# SPDX-License-Identifier: Apache-2.0
"""`arm_fully_connected_s8`: dense linear layers with one multiplier for all outputs.

Its code for Helium is left aside, because gcc spoils it, and `sparsec_fully_connected_per_channel_s8` does the same.
"""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import cmsis
from sparsec.ir.shapes import shape_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Arrays, Layer
from sparsec.kernels.loops import Loops, columns_of, rounded
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import VectorUnit


class FullyConnected(Kernel):
    """Any number of rows; multiplier and shift are numbers in a struct."""

    function = cmsis.FullyConnectedOp.C_FUNCTION
    units = ("scalar", "dsp")

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if format is not None or layer.kind != "linear":
            return NOT_MINE
        return None if shape_of(layer.weighted.multiplier.type) == (1,) else NOT_MINE

    def lay_out(self, layer: Layer, format: SparseFormat | None) -> Arrays:
        operands = layer.operands
        return {name: operands[name] for name in ("weights", "bias")}

    def stored(self, layer: Layer, format: SparseFormat | None) -> Stored:
        return self.least(layer)

    def least(self, layer: Layer) -> Stored:
        return Stored(left=layer.shifted_by(1))

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        return "", {**fully_connected(unit, work), **rounded(unit, work, stored)}

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        output = low.output()
        low.call(
            cmsis.FullyConnectedOp(
                low.buffer(layer.op.operands[0]),
                arrays["weights"],
                arrays["bias"],
                output,
                layer.requant,
                int(layer.constants.multiplier[0]),
                int(layer.constants.shift[0]),
            )
        )
        return output


def fully_connected(unit: VectorUnit, work: Workload) -> Loops:
    """`arm_fully_connected_s8` of DSP and scalar cores."""
    columns, outputs = work.columns, work.outputs[2]
    groups, rest = divmod(outputs, 2 if unit == "dsp" else 3)
    parts = columns_of(unit, columns, 4)
    loops = {"rows": 1, "outputs": groups, "last outputs": rest}
    for part, passes in parts.items():
        loops |= {f"outputs, {part}": groups * passes, f"last outputs, {part}": rest * passes}
    return {"calls": 1} | {name: work.pixels * passes for name, passes in loops.items()}
