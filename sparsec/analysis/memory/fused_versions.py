# SPDX-License-Identifier: Apache-2.0
"""Which pairs of layers can be done row by row at once, how far the output may then lie over the input, and what that costs.

The rule: both layers are done by the code that would do them one after the other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xdsl.dialects import func, memref
from xdsl.dialects.builtin import i8

from sparsec.analysis.memory.strip_versions import is_done_alike
from sparsec.ir import cmsis
from sparsec.ir.kernel import KernelOp
from sparsec.ir.rt.fused import PointDepthwiseOp, line_bytes
from sparsec.ir.shapes import image_shape, shape_of
from sparsec.ir.views import memory_of
from sparsec.kernels.cost import Cost
from sparsec.kernels.library import kernel_cost
from sparsec.kernels.workload import Workload
from sparsec.planning.overlap import Overlap
from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cpu import Cpu


@dataclass(frozen=True)
class FusedVersion:
    """A 1x1 convolution and the depthwise convolution that alone reads its output, at once.

    `overlap` is that of the output of the second and the input of the first, `scratch` the bytes of scratch memory, rows
    of the image between included. `cost`, and `plain` of both apart, are predicted; `cost` counts the calls for each row,
    not the rows that are moved from one window to the next.
    """

    point: cmsis.ConvolveOp
    depthwise: cmsis.DepthwiseConvOp
    overlap: Overlap
    scratch: int
    cost: Cost
    plain: Cost

    def build(self) -> tuple[memref.AllocOp, PointDepthwiseOp]:
        """The scratch memory and the operation that take the place of both, where the second one is."""
        return fused(self.point, self.depthwise, self.scratch)


def fused_versions(function: func.FuncOp, cpu: Cpu) -> list[FusedVersion]:
    """Every pair of a bufferized function, in order, whose costs are known."""
    versions: list[FusedVersion] = []
    for depthwise in function.body.block.ops:
        if not isinstance(depthwise, cmsis.DepthwiseConvOp):
            continue
        point = point_before(depthwise)
        if point is None or not is_done_alike(depthwise, cpu):
            continue
        bytes = scratch_bytes(depthwise, cpu)
        allocation, op = fused(point, depthwise, bytes)
        overlap, rows = op.safe_overlap(op.output, op.input), op.rows()
        op.erase()
        allocation.erase()
        try:
            cost, plain = predicted_costs(point, depthwise, rows, cpu)
        except ValueError:
            continue
        versions.append(FusedVersion(point, depthwise, overlap, bytes, cost, plain))
    return versions


def point_before(depthwise: cmsis.DepthwiseConvOp) -> cmsis.ConvolveOp | None:
    """The 1x1 convolution whose output `depthwise` alone reads and whose input is still there then; None if there is none."""
    between = depthwise.input
    users = [use.operation for use in between.uses if use.operation is not depthwise]
    if not isinstance(between.owner, memref.AllocOp) or len(users) != 1:
        return None
    (point,) = users
    if not isinstance(point, cmsis.ConvolveOp) or point.output is not between:
        return None
    if point.window.data != Window() or shape_of(point.weights.type)[1:3] != (1, 1):
        return None
    op = point.next_op
    while op is not None and op is not depthwise:
        if isinstance(op, KernelOp) and memory_of(point.input) in map(memory_of, op.written()):
            return None
        op = op.next_op
    return point


def fused(
    point: cmsis.ConvolveOp, depthwise: cmsis.DepthwiseConvOp, scratch_bytes: int
) -> tuple[memref.AllocOp, PointDepthwiseOp]:
    """The operation for both, and its scratch memory."""
    allocation = memref.AllocOp.get(i8, scratch.ALIGNMENT, (scratch_bytes,))
    op = PointDepthwiseOp(
        point.input,
        (point.weights, point.bias, point.multiplier, point.shift),
        (depthwise.weights, depthwise.bias, depthwise.multiplier, depthwise.shift),
        depthwise.output,
        allocation.memref,
        point.requant.data,
        depthwise.requant.data,
        depthwise.window.data,
    )
    return allocation, op


def scratch_bytes(depthwise: cmsis.DepthwiseConvOp, cpu: Cpu) -> int:
    """Of the rows of a window and of the depthwise convolution."""
    window, between = depthwise.window.data, shape_of(depthwise.input.type)
    weights = shape_of(depthwise.weights.type)
    reach = (weights[1] - 1) * window.dilations[0] + 1
    own = scratch.depthwise_convolve(cpu.vector_unit, window, between, weights, cpu.cmsis_nn)
    return line_bytes(between, reach) + own


def predicted_costs(
    point: cmsis.ConvolveOp,
    depthwise: cmsis.DepthwiseConvOp,
    rows: Sequence[tuple[int, int]],
    cpu: Cpu,
) -> tuple[Cost, Cost]:
    """Of both at once, and apart; `rows` are those of `PointDepthwiseOp`. Raises ValueError where a cost is not known."""
    image, between = image_shape(point.input.type), image_shape(point.output.type)
    _, height, width, _ = shape_of(depthwise.weights.type)
    strides, outputs = depthwise.window.data.strides, image_shape(depthwise.output.type)
    first = Workload("convolution", image, (1, 1), (1, 1), between)
    second = Workload("depthwise", between, (height, width), strides, outputs)

    def cost(op: KernelOp, parts: Mapping[Workload, int]) -> Cost:
        costs = (n * kernel_cost(cpu.name, op.C_FUNCTION, part) for part, n in parts.items())
        return sum(costs, Cost(0, 0))

    apart = cost(point, {first: 1}) + cost(depthwise, {second: 1})
    by_row = replace(second, strip=1).parts()
    return cost(point, point_calls(first, rows)) + cost(depthwise, by_row), apart


def point_calls(whole: Workload, rows: Sequence[tuple[int, int]]) -> "Counter[Workload]":
    """The calls of the 1x1 convolution: of the rows that a row of the output is the first to need."""
    calls: Counter[Workload] = Counter()
    done = 0
    for start, stop in rows:
        new = stop - max(start, done)
        if new > 0:
            image, outputs = ((new, *shape[1:]) for shape in (whole.image, whole.outputs))
            calls[replace(whole, image=image, outputs=outputs)] += 1
        done = max(done, stop)
    return calls
