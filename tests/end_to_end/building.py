# SPDX-License-Identifier: Apache-2.0
"""Small int8 networks, built operation by operation."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, TensorType, i8
from xdsl.ir import Block, Operation, Region, SSAValue

from sparsec.ir import qnn
from sparsec.ir.attributes import NAME, QUANTIZATION
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import QuantizationAttr
from sparsec.quantization.scheme import Quantization

Array: TypeAlias = np.ndarray[Any, Any]


class Builder:
    """A `main` under construction; several networks may stand side by side in it."""

    def __init__(self) -> None:
        self.block = Block()
        self.layers = 0

    def input(self, shape: Sequence[int]) -> SSAValue:
        """Another int8 input of the network."""
        return self.block.insert_arg(TensorType(i8, shape), len(self.block.args))

    def constant(self, array: Array) -> SSAValue:
        """A constant of the next layer."""
        op = qnn.ConstantOp(np.ascontiguousarray(array), f"layer{self.layers}.constant")
        self.block.add_op(op)
        return op.result

    def layer(self, op: Operation) -> SSAValue:
        """The one result of a new layer."""
        self.layers += 1
        set_layer(op, f"{op.name.removeprefix('qnn.')}{self.layers}")
        self.block.add_op(op)
        return op.results[0]

    def module(self, results: Sequence[SSAValue]) -> ModuleOp:
        """The finished module, which returns `results`."""
        self.block.add_op(func.ReturnOp(*results))
        attribute = DictionaryAttr(
            {QUANTIZATION: QuantizationAttr(Quantization((0.05,), zero_point=3))}
        )
        inputs = [argument.type for argument in self.block.args]
        main = func.FuncOp(
            "main",
            (inputs, [result.type for result in results]),
            Region([self.block]),
            arg_attrs=ArrayAttr([attribute] * len(inputs)),
            res_attrs=ArrayAttr([attribute] * len(results)),
        )
        module = ModuleOp([main])
        module.attributes[NAME] = StringAttr("net")
        module.verify()
        return module
