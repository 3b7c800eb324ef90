# SPDX-License-Identifier: Apache-2.0
"""The types of the values of `nn`, and what one says of a layer that others have to know."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from xdsl.dialects.builtin import (
    I8,
    I32,
    Float32Type,
    TensorType,
    i32,
)
from xdsl.irdl import (
    IRDLOperation,
    VarConstraint,
    base,
    operand_def,
    result_def,
    traits_def,
)
from xdsl.traits import OpTrait, Pure

F32Tensor: TypeAlias = TensorType[Float32Type]
I8Tensor: TypeAlias = TensorType[I8]
I32Tensor: TypeAlias = TensorType[I32]
"""Integers that stand for themselves: indices."""


def float_type(shape: Sequence[int]) -> F32Tensor:
    """A tensor of float32."""
    return TensorType(Float32Type(), shape)


def index_type(shape: Sequence[int]) -> I32Tensor:
    """A tensor of indices."""
    return TensorType(i32, shape)


@dataclass(frozen=True)
class MovesData(OpTrait):
    """The layer selects or orders values of its operand `input`: it commutes with quantization.

    A border of zeros counts, as every quantization has a number for zero.
    """


@dataclass(frozen=True)
class KeepsQuantization(OpTrait):
    """The result has the quantization of the operand `input`, or may have."""


class SameTypeOp(IRDLOperation, ABC):
    """A layer whose result has the type of its input."""

    T: ClassVar = VarConstraint("T", base(F32Tensor))

    input = operand_def(T)
    result = result_def(T)

    traits = traits_def(Pure())
