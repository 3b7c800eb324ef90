# SPDX-License-Identifier: Apache-2.0
"""What IR text may say and xDSL's verifier does not ask: values and constants are
defined before they are used, and have a sane size."""

from math import prod

from xdsl.dialects.builtin import MemRefType, ModuleOp, TensorType
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

MAX_ELEMENTS = 1 << 28
"""Of a tensor: more than any network for a microcontroller has."""

MAX_MEMORY = 1 << 26
"""Bytes of a memory that a function is given: more than any microcontroller has."""


def verify_wellformed(module: ModuleOp) -> None:
    """Raises VerifyException, one sentence about the operation, else."""
    order = {op: number for number, op in enumerate(module.walk())}
    for op, number in order.items():
        for operand in op.operands:
            owner = operand.owner
            if isinstance(owner, Operation) and order.get(owner, number) >= number:
                raise VerifyException(f"'{op.name}' uses a value before it is defined")
            if isinstance(owner, Block) and owner is not op.parent_block():
                raise VerifyException(f"'{op.name}' uses an argument of another function")
        for value in op.results:
            if elements(value) > MAX_ELEMENTS:
                raise VerifyException(f"'{op.name}' gives more than {MAX_ELEMENTS:,} elements")
        for argument in [
            each for region in op.regions for block in region.blocks for each in block.args
        ]:
            most = MAX_MEMORY if isinstance(argument.type, MemRefType) else MAX_ELEMENTS
            if elements(argument) > most:
                raise VerifyException(f"'{op.name}' takes more than {most:,} elements")


def elements(value: SSAValue) -> int:
    """Of a tensor or buffer, else 0."""
    type = value.type
    return prod(type.get_shape()) if isinstance(type, TensorType | MemRefType) else 0


def verify_symbols(module: ModuleOp) -> None:
    """Raises VerifyException unless every constant that is read is there. A single pass may do without."""
    globals = {op.sym_name.data: op.type for op in module.ops if isinstance(op, GlobalOp)}
    for op in module.walk():
        if isinstance(op, GetGlobalOp):
            name = op.name_.string_value()
            if globals.get(name) != op.memref.type:
                raise VerifyException(f"there is no constant '{name}' of type {op.memref.type}")
