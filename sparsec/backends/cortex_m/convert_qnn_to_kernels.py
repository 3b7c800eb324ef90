"""`convert-qnn-to-kernels`: every int8 operation becomes a call of CMSIS-NN or of the runtime.

%y = qnn.linear %x, %w, ..       becomes       %b = memref.alloc()
                                               cmsis.fully_connected_s8 .. into %b
                                               %y = builtin.unrealized_conversion_cast %b
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriteWalker,
    RewritePattern,
)
from xdsl.utils.exceptions import PassFailedException

from sparsec.backends.cortex_m.legalize import legalize_convolutions
from sparsec.backends.cortex_m.lower_elementwise import ELEMENTWISE
from sparsec.backends.cortex_m.lower_movement import MOVEMENT
from sparsec.backends.cortex_m.lower_unweighted import UNWEIGHTED, LowerPool2d
from sparsec.backends.cortex_m.lower_weighted import (
    LowerConv2d,
    LowerDepthwiseConv2d,
    LowerLinear,
    LowerTransposeConv2d,
)
from sparsec.ir.attributes import CMSIS_NN, TARGET
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import cpu_named


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
        unit = cpu.vector_unit
        patterns: list[RewritePattern] = [
            LowerConv2d(unit, cpu.cmsis_nn),
            LowerDepthwiseConv2d(unit, cpu.cmsis_nn),
            LowerLinear(unit, cpu.cmsis_nn),
            LowerTransposeConv2d(unit, cpu.cmsis_nn),
            LowerPool2d(unit),
            *(pattern() for pattern in UNWEIGHTED),
            *(pattern() for pattern in ELEMENTWISE),
            *(pattern() for pattern in MOVEMENT),
        ]
        applier = GreedyRewritePatternApplier(patterns, dce_enabled=False)
        PatternRewriteWalker(applier, apply_recursively=False).rewrite_module(op)
