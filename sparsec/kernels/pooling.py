# SPDX-License-Identifier: Apache-2.0
"""Layers that reduce windows to one number."""

from collections.abc import Mapping

from xdsl.ir import SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import cmsis, qnn
from sparsec.ir.shapes import shape_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering
from sparsec.targets import scratch
from sparsec.targets.cpu import Cpu


class MaxPool(Kernel):
    """`arm_max_pool_s8`."""

    function = cmsis.MaxPoolOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.MaxPool2dOp) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.MaxPool2dOp)
        low.call(cmsis.MaxPoolOp(low.buffer(op.input), output, None, op.pool.data, op.requant.data))
        return output


class AvgPool(Kernel):
    """`arm_avgpool_s8`."""

    function = cmsis.AvgPoolOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, qnn.AvgPool2dOp) else NOT_MINE

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        return scratch.avg_pool(cpu.vector_unit, shape_of(layer.op.operands[0].type))

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.AvgPool2dOp)
        memory = low.scratch(self.scratch(layer, low.cpu))
        low.call(
            cmsis.AvgPoolOp(low.buffer(op.input), output, memory, op.pool.data, op.requant.data)
        )
        return output
