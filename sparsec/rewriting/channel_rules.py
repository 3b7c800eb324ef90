# SPDX-License-Identifier: Apache-2.0
"""What scales and shifts channels, seen from the layers around it: which ones it may pass, and what takes it in."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import Operation, SSAValue

from sparsec.ir import nn
from sparsec.ir.constant import constant_array

Floats: TypeAlias = npt.NDArray[np.float64]


def float64_constant(value: SSAValue) -> Floats | None:
    """The constant behind `value` in float64, or None."""
    array = constant_array(value)
    return None if array is None else array.astype(np.float64)


Pooling: TypeAlias = nn.Pool2dOp | nn.ResizeNearestOp | nn.ResampleOp


def commutes(op: Pooling, scale: Floats) -> bool:
    """Whether channels may as well be scaled and shifted in front of `op`, which gives means of elements or elements:
    the largest ones stay the largest where no factor is negative."""
    if isinstance(op, nn.Pool2dOp) and op.bounds is not None:
        return False
    return not isinstance(op, nn.MaxPool2dOp) or bool(np.all(scale > 0))


def with_scaled_outputs(
    op: nn.WeightedOp, scale: Floats, shift: Floats
) -> tuple[Floats, Floats] | None:
    """Weights and bias of a layer that scales and shifts the channels of its result itself, before it is clamped; None if
    they are no constants."""
    weights, bias = float64_constant(op.weights), float64_constant(op.bias)
    if weights is None or bias is None:
        return None
    # The output channel is the last axis of depthwise weights, else the first.
    last = isinstance(op, nn.DepthwiseConv2dOp)
    along = scale if last else scale.reshape(-1, *[1] * (weights.ndim - 1))
    return weights * along, bias * scale + shift


def with_scaled_inputs(op: Operation, scale: Floats, shift: Floats) -> tuple[Floats, Floats] | None:
    """Weights and bias of a layer that scales and shifts the channels of its input itself: not of one with a border,
    which is zero behind the shift."""
    if not isinstance(op, nn.LinearOp | nn.Conv2dOp | nn.DepthwiseConv2dOp):
        return None
    weights, bias = float64_constant(op.weights), float64_constant(op.bias)
    if weights is None or bias is None:
        return None
    if not isinstance(op, nn.LinearOp) and any(op.window.data.padding) and np.any(shift != 0):
        return None
    if isinstance(op, nn.DepthwiseConv2dOp):
        repeats = weights.shape[3] // len(scale)
        taps = weights.sum(axis=(0, 1, 2))
        return weights * scale.repeat(repeats), bias + taps * shift.repeat(repeats)
    # Of a convolution in groups each output reads the channels of its own.
    groups = len(scale) // weights.shape[-1]
    by_group = weights.reshape(groups, len(weights) // groups, -1, weights.shape[-1])
    scaled = by_group * scale.reshape(groups, 1, 1, -1)
    added = (by_group * shift.reshape(groups, 1, 1, -1)).sum(axis=(2, 3))
    return scaled.reshape(weights.shape), bias + added.reshape(-1)
