# SPDX-License-Identifier: Apache-2.0
"""What IR text may say and xDSL's verifier does not ask: values are defined before they are used, and have a sane size."""

from math import prod

from xdsl.dialects.builtin import MemRefType, ModuleOp, TensorType
from xdsl.ir import Block, Operation
from xdsl.utils.exceptions import VerifyException

MAX_ELEMENTS = 1 << 28
"""Of a tensor: more than any network for a microcontroller has."""


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
            type = value.type
            if isinstance(type, TensorType | MemRefType) and prod(type.get_shape()) > MAX_ELEMENTS:
                raise VerifyException(f"'{op.name}' gives more than {MAX_ELEMENTS:,} elements")
