"""Bytes of activations that are live while each operation of a `qnn` function runs.

The rule: never more than what the compiled network needs, so that whoever leaves something out for it is right.
"""

from math import prod

from xdsl.ir import Block, Operation, SSAValue

from sparsec.ir import qnn
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.shapes import shape_of


def live_bytes(block: Block) -> dict[Operation, int]:
    """For each operation with a result the bytes of the tensors that it reads or writes, or that wait for a later one.

    Inputs are live from the start to their last use, results to the end. A reshape is its input.
    """
    last: dict[SSAValue, int] = {_root(argument): 0 for argument in block.args}
    first = dict(last)
    for time, op in enumerate(block.ops, 1):
        for value in map(_root, op.operands):
            if not isinstance(value.owner, DenseConstantOp):
                last[value] = time
        for value in op.results:
            if _root(value) is value and not isinstance(op, DenseConstantOp):
                first[value] = last[value] = time
    changes = [0] * (len(list(block.ops)) + 2)
    for value, end in last.items():
        size = _bytes(value)
        changes[first[value]] += size
        changes[end + 1] -= size
    live: dict[Operation, int] = {}
    now = changes[0]
    for time, op in enumerate(block.ops, 1):
        now += changes[time]
        if op.results and not isinstance(op, DenseConstantOp):
            live[op] = now
    return live


def _bytes(value: SSAValue) -> int:
    return prod(shape_of(value.type))


def _root(value: SSAValue) -> SSAValue:
    """The tensor whose memory `value` is."""
    while isinstance(value.owner, qnn.ReshapeOp):
        value = value.owner.input
    return value
