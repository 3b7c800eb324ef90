# SPDX-License-Identifier: Apache-2.0
"""Operations that pick elements of a tensor: where each element comes from, and which channels go together."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sparsec.analysis.values.weighted_layer import Mask
from sparsec.ir import qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import shape_of
from sparsec.quantization import int8

Array: TypeAlias = np.ndarray[Any, Any]
Indices: TypeAlias = npt.NDArray[np.int64]
PickOp: TypeAlias = qnn.SliceOp | qnn.ResizeNearestOp | qnn.GatherOp


def picked(op: PickOp, x: Array) -> Array | None:
    """What `op` makes of `x`, which may be any array of the shape of its input; None if not constant."""
    if isinstance(op, qnn.SliceOp):
        return x[op.where.data.index(shape_of(op.result.type))]
    if isinstance(op, qnn.GatherOp):
        indices = constant_array(op.indices)
        return None if indices is None else x.take(indices, op.axis.value.data)
    rows, columns = constant_array(op.rows), constant_array(op.columns)
    return None if rows is None or columns is None else int8.resize_nearest(x, rows, columns)


def elements_read(op: PickOp, wanted: Mask) -> Mask:
    """The elements of the input that `op` reads for the wanted ones of its result."""
    shape = shape_of(op.input.type)
    read = np.zeros(shape, np.bool_)
    sources = picked(op, np.arange(read.size).reshape(shape))
    if sources is None:
        return np.ones(shape, np.bool_)
    read.reshape(-1)[sources[wanted]] = True
    return read


def channels_read(op: PickOp) -> Indices | None:
    """[C]: the channel of the input that each channel of the result is; None if some are skipped.

    Of those between two skipped channels none could go without another stride.
    """
    count = shape_of(op.result.type)[-1]
    if isinstance(op, qnn.ResizeNearestOp):
        return np.arange(count)
    if isinstance(op, qnn.GatherOp):
        axes = len(shape_of(op.result.type))
        return np.arange(count) if op.axis.value.data < axes - 1 else None
    begin, stride = op.where.data.begin[-1], op.where.data.strides[-1]
    return begin + stride * np.arange(count) if abs(stride) == 1 else None
