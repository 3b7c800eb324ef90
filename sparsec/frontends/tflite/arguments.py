# SPDX-License-Identifier: Apache-2.0
"""What operators ask of their inputs: constants, and tensors that are images."""

import numpy as np
from xdsl.ir import SSAValue

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite.builder import Builder
from sparsec.frontends.tflite.model import Array, Operator, Tensor

_SAME = 0


def constant(b: Builder, op: Operator, position: int, what: str, *dtypes: str) -> Array:
    """A constant input of an operator, of one of `dtypes`."""
    tensor = b.tensor(op, position)
    if tensor.data is None or tensor.dtype not in dtypes:
        raise UnsupportedError(f"its {what} must be constant and {' or '.join(dtypes).lower()}")
    return tensor.data


def image(tensor: Tensor) -> tuple[int, int, int]:
    """(height, width, channels) of an NHWC tensor of batch 1."""
    if len(tensor.shape) != 4 or tensor.shape[0] != 1:
        raise UnsupportedError(f"{tensor.title} must have the shape 1xHxWxC, got {tensor.shape}")
    return tensor.shape[1], tensor.shape[2], tensor.shape[3]


def one_number(b: Builder, op: Operator, position: int, what: str) -> int:
    """A constant input that is a single int32."""
    data = constant(b, op, position, what, "INT32")
    if data.size != 1:
        raise UnsupportedError(f"its {what} must be one number, not {data.size}")
    return int(data.reshape(()))


def padding(
    op: Operator,
    size: tuple[int, int],
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int] = (1, 1),
) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of SAME or VALID padding (`ComputePaddingHeightWidth`).

    What SAME adds is even, or one more at the bottom and right.
    """
    if min(*kernel, *strides, *dilations) < 1:
        raise UnsupportedError("its kernel, strides and dilations must be at least 1")
    if op.number("Padding") != _SAME:
        return 0, 0, 0, 0
    totals = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        for n, k, s, d in zip(size, kernel, strides, dilations, strict=True)
    ]
    top, left = (total // 2 for total in totals)
    return top, left, totals[0] - top, totals[1] - left


def bias_of(b: Builder, op: Operator, position: int, channels: int) -> SSAValue:
    """The int32 bias, an input of an operator, zeros if it is left out."""
    tensor = b.optional(op, position)
    if tensor is None:
        return b.constant(np.zeros(channels, np.int32))
    if tensor.data is None or tensor.dtype != "INT32" or tensor.elements != channels:
        raise UnsupportedError(f"its bias {tensor.title} must be {channels} constant int32")
    if tensor.data.ndim != 1:
        return b.constant(tensor.data.reshape(-1))
    return b.constant_of(tensor)
