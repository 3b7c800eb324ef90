# SPDX-License-Identifier: Apache-2.0
"""`fuse-rows`: a 1x1 convolution and the depthwise convolution behind it become one call, row by row.

    %b = memref.alloc() : memref<1x48x48x16xi8>
    cmsis.convolve_wrapper_s8 %x, .. into %b
    cmsis.depthwise_conv_wrapper_s8 %b, .. into %y
becomes
    %s = memref.alloc() {alignment = 8} : memref<2304xi8>
    rt.point_depthwise_s8 %x point .. depthwise .. into %y scratch %s

The image between needs no memory but for the rows of one window. Which pairs gain by that is for a planner to say: it
names the depthwise layers in `layers`. Without it every pair is fused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType, ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.choice.choice_record import revise
from sparsec.analysis.memory.fused_versions import FusedVersion, fused_versions
from sparsec.ir.attributes import LAYER, OP
from sparsec.ir.layer import layer_of
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import Cpu, cpu_named


@dataclass(frozen=True)
class FuseRowsPass(ModulePass):
    """Do two layers at once where the image between them is larger than both ends."""

    name = "fuse-rows"

    target: str = "cortex-m4"
    layers: tuple[str, ...] = ()
    cmsis_nn: Release = PACKAGED

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            cpu = cpu_named(self.target, self.cmsis_nn)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs.data
            if types and all(isinstance(type, MemRefType) for type in types):
                fuse_rows(function, cpu, self.layers)


def fuse_rows(function: func.FuncOp, cpu: Cpu, layers: Sequence[str] = ()) -> None:
    """Fuse the pairs of a bufferized function whose depthwise layers are named, all of them if none is.

    Raises PassFailedException for a name of no such pair.
    """
    versions = fused_versions(function, cpu)
    names = [layer_of(version.depthwise) for version in versions]
    for name in layers:
        if name not in names:
            raise PassFailedException(
                f"layer '{name}' is no depthwise convolution by CMSIS-NN right behind a 1x1 convolution, "
                f"which could be fused with it; such layers are: {', '.join(names) or 'none'}"
            )
    for version, name in zip(versions, names, strict=True):
        if not layers or name in layers:
            fuse(version)


def fuse(version: FusedVersion) -> None:
    """Replace both operations of `version` by one."""
    point, depthwise = version.point, version.depthwise
    allocation, op = version.build()
    for name in (LAYER, OP):
        both = [o.attributes.get(name) for o in (point, depthwise)]
        texts = [attribute.data for attribute in both if isinstance(attribute, StringAttr)]
        if texts:
            op.attributes[name] = StringAttr("+".join(texts))
    Rewriter.insert_op([allocation, op], InsertPoint.before(depthwise))
    layers = {layer_of(each): each.C_FUNCTION for each in (point, depthwise)}
    revise(op.get_toplevel_object(), layers, op.C_FUNCTION, version.cost - version.plain)
    unused = (point.output, point.scratch, depthwise.scratch)
    Rewriter.erase_op(point)
    Rewriter.erase_op(depthwise)
    for buffer in unused:
        if buffer is not None and isinstance(buffer.owner, memref.AllocOp):
            Rewriter.erase_op(buffer.owner)
