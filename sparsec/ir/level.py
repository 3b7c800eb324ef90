"""Which level a module is at."""

from enum import Enum

from xdsl.dialects.builtin import ModuleOp

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
