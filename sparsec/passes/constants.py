"""Constants that passes change: a new value under the name of the old one."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from sparsec.ir import nn


def erase_unused(values: Iterable[SSAValue]) -> None:
    """Erase the constants among `values` that nothing reads."""
    for value in dict.fromkeys(values):
        if isinstance(value.owner, nn.ConstantOp) and value.first_use is None:
            Rewriter.erase_op(value.owner)


def replace_constant(user: Operation, index: int, array: np.ndarray[Any, Any]) -> None:
    """Operand `index` of `user`, a constant, becomes `array` at the old element type and name.

    The old constant stays, for its other users or for `erase_unused`.
    """
    old = user.operands[index]
    constant = old.owner
    assert isinstance(constant, nn.ConstantOp)
    new = nn.ConstantOp(array.astype(constant.array.dtype), constant.label)
    new.result.name_hint = old.name_hint
    Rewriter.insert_op(new, InsertPoint.before(user))
    user.operands[index] = new.result
