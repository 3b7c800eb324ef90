# SPDX-License-Identifier: Apache-2.0
"""Which level of the IR a module, or a piece of it, is written in."""

from enum import Enum

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from sparsec.ir import nn, qnn
from sparsec.ir.kernel import KernelOp


class Level(Enum):
    """The levels of the compiler, highest first."""

    NN = "nn"
    QNN = "qnn"
    KERNELS = "kernels"


def level_of(module: ModuleOp) -> Level:
    """The highest level that any operation of `module` belongs to; `qnn` when none tells."""
    found = {op.dialect_name() for op in module.walk()}
    if nn.Nn.name in found:
        return Level.NN
    if qnn.Qnn.name in found:
        return Level.QNN
    return Level.KERNELS if any(isinstance(op, KernelOp) for op in module.walk()) else Level.QNN


def is_float(op: Operation) -> bool:
    """Whether `op` holds operations of `nn`; a pass of that level leaves any other alone."""
    return any(inner.dialect_name() == nn.Nn.name for inner in op.walk())
