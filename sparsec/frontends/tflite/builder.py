# SPDX-License-Identifier: Apache-2.0
"""Writing `qnn`: one function `main`, to which each operator of the model adds its operations.

The one rule: an operator gets no value that was not computed before it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    FunctionType,
    IntegerType,
    ModuleOp,
    TensorType,
    i8,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from sparsec.frontends.errors import FrontendError, UnsupportedError
from sparsec.frontends.tflite.model import ABSENT, Array, Model, Operator, Tensor, short_name
from sparsec.ir import qnn
from sparsec.ir.attributes import QUANTIZATION
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import QuantizationAttr
from sparsec.quantization.scheme import Quantization


class UnavailableError(Exception):
    """An operator reads what another, unsupported one should have computed."""


class Builder:
    """Collects the operations of `main`; `values` are those of the model's tensors by index."""

    def __init__(self, model: Model, constant_bytes: int):
        self.model = model
        self.constant_bytes = constant_bytes
        """How many more bytes of constants may be made."""
        self.block = Block()
        self.values: dict[int, SSAValue] = {}
        self.unavailable: set[int] = set()
        self._constants: dict[int, SSAValue] = {}
        self._layers: set[str] = set()
        self._layer = ""

    def enter(self, operator: Operator, result: int = 0) -> None:
        """From here on operations belong to `operator`, named for a tensor it computes."""
        tensor = self.outputs(operator)[result]
        name = short_name(tensor.name) or f"{operator.name.lower()}_{operator.index}"
        self._layer = f"{name}#{operator.index}" if name in self._layers else name
        self._layers.add(self._layer)

    def argument(self, tensor: Tensor, quantization: Quantization) -> None:
        """`tensor` becomes the next argument of `main`."""
        type = TensorType(i8, tensor.shape)
        self.values[tensor.index] = self.block.insert_arg(type, len(self.block.args))
        name = short_name(tensor.name)
        if SSAValue.is_valid_name(name):
            self.values[tensor.index].name_hint = name

    def tensor(self, operator: Operator, position: int) -> Tensor:
        """An input of an operator. Raises UnsupportedError if it is left out."""
        if position >= len(operator.inputs) or operator.inputs[position] == ABSENT:
            raise UnsupportedError(f"its input {position} is missing")
        return self.model.tensors[operator.inputs[position]]

    def optional(self, operator: Operator, position: int) -> Tensor | None:
        """An input of an operator, None if it is left out."""
        if position >= len(operator.inputs) or operator.inputs[position] == ABSENT:
            return None
        return self.model.tensors[operator.inputs[position]]

    def outputs(self, operator: Operator) -> list[Tensor]:
        """The results of an operator, at least one."""
        if not operator.outputs or ABSENT in operator.outputs:
            raise UnsupportedError("it has no result, or one that is missing")
        return [self.model.tensors[index] for index in operator.outputs]

    def output(self, operator: Operator) -> Tensor:
        """The one result of an operator."""
        outputs = self.outputs(operator)
        if len(outputs) != 1:
            raise UnsupportedError(f"it has {len(outputs)} results instead of one")
        return outputs[0]

    def value(self, tensor: Tensor) -> SSAValue:
        """An int8 activation, or a constant in the place of one.

        Raises UnavailableError for the result of an unsupported operator, UnsupportedError if
        nothing has computed it.
        """
        if tensor.index in self.unavailable:
            raise UnavailableError
        if tensor.index in self.values:
            return self.values[tensor.index]
        _ = tensor.quantization  # an error for what is not int8
        if tensor.data is not None:
            return self.constant_of(tensor)
        raise UnsupportedError(f"{tensor.title} is read before an operator computes it")

    def constant_of(self, tensor: Tensor) -> SSAValue:
        """The constant that a tensor holds, made once."""
        if tensor.index not in self._constants:
            assert tensor.data is not None
            self._constants[tensor.index] = self.constant(
                tensor.data, short_name(tensor.name) or None
            )
        return self._constants[tensor.index]

    def constant(self, array: Array, label: str | None = None) -> SSAValue:
        """A constant made by the compiler, or named for what it came from."""
        self.constant_bytes -= array.nbytes
        if self.constant_bytes < 0:
            raise FrontendError(
                "the operators share weights so often that they do not fit a microcontroller"
            )
        op = qnn.ConstantOp(np.ascontiguousarray(array), label)
        self.block.add_op(op)
        return op.result

    def add(self, op: Operation) -> SSAValue:
        """Append `op`, whose one result is not the operator's own. Raises UnsupportedError if it is not valid."""
        set_layer(op, self._layer)
        try:
            op.verify()
        except VerifyException as error:
            raise UnsupportedError(str(error).splitlines()[0]) from None
        self.block.add_op(op)
        return op.results[0]

    def finish(self, operator: Operator, op: Operation) -> None:
        """Append `op`, which computes the one result of `operator`."""
        self.compute(self.output(operator), op)

    def compute(self, output: Tensor, op: Operation) -> None:
        """Append `op`, which computes `output`."""
        result = op.results[0]
        assert isinstance(result.type, TensorType)
        shape = result.type.get_shape()
        if shape != output.shape:
            raise UnsupportedError(f"its result has the shape {shape}, not {output.shape}")
        self.define(output, self.add(op))

    def define(self, tensor: Tensor, value: SSAValue) -> None:
        """`value` is that of `tensor`. Raises UnsupportedError if there is one already."""
        if tensor.index in self.values or tensor.data is not None:
            raise UnsupportedError(f"{tensor.title} is computed a second time")
        self.values[tensor.index] = value

    def reshaped(self, value: SSAValue, shape: Sequence[int]) -> SSAValue:
        """`value` in another shape, row by row."""
        assert isinstance(value.type, TensorType)
        if value.type.get_shape() == tuple(shape):
            return value
        return self.add(qnn.ReshapeOp(value, shape))

    def module(
        self,
        inputs: Sequence[Quantization],
        results: Sequence[SSAValue],
        outputs: Sequence[Quantization],
    ) -> ModuleOp:
        """The module, with `results` as the results of `main`."""
        self.block.add_op(ReturnOp(*results))
        type = FunctionType.from_lists(self.block.arg_types, [value.type for value in results])
        main = FuncOp(
            "main",
            type,
            Region(self.block),
            arg_attrs=ArrayAttr([_attributes(quantization) for quantization in inputs]),
            res_attrs=ArrayAttr([_attributes(quantization) for quantization in outputs]),
        )
        return ModuleOp([main])


def activation_type(tensor: Tensor) -> TensorType[IntegerType]:
    """The type of an int8 activation. Raises UnsupportedError for another."""
    _ = tensor.quantization  # an error for what is not int8
    return TensorType(i8, tensor.shape)


def _attributes(quantization: Quantization) -> DictionaryAttr:
    attributes: Mapping[str, QuantizationAttr] = {QUANTIZATION: QuantizationAttr(quantization)}
    return DictionaryAttr(attributes)
