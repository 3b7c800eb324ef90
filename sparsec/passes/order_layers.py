# SPDX-License-Identifier: Apache-2.0
"""`order-layers`: layers run in the order in which the fewest bytes are live at once.

    %a = qnn.conv2d %x ..        1x8x8x4 to 1x8x8x16
    %b = qnn.conv2d %x ..        1x8x8x4 to 1x8x8x16
    %c = qnn.max_pool2d %a ..    1x8x8x16 to 1x1x1x16
    %d = qnn.max_pool2d %b ..    1x8x8x16 to 1x1x1x16
becomes
    %a = qnn.conv2d %x ..
    %c = qnn.max_pool2d %a ..
    %b = qnn.conv2d %x ..
    %d = qnn.max_pool2d %b ..

Constants and reshapes come before their first reader. Where no order is known to be better, nothing moves.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.memory.block_dataflow import dataflow_of, layers_of
from sparsec.ir import qnn
from sparsec.planning.order import least_order
from sparsec.targets.cmsis_nn import PACKAGED, Release
from sparsec.targets.cpu import cpu_named


@dataclass(frozen=True)
class OrderLayersPass(ModulePass):
    """Order the layers of `qnn` functions; the kernels of `target` say how much scratch memory each takes."""

    name = "order-layers"
    target: str = "cortex-m4"
    cmsis_nn: Release = PACKAGED

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            cpu = cpu_named(self.target, self.cmsis_nn)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        for function in op.ops:
            if not isinstance(function, func.FuncOp) or not is_quantized(function):
                continue
            block = function.body.block
            found = least_order(dataflow_of(block, cpu)).order
            if found != tuple(range(len(found))):
                layers = layers_of(block)
                arrange(block, [layers[number] for number in found])


def is_quantized(function: func.FuncOp) -> bool:
    """Whether `function` holds operations of `qnn` and nothing else."""
    if len(function.body.blocks) != 1:
        return False
    *ops, last = function.body.block.ops
    return isinstance(last, func.ReturnOp) and all(op.dialect_name() == qnn.Qnn.name for op in ops)


def arrange(block: Block, layers: Iterable[Operation]) -> None:
    """Move `layers` into their order, each behind the constants and reshapes that it reads first."""
    *rest, last = block.ops
    placed: set[Operation] = {last}

    def place(op: Operation) -> None:
        if op in placed:
            return
        placed.add(op)
        for operand in op.operands:
            if isinstance(operand.owner, Operation):
                place(operand.owner)
        op.detach()
        block.insert_op_before(op, last)

    for op in (*layers, *rest):
        place(op)
