# SPDX-License-Identifier: Apache-2.0
"""Layers that make one number of several along axes that are next to each other."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from xdsl.ir import Operation, SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import qnn, rt
from sparsec.ir.kernel import KernelOp
from sparsec.ir.shapes import reduction
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering


class Reduce(Kernel, ABC):
    """A function of [outer, count, inner] that reduces the axis in the middle."""

    kind: type[Operation]

    @abstractmethod
    def call(self, op: Operation, input: SSAValue, output: SSAValue) -> KernelOp:
        """What computes `op` of two buffers."""

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        return None if isinstance(layer.op, self.kind) else NOT_MINE

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        (input,), (result,) = layer.op.operands, layer.op.results
        outer, count, inner = reduction(input.type, result.type)
        output = low.output()
        source = low.buffer(input, (outer, count, inner))
        low.call(self.call(layer.op, source, low.reshape(output, (outer, 1, inner))))
        return output


class Mean(Reduce):
    """`sparsec_mean_s8`."""

    function = rt.MeanOp.C_FUNCTION
    kind = qnn.MeanOp

    def call(self, op: Operation, input: SSAValue, output: SSAValue) -> KernelOp:
        assert isinstance(op, qnn.MeanOp)
        return rt.MeanOp(input, output, op.params.data)


class ReduceMax(Reduce):
    """`sparsec_reduce_max_s8`."""

    function = rt.ReduceMaxOp.C_FUNCTION
    kind = qnn.ReduceMaxOp

    def call(self, op: Operation, input: SSAValue, output: SSAValue) -> KernelOp:
        return rt.ReduceMaxOp(input, output)


class ReduceMin(Reduce):
    """`sparsec_reduce_min_s8`."""

    function = rt.ReduceMinOp.C_FUNCTION
    kind = qnn.ReduceMinOp

    def call(self, op: Operation, input: SSAValue, output: SSAValue) -> KernelOp:
        return rt.ReduceMinOp(input, output)


class ArgMax(Reduce):
    """`sparsec_arg_max_s8`."""

    function = rt.ArgMaxOp.C_FUNCTION
    kind = qnn.ArgMaxOp

    def call(self, op: Operation, input: SSAValue, output: SSAValue) -> KernelOp:
        return rt.ArgMaxOp(input, output)


class ArgMin(Reduce):
    """`sparsec_arg_min_s8`."""

    function = rt.ArgMinOp.C_FUNCTION
    kind = qnn.ArgMinOp

    def call(self, op: Operation, input: SSAValue, output: SSAValue) -> KernelOp:
        return rt.ArgMinOp(input, output)
