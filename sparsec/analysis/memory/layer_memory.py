# SPDX-License-Identifier: Apache-2.0
"""What a layer with weights needs of memory while it runs, for each way to run it, before there are buffers.

The rule: never more than what the compiled network needs, so that whoever leaves something out for it is right. So each
layer is taken to be done in the smallest strips, or with the one before it, if its kernel can.
"""

from collections.abc import Sequence
from functools import cached_property
from math import prod

from xdsl.ir import Block, Operation, SSAValue

from sparsec.analysis.memory.live_bytes import live_tensors, tensor_of
from sparsec.ir import cmsis, qnn
from sparsec.ir.rt.fused import line_bytes
from sparsec.ir.shapes import shape_of
from sparsec.kernels.kernel import Kernel
from sparsec.kernels.layer import Layer
from sparsec.planning.arena import Buffer
from sparsec.planning.overlap import Overlap, apart
from sparsec.planning.overlapping import least_bytes


class LayerMemory:
    """The needs of the layers of a `qnn` block."""

    def __init__(self, block: Block):
        self._live = live_tensors(block)
        returned = () if block.last_op is None else block.last_op.operands
        self._staying: dict[Operation, set[SSAValue]] = {}
        """For each operation what is still live behind it."""
        self._known: dict[tuple[Operation, str, int], int] = {}
        later = set(map(tensor_of, returned))
        for op, values in reversed(self._live.items()):
            self._staying[op] = later
            later = {*map(tensor_of, returned), *values}

    @cached_property
    def activations(self) -> int:
        """What the operation that needs most needs without scratch memory, no output over an input."""
        return max((sum(map(bytes_of, values)) for values in self._live.values()), default=0)

    def bytes(self, layer: Layer, kernel: Kernel, scratch: int) -> int:
        """What `layer` needs when `kernel` runs it with `scratch` bytes of scratch memory, with all that waits meanwhile."""
        key = layer.op, kernel.function, scratch
        if key not in self._known:
            self._known[key] = self._bytes(layer, kernel, scratch)
        return self._known[key]

    def _bytes(self, layer: Layer, kernel: Kernel, scratch: int) -> int:
        op = layer.op
        assert isinstance(op, qnn.WeightedOp)
        if kernel.function == cmsis.ConvolveOp.C_FUNCTION and is_wide(op.result):
            return self._waiting(op)
        input, output, staying = tensor_of(op.input), op.result, self._staying[op]
        overlap = apart(bytes_of(output), bytes_of(input))
        if input not in staying:
            overlap = kernel.overlap(layer)
        buffers = [bytes_of(output), bytes_of(input), scratch, self._waiting(op)]
        least = _least(buffers, overlap)
        if kernel.function == cmsis.DepthwiseConvOp.C_FUNCTION and is_wide(op.input):
            least = min(least, self._with_the_one_before(op, scratch))
        return least

    def _waiting(self, op: qnn.WeightedOp) -> int:
        """What is live, but neither read nor written by the layer."""
        own = {tensor_of(op.input), op.result}
        return sum(bytes_of(value) for value in self._live[op] if value not in own)

    def _with_the_one_before(self, op: qnn.WeightedOp, scratch: int) -> int:
        """What a depthwise convolution needs together with the 1x1 convolution before it, row by row."""
        point = op.input.owner
        assert isinstance(point, qnn.Conv2dOp) and isinstance(op, qnn.DepthwiseConv2dOp)
        input = tensor_of(point.input)
        dying = 0 if input in self._staying[op] else bytes_of(input)
        waiting = self._waiting(op)
        between, (_, height, _, _) = shape_of(op.input.type), shape_of(op.weights.type)
        lines = line_bytes(between, (height - 1) * op.window.data.dilations[0] + 1)
        return max(dying, bytes_of(op.result)) + waiting + lines + scratch


def is_wide(value: SSAValue) -> bool:
    """Whether `value` lies between a 1x1 and a depthwise convolution, which may be computed row by row together."""
    uses = [use.operation for use in value.uses]
    return (
        isinstance(value.owner, qnn.Conv2dOp)
        and shape_of(value.owner.weights.type)[1:3] == (1, 1)
        and len(uses) == 1
        and isinstance(uses[0], qnn.DepthwiseConv2dOp)
    )


def bytes_of(value: SSAValue) -> int:
    """Bytes of an int8 tensor."""
    return prod(shape_of(value.type))


def _least(sizes: Sequence[int], overlap: Overlap) -> int:
    """The least arena for an output, an input and others."""
    buffers = [Buffer(size, 0, 0) for size in sizes if size]
    return least_bytes(buffers, {(0, 1): overlap})
