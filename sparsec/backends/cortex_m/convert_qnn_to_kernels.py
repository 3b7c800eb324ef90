# SPDX-License-Identifier: Apache-2.0
"""`convert-qnn-to-kernels`: every int8 operation becomes a call of CMSIS-NN or of the runtime.

%y = qnn.linear %x, %w, ..       becomes       %b = memref.alloc()
                                               cmsis.fully_connected_s8 .. into %b
                                               %y = builtin.unrealized_conversion_cast %b
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import PatternRewriter, PatternRewriteWalker, RewritePattern
from xdsl.utils.exceptions import PassFailedException

from sparsec.backends.cortex_m.legalize import legalize_convolutions
from sparsec.ir import qnn
from sparsec.ir.attributes import CMSIS_NN, TARGET
from sparsec.ir.shapes import shape_of
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, fastest, ways
from sparsec.kernels.lowering import Lowering, failure
from sparsec.kernels.way import Way
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import Cpu, cpu_named


@dataclass(frozen=True)
class ConvertQnnToKernelsPass(ModulePass):
    """Lower `qnn` to `cmsis` and `rt` for one processor. A module that has one already stays as it
    is."""

    name = "convert-qnn-to-kernels"
    target: str = "cortex-m4"
    cmsis_nn: Release = PACKAGED

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if TARGET in op.attributes:
            return
        try:
            cpu = cpu_named(self.target, self.cmsis_nn)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        op.attributes[TARGET] = StringAttr(cpu.name)
        if cpu.cmsis_nn != PACKAGED:
            op.attributes[CMSIS_NN] = StringAttr(cpu.cmsis_nn)
        legalize_convolutions(op, cpu)
        PatternRewriteWalker(LowerLayer(cpu), apply_recursively=False).rewrite_module(op)


@dataclass
class LowerLayer(RewritePattern):
    """A layer becomes the calls of the way that runs it on `cpu`; a reshape shows the same memory in another shape."""

    cpu: Cpu

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter) -> None:
        if op.dialect_name() != qnn.Qnn.name or isinstance(op, qnn.ConstantOp):
            return
        low = Lowering(op, rewriter, self.cpu)
        if isinstance(op, qnn.ReshapeOp):
            low.finish(low.buffer(op.input, shape_of(op.result.type)))
            return
        layer = Layer(op)
        try:
            low.finish(self.way(layer).build(low, layer))
        except ValueError as error:
            raise failure(op, f"{error}, store the weights dense") from error

    def way(self, layer: Layer) -> Way:
        """The way that runs `layer`. PassFailedException where there is none."""
        found = ways(layer, self.cpu, layer.format)
        if not isinstance(found, NoWay):
            return found[0] if layer.has_weights else fastest(found, layer, self.cpu)
        if layer.format is None or found.for_any:
            raise failure(layer.op, found.reason)
        raise failure(
            layer.op,
            f"no kernel takes weights stored as {layer.format.name} here, store them dense",
        )
