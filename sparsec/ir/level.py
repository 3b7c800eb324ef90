# SPDX-License-Identifier: Apache-2.0
"""Which level of the IR a module, or a piece of it, is written in."""

from enum import Enum

from xdsl.dialects.builtin import Float32Type, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp
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
    if is_float(module):
        return Level.NN
    found = {op.dialect_name() for op in module.walk()}
    if qnn.Qnn.name in found:
        return Level.QNN
    return Level.KERNELS if any(isinstance(op, KernelOp) for op in module.walk()) else Level.QNN


def is_float(op: Operation) -> bool:
    """Whether `op` holds operations of `nn`, or a function of float tensors; a pass of that level leaves any other alone."""
    return any(
        inner.dialect_name() == nn.Nn.name or (isinstance(inner, FuncOp) and _is_of_floats(inner))
        for inner in op.walk()
    )


def _is_of_floats(function: FuncOp) -> bool:
    types = (*function.function_type.inputs, *function.function_type.outputs)
    return any(isinstance(t, TensorType) and isinstance(t.element_type, Float32Type) for t in types)
