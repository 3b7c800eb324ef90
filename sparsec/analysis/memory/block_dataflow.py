# SPDX-License-Identifier: Apache-2.0
"""The layers of a `qnn` function and their tensors as plain data, for whoever orders them.

The rule: a reshape is its input and constants lie in flash, so neither takes memory or time. Sizes are those that
buffers have in an arena, where the next one begins at a multiple of a few bytes.
"""

from math import prod

from xdsl.ir import Block, Operation, SSAValue

from sparsec.analysis.memory.lifetimes import ACTIVATION_ALIGNMENT
from sparsec.analysis.memory.live_bytes import tensor_of
from sparsec.ir import qnn
from sparsec.ir.constant import DenseConstantOp
from sparsec.ir.qnn.elementwise import ElementwiseOp, PreluOp
from sparsec.ir.shapes import shape_of
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, ways
from sparsec.planning import dataflow
from sparsec.targets.cpu import Cpu

IN_PLACE = (
    qnn.AddOp,
    qnn.LookupOp,
    qnn.RescaleOp,
    qnn.SoftmaxOp,
    ElementwiseOp,
    PreluOp,
)
"""Layers whose kernels may write each element where they have read it."""


def layers_of(block: Block) -> list[Operation]:
    """The operations that become calls, in order."""
    free = (DenseConstantOp, qnn.ReshapeOp)
    return [op for op in block.ops if op.results and not isinstance(op, free)]


def dataflow_of(block: Block, cpu: Cpu) -> dataflow.Dataflow:
    """`layers_of(block)` as operations, with the scratch memory that their kernels take on `cpu`.

    Weights without a format count as dense. What an output may overlap of an input is known of `IN_PLACE` alone.
    """
    numbers: dict[SSAValue, int] = {}
    sizes: list[int] = []

    def number(value: SSAValue) -> int:
        if value not in numbers:
            numbers[value] = len(sizes)
            sizes.append(-(-_bytes(value) // ACTIVATION_ALIGNMENT) * ACTIVATION_ALIGNMENT)
        return numbers[value]

    inputs = [number(argument) for argument in block.args]
    operations: list[dataflow.Operation] = []
    for op in layers_of(block):
        reads = tuple(map(number, tensors_of(op)))
        writes = tuple(map(number, op.results))
        shares = {number(value): sizes[number(value)] for value in in_place(op)}
        operations.append(dataflow.Operation(reads, writes, scratch_bytes(op, cpu), shares))
    last = block.last_op
    outputs = [] if last is None or last.results else [*map(number, tensors_of(last))]
    return dataflow.Dataflow(tuple(sizes), tuple(operations), tuple(inputs), tuple(outputs))


def tensors_of(op: Operation) -> list[SSAValue]:
    """The activations that `op` reads, each once."""
    found = dict.fromkeys(map(tensor_of, op.operands))
    return [value for value in found if not isinstance(value.owner, DenseConstantOp)]


def in_place(op: Operation) -> list[SSAValue]:
    """The tensors over which `op` may write all that it computes."""
    if not isinstance(op, IN_PLACE):
        return []
    return [value for value in tensors_of(op) if _bytes(value) == _bytes(op.result)]


def scratch_bytes(op: Operation, cpu: Cpu) -> int:
    """Scratch memory of the kernel that runs `op` as its weights are stored."""
    layer = Layer(op)
    found = ways(layer, cpu, layer.format)
    return 0 if isinstance(found, NoWay) else found[0].scratch(layer, cpu)


def _bytes(value: SSAValue) -> int:
    return prod(shape_of(value.type))
