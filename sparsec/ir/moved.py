# SPDX-License-Identifier: Apache-2.0
"""The discardable attribute `sparsec.moved`: why rows and columns of a layer's weights are not those of the model.

The one rule: a pass that removes or reorders them says so here, in words that a user reads where a pattern is gone.
"""

from xdsl.dialects.builtin import ArrayAttr, StringAttr
from xdsl.ir import Operation
from xdsl.utils.hints import isa

from sparsec.ir.attributes import MOVED


def moves_of(op: Operation) -> tuple[str, ...]:
    """What passes did to the weights of `op`, in their order."""
    noted = op.attributes.get(MOVED)
    return tuple(each.data for each in noted) if isa(noted, ArrayAttr[StringAttr]) else ()


def note_move(op: Operation, what: str) -> None:
    """Say `what` a pass did to the weights of `op`, if it was not said before."""
    noted = dict.fromkeys((*moves_of(op), what))
    op.attributes[MOVED] = ArrayAttr([StringAttr(each) for each in noted])


def copy_moves(source: Operation, target: Operation) -> None:
    """The weights of `target` are those of `source`."""
    if MOVED in source.attributes:
        target.attributes[MOVED] = source.attributes[MOVED]
