# SPDX-License-Identifier: Apache-2.0
"""`sparsec_residual_add_s8` and `sparsec_residual_add_rounded_s8`: sums of whole tensors in fewer instructions."""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import qnn, rt
from sparsec.kernels.elementwise import is_whole
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.loops import Loops, elements, vectors
from sparsec.kernels.lowering import Lowering
from sparsec.kernels.stored import Stored
from sparsec.kernels.workload import Workload
from sparsec.quantization.rounded_add import rounded
from sparsec.quantization.short_add import ShortAdd, shorten
from sparsec.targets.cpu import VectorUnit


class ResidualAdd(Kernel):
    """`sparsec_residual_add_s8`: one product for each input (`quantization/short_add.py` proves it on all pairs of bytes).

    Its cost is that of the usual shift without a clamp; others take up to half more.
    """

    function = rt.ResidualAddOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if _short(layer) is not None else NOT_MINE

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        if unit == "mve":
            return "", vectors(work, 16)
        return "", elements(work, (8, 4, 1) if unit == "dsp" else (1,))

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        short = _short(layer)
        assert short is not None
        lhs, rhs = layer.op.operands
        output = low.output()
        low.call(rt.ResidualAddOp(low.buffer(lhs), low.buffer(rhs), output, short))
        return output


class ResidualAddRounded(Kernel):
    """`sparsec_residual_add_rounded_s8`: sums that no plane fits (`quantization/rounded_add.py`)."""

    function = rt.ResidualAddRoundedOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        if not isinstance(layer.op, qnn.AddOp) or rounded(layer.op.params.data) is None:
            return NOT_MINE
        return None

    def loops(self, unit: VectorUnit, work: Workload, stored: Stored) -> tuple[str, Loops]:
        if unit == "mve":
            return "", vectors(work, 16)
        return "", elements(work, (4, 1) if unit == "dsp" else (1,))

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        assert isinstance(layer.op, qnn.AddOp)
        sum = rounded(layer.op.params.data)
        assert sum is not None
        lhs, rhs = layer.op.operands
        first, second = (rhs, lhs) if sum.swapped else (lhs, rhs)
        output = low.output()
        numbers = sum.numbers
        low.call(rt.ResidualAddRoundedOp(low.buffer(first), low.buffer(second), output, numbers))
        return output


def _short(layer: Layer) -> ShortAdd | None:
    """The short form of a sum, None if it has none."""
    match layer.op:
        case qnn.AddOp():
            return shorten(layer.op.params.data)
        case qnn.SubOp() | qnn.BroadcastAddOp() if is_whole(layer):
            return shorten(layer.op.params.data, layer.op.SIGN)
        case _:
            return None
