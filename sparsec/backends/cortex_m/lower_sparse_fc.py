"""A sparse fully connected layer as the kernel of its format: weights, biases and multipliers laid out together."""

import numpy as np
from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Attribute, SSAValue

from sparsec.backends.cortex_m.lowering import Lowering, required_constant
from sparsec.backends.cortex_m.weights import folded_bias_array
from sparsec.formats import Block, Delta8, SparseFormat
from sparsec.formats.fc_layouts import RowNumbers, is_saturating, pack_proven
from sparsec.ir import qnn, rt
from sparsec.ir.rt.sparse_fc import SparseFullyConnectedOp
from sparsec.ir.sparse import matrix_shape


def kernel_of(encoding: SparseFormat, weights: Attribute) -> type[SparseFullyConnectedOp] | None:
    """The operation for weights of type `weights` stored as `encoding`, None if there is none."""
    match encoding:
        case Delta8():
            kernel = rt.FullyConnectedTableOp
        case Block(rows=1, columns=4):
            kernel = rt.FullyConnected1x4Op
        case Block(rows=4, columns=1, bits=8):
            kernel = rt.FullyConnected4x1Op
        case Block(rows=4, columns=1, bits=16):
            kernel = rt.FullyConnected4x1W16Op
        case _:
            return None
    try:
        kernel.LAYOUT.check(matrix_shape(weights))
    except ValueError:
        return None
    return kernel


def lower_sparse_fc(
    op: qnn.LinearOp, low: Lowering, kernel: type[SparseFullyConnectedOp]
) -> SSAValue:
    """Insert the call; its output."""
    constant = required_constant(op, op.weights, "weights")
    weights = np.ascontiguousarray(constant.array.reshape(matrix_shape(op.weights.type)))
    multiplier, shift = (
        np.broadcast_to(required_constant(op, value, what).array, len(weights))
        for value, what in ((op.multiplier, "multiplier"), (op.shift, "shift"))
    )
    numbers = RowNumbers(folded_bias_array(op), multiplier, shift)
    arrays = {
        name: low.constant(array, component_label(constant.label, name))
        for name, array in pack_proven(kernel.LAYOUT, weights, numbers).items()
    }
    requant = op.requant.data
    output = low.output()
    saturating = is_saturating(weights, numbers, requant.clamp)
    low.call(kernel(low.buffer(op.input), arrays, output, requant, saturating))
    return output


def component_label(label: StringAttr | None, component: str) -> StringAttr | None:
    """How `pack-sparse-constants` calls an array of a constant."""
    return None if label is None else StringAttr(f"{label.data}.{component}")
