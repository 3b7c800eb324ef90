# SPDX-License-Identifier: Apache-2.0
"""`merge-duplicates`: operations of `qnn` that compute the same become one, and so do equal constants.

    %a = qnn.constant named "a.scale" dense<[1, 2]>
    %b = qnn.constant named "b.scale" dense<[1, 2]>
becomes one constant, named "a.scale".

Unlike `cse`, it does not ask for equal names: what a parameter or a layer is called changes no byte.
The first keeps its name.
"""

from collections.abc import Hashable
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from sparsec.ir import qnn
from sparsec.ir.attributes import LAYER, MOVED


def meaning(op: Operation) -> Hashable:
    """Equal for operations whose results are the same, whatever they are called and came from."""
    if isinstance(op, qnn.ConstantOp):
        # Not the attribute itself: a splat and a full list of equal elements are the same array.
        return op.result.type, op.array.tobytes()
    properties = frozenset(op.properties.items())
    attributes = frozenset((k, v) for k, v in op.attributes.items() if k not in (LAYER, MOVED))
    return op.name, op.operands, properties, attributes, op.result_types


def merge(block: Block) -> None:
    """Read the first of each set of duplicates wherever another was read."""
    known: dict[Hashable, Operation] = {}
    for op in list(block.ops):
        if op.dialect_name() != qnn.Qnn.name:
            continue
        first = known.setdefault(meaning(op), op)
        if first is not op:
            Rewriter.replace_op(op, (), first.results)


@dataclass(frozen=True)
class MergeDuplicatesPass(ModulePass):
    """Merges equal constants and equal operations, whatever they are called."""

    name = "merge-duplicates"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and function.body.blocks:
                merge(function.body.block)
