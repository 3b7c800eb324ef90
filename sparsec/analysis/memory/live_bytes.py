# SPDX-License-Identifier: Apache-2.0
"""The activations that are live while each operation of a `qnn` function runs."""

from collections.abc import Iterable
from math import prod

from xdsl.ir import Block, BlockArgument, Operation, SSAValue

from sparsec.ir import qnn
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.layer import layer_of
from sparsec.ir.shapes import shape_of


def live_tensors(block: Block) -> dict[Operation, list[SSAValue]]:
    """For each operation with a result the tensors that it reads or writes, or that wait for a later one.

    Inputs are live from the start to their last use, results to the end. A reshape is its input.
    """
    last: dict[SSAValue, int] = {tensor_of(argument): 0 for argument in block.args}
    first = dict(last)
    for time, op in enumerate(block.ops, 1):
        for value in map(tensor_of, op.operands):
            if not isinstance(value.owner, DenseConstantOp):
                last[value] = time
        for value in op.results:
            if tensor_of(value) is value and not isinstance(op, DenseConstantOp):
                first[value] = last[value] = time
    born: dict[int, list[SSAValue]] = {}
    for value, time in first.items():
        born.setdefault(time, []).append(value)
    live: dict[Operation, list[SSAValue]] = {}
    now = born.get(0, [])
    for time, op in enumerate(block.ops, 1):
        now = [value for value in now if last[value] >= time] + born.get(time, [])
        if op.results and not isinstance(op, DenseConstantOp):
            live[op] = now
    return live


def most_live_bytes(block: Block) -> int:
    """The most bytes of activations that are live at once, in the order given; no output lies over an input."""
    return max((sum(map(_bytes, values)) for values in live_tensors(block).values()), default=0)


def live_parts(op: Operation) -> list[tuple[str, int]]:
    """What each tensor that is live during `op` is to it, and its bytes: the largest first.

    One that only waits has the name of its layer, or is called `input0` and so on.
    """
    block = op.parent_block()
    assert block is not None
    read, written = set(map(tensor_of, op.operands)), set(op.results)

    def role(value: SSAValue) -> str:
        if value in written:
            return "output"
        if value in read:
            return "input"
        if isinstance(value, BlockArgument):
            return f"input{value.index}"
        assert isinstance(value.owner, Operation)
        return layer_of(value.owner)

    parts = [(role(value), _bytes(value)) for value in live_tensors(block)[op]]
    return sorted(parts, key=lambda part: -part[1])


def sum_text(parts: Iterable[tuple[str, int]], shared: int = 0) -> str:
    """`input 18,432 + output 18,432`, less the bytes that count for two of them."""
    text = " + ".join(f"{what} {bytes:,}" for what, bytes in parts)
    return f"{text} - {shared:,} shared" if shared else text


def _bytes(value: SSAValue) -> int:
    return prod(shape_of(value.type))


def tensor_of(value: SSAValue) -> SSAValue:
    """The tensor whose memory `value` is."""
    while isinstance(value.owner, qnn.ReshapeOp):
        value = value.owner.input
    return value
