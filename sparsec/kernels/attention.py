# SPDX-License-Identifier: Apache-2.0
"""Products of two computed matrices, and attention."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation, SSAValue

from sparsec.formats import SparseFormat
from sparsec.ir import qnn, rt
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_name
from sparsec.ir.shapes import shape_of
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.lowering import Lowering
from sparsec.quantization.attention import HIDDEN, Place, end_of
from sparsec.quantization.matmul import largest_sum
from sparsec.quantization.params import SoftmaxParams
from sparsec.quantization.softmax import exponentials
from sparsec.targets import scratch
from sparsec.targets.cpu import Cpu

MOST = 1 << 29
"""What a sum of products may be, of which kernels subtract those of zero points."""

MOST_KEYS = 4095
"""Each of them adds 2^19 at most to the sum of exponentials of a row, which is an int32."""

TOO_LARGE = "a sum of products can leave 30 bits: calibrate with larger ranges"


class BatchMatmul(Kernel):
    """`sparsec_batch_matmul_s8`."""

    function = rt.BatchMatmulOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.MatmulOp):
            return NOT_MINE
        if op.addend is not None:
            return "it adds to a product by itself: only attention does"
        return TOO_LARGE if largest_sum(op.depth, op.params.data) > MOST else None

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        assert isinstance(layer.op, qnn.MatmulOp)
        return scratch.batch_matmul(cpu.vector_unit, layer.op.depth)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.MatmulOp)
        memory = low.scratch(self.scratch(layer, low.cpu))
        lhs, rhs = low.buffer(op.lhs), low.buffer(op.rhs)
        low.call(rt.BatchMatmulOp(lhs, rhs, output, memory, op.transposed, op.params.data))
        return output


class MaskedSoftmax(Kernel):
    """`sparsec_masked_softmax_s8`."""

    function = rt.MaskedSoftmaxOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.MaskedSoftmaxOp):
            return NOT_MINE
        return "its mask must be constant" if constant_array(op.mask) is None else None

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.MaskedSoftmaxOp)
        mask = constant_array(op.mask)
        assert mask is not None
        shape = shape_of(op.input.type)
        if len(shape) > 4:  # one mask for each row
            mask = np.broadcast_to(mask, shape)
        rows = four_axes(shape)
        hidden = np.where(mask != 0, 0, HIDDEN).astype(np.int8).reshape(four_axes(mask.shape))
        low.call(
            rt.MaskedSoftmaxOp(
                low.buffer(op.input, rows),
                low.constant(hidden, StringAttr(f"{layer_name(op)}.mask")),
                exponentials_of(low, op, op.params.data),
                low.reshape(output, rows),
            )
        )
        return output


def four_axes(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """A shape of up to four axes with ones in front; of more the first ones joined."""
    *first, a, b, c = ((1,) * (4 - len(shape))) + shape
    return prod(first), a, b, c


def exponentials_of(low: Lowering, op: Operation, p: SoftmaxParams) -> SSAValue:
    """What the softmax of `op` looks up, as a constant of the layer."""
    table = exponentials(p.multiplier, p.shift, p.diff_min).astype(np.int32)
    return low.constant(table, StringAttr(f"{layer_name(op)}.exponentials"))


class Attention(Kernel):
    """`sparsec_attention_s8`."""

    function = rt.AttentionOp.C_FUNCTION

    def takes(self, layer: Layer, format: SparseFormat | None) -> str | None:
        op = layer.op
        if not isinstance(op, qnn.AttentionOp):
            return NOT_MINE
        if op.over.data.keys > MOST_KEYS:
            return f"it has more than {MOST_KEYS} keys"
        return (
            TOO_LARGE if op.over.data.largest_sum(op.scores.data, op.values.data) > MOST else None
        )

    def scratch(self, layer: Layer, cpu: Cpu) -> int:
        assert isinstance(layer.op, qnn.AttentionOp)
        return scratch.attention(cpu.vector_unit, layer.op.over.data)

    def build(self, low: Lowering, layer: Layer, arrays: Mapping[str, SSAValue]) -> SSAValue:
        op, output = layer.op, low.output()
        assert isinstance(op, qnn.AttentionOp)
        a = op.over.data
        memory = low.scratch(self.scratch(layer, low.cpu))
        assert memory is not None

        def rows(value: SSAValue, place: Place, shape: tuple[int, ...]) -> SSAValue:
            size = end_of(place, shape) - place[0]
            return low.part(low.buffer(value, (prod(shape_of(value.type)),)), place[0], (size,))

        low.call(
            rt.AttentionOp(
                (
                    rows(op.query, a.query, a.query_shape),
                    rows(op.key, a.key, a.key_shape),
                    rows(op.value, a.value, a.value_shape),
                ),
                exponentials_of(low, op, op.softmax.data),
                output,
                memory,
                None if op.mask is None else low.buffer(op.mask),
                replace(a, query=begin(a.query), key=begin(a.key), value=begin(a.value)),
                op.scores.data,
                op.values.data,
            )
        )
        return output


def begin(place: Place) -> Place:
    """The same matrices in a buffer that begins with the first one."""
    return 0, *place[1:]
