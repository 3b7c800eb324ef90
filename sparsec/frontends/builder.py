# SPDX-License-Identifier: Apache-2.0
"""Writing `nn`: one function `main`, to which each call of the model adds its operations.

The one rule: an activation is never moved to another order before an operation asks for it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

import numpy as np
from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType, f32, i32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from sparsec.frontends.call import Place
from sparsec.frontends.errors import FrontendError, UnsupportedError
from sparsec.frontends.tensors import (
    CHANNELS_LAST,
    Activation,
    Array,
    Order,
    Parameter,
    Tensor,
    as_in_torch,
)
from sparsec.ir import nn
from sparsec.ir.constant import ui8
from sparsec.ir.layer import set_layer
from sparsec.ir.shapes import element_type, shape_of

Layout: TypeAlias = Literal["nchw", "nhwc"]

Kind: TypeAlias = Literal["float32", "uint8", "int32"]
"""What an input takes: real numbers, an image of bytes, or indices."""
KINDS: Mapping[Kind, Attribute] = {"float32": f32, "uint8": ui8, "int32": i32}


def entry_order(rank: int, layout: Layout) -> Order:
    """The order of the axes of an argument or result of the generated entry."""
    return CHANNELS_LAST[4] if rank == 4 and layout == "nhwc" else as_in_torch(rank)


class Builder:
    """Collects the operations of `main`."""

    def __init__(self, layout: Layout):
        self.block = Block()
        self.layout: Layout = layout
        self.place = Place("")
        self.shut_out: list[SSAValue] = []
        """What holds minus infinity until a softmax takes that as its mask."""
        self._moved: dict[tuple[SSAValue, Order], SSAValue] = {}
        self._constants: dict[tuple[int, Order], tuple[Parameter, SSAValue]] = {}

    def argument(self, name: str, shape: Sequence[int], kind: Kind = "float32") -> Activation:
        """A new input of `main`; `shape` is torch's. What it holds are real numbers, or indices."""
        order = entry_order(len(shape), self.layout)
        type = TensorType(KINDS[kind], [shape[axis] for axis in order])
        ssa: SSAValue = self.block.insert_arg(type, len(self.block.args))
        if SSAValue.is_valid_name(name):
            ssa.name_hint = name
        if kind == "uint8":
            op = nn.FromUint8Op(ssa)
            set_layer(op, name)
            self.block.add_op(op)
            ssa = op.result
        return Activation(ssa, tuple(shape), order, is_argument=True)

    def settled(self, value: Activation) -> Activation:
        """`value`, in channels-last order where it is an image as it comes from outside."""
        if not value.is_argument or value.order != (0, 1, 2, 3):
            return value
        return Activation(self.ssa(value, CHANNELS_LAST[4]), value.shape, CHANNELS_LAST[4])

    def add(self, op: Operation, order: Order) -> Activation:
        """Append `op`, whose one result is held in `order`. Raises UnsupportedError if it is no valid operation."""
        try:
            op.verify()
        except VerifyException as error:
            raise UnsupportedError(str(error)) from error
        set_layer(op, self.place.layer)
        self.block.add_op(op)
        type = op.results[0].type
        assert isinstance(type, TensorType)
        stored = type.get_shape()
        shape = tuple(stored[order.index(axis)] for axis in range(len(order)))
        return Activation(op.results[0], shape, order)

    def ssa(self, value: Tensor, order: Order | None = None) -> SSAValue:
        """`value` with its axes in `order` (torch's, if None), transposed if it has to be."""
        if order is None:
            order = as_in_torch(len(value.shape))
        if isinstance(value, Parameter):
            return self._constant(value, order)
        if value.order == order:
            return value.ssa
        # Not `order` itself: a value and its permutation have one place in memory, and two orders there.
        permutation = tuple(value.order.index(axis) for axis in order)
        key = (value.ssa, permutation)
        if key not in self._moved:
            self._moved[key] = self._transposed(value.ssa, permutation)
        return self._moved[key]

    def reshape(self, value: SSAValue, shape: Sequence[int]) -> SSAValue:
        """`value` with another shape, row by row."""
        type = value.type
        assert isinstance(type, TensorType)
        if type.get_shape() == tuple(shape):
            return value
        return self.add(nn.ReshapeOp(value, shape), as_in_torch(len(shape))).ssa

    def constant(self, array: Array, name: str) -> SSAValue:
        """A constant as it is, named for what it came from."""
        return self._constant(Parameter(name, array), as_in_torch(array.ndim))

    def mask(self, allowed: Array) -> SSAValue:
        """A mask as a constant of bytes, 0 and 1."""
        op = nn.ConstantOp(allowed.astype(np.int8), f"{self.place.layer}.mask")
        self.block.add_op(op)
        return op.result

    def indices(self, array: Array) -> SSAValue:
        """Indices as a constant; ValueError where they do not fit 16 bits."""
        if array.size and array.max() > np.iinfo(np.uint16).max:
            raise UnsupportedError("it picks from more elements than 16 bits count")
        op = nn.ConstantOp(array.astype(np.uint16), f"{self.place.layer}.indices")
        self.block.add_op(op)
        return op.result

    def _transposed(self, value: SSAValue, permutation: Sequence[int]) -> SSAValue:
        shape = shape_of(value.type)
        moving = [axis for axis in permutation if shape[axis] != 1]
        if moving == sorted(moving):  # only axes of one element change places
            return self.reshape(value, [shape[axis] for axis in permutation])
        if element_type(value.type) != f32:
            raise UnsupportedError("integers are put in another order of axes")
        return self.add(nn.TransposeOp(value, permutation), as_in_torch(len(permutation))).ssa

    def _constant(self, parameter: Parameter, order: Order) -> SSAValue:
        key = (id(parameter), order)
        if key not in self._constants:
            moved = parameter.permuted(order)
            op = nn.ConstantOp(_checked(moved), parameter.name)
            self.block.add_op(op)
            ssa: SSAValue = op.result
            if moved.quantization is not None:
                ssa = self.add(nn.DequantizeOp(ssa, moved.quantization), order).ssa
            # The parameter is kept: its id stays taken for as long as the key is in use.
            self._constants[key] = (parameter, ssa)
        return self._constants[key][1]

    def finish(self, results: Sequence[Tensor]) -> ModuleOp:
        """The module, with `results` as the results of `main`."""
        self.place = Place("output")
        values = [self.ssa(value, entry_order(len(value.shape), self.layout)) for value in results]
        self.block.add_op(ReturnOp(*values))
        type = FunctionType.from_lists(self.block.arg_types, [value.type for value in values])
        return ModuleOp([FuncOp("main", type, Region(self.block))])


def _checked(parameter: Parameter) -> Array:
    array = parameter.array
    if parameter.quantization is not None:
        return array
    if array.dtype != np.float32:
        raise UnsupportedError(
            f"'{parameter.name}' is {array.dtype} where float32 is needed: "
            "export the model after model.float()"
        )
    if not np.isfinite(array).all():
        raise FrontendError(
            f"parameter '{parameter.name}' holds NaN or infinite values: "
            "repair or retrain the model before compiling it"
        )
    return array
