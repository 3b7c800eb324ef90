# SPDX-License-Identifier: Apache-2.0
"""Softmax, and what is shut out of it.

The one rule: a number so low that softmax makes nothing of it, or minus infinity, is no number but a mask: int8 would lose all
others to it. It stands as `nn.select` with `SHUT_OUT` until the softmax behind it takes it in.
"""

import numpy as np
from xdsl.ir import SSAValue

from sparsec.frontends.builder import Builder
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tensors import Activation, Array, Parameter
from sparsec.ir import nn
from sparsec.ir.constant import constant_array
from sparsec.ir.shapes import shape_of

SHUT_OUT = float(np.finfo(np.float32).min)
"""Stands for minus infinity."""

FILLS_WITH_INFINITY = "it fills with infinity, which int8 has no number for"

FOLLOWED = nn.ReshapeOp | nn.TransposeOp | nn.SelectOp | nn.AddOp
"""What may stand between a mask and the softmax that takes it in."""

LOW = -50.0
"""What is added to a score so that nothing is left of it: exp(-50) is 2e-22. Swin adds -100, others -10000 or less."""


def masked(builder: Builder, value: Activation, allowed: Array) -> Activation:
    """`value` where `allowed`, which broadcasts to it in torch's axes, else nothing."""
    rank = len(value.shape)
    mask = allowed.reshape((1,) * (rank - allowed.ndim) + allowed.shape)
    layer = builder.place.layer
    condition = builder.ssa(Parameter(f"{layer}.mask", mask.astype(np.float32)), value.order)
    lowest = builder.constant(np.full((1,) * rank, SHUT_OUT, np.float32), f"{layer}.shut_out")
    found = builder.add(nn.SelectOp(condition, value.ssa, lowest), value.order)
    builder.shut_out.append(found.ssa)
    return found


def without_infinity(
    builder: Builder, value: Activation, added: Parameter
) -> tuple[Activation, Parameter]:
    """`value` and what is added to it, minus infinity taken out as a mask."""
    shut_out = np.isneginf(added.array)
    if not shut_out.any() or np.broadcast_shapes(value.shape, added.shape) != value.shape:
        return value, added
    rest = Parameter(added.name, np.where(shut_out, np.float32(0), added.array))
    return masked(builder, value, ~shut_out), rest


def softmax_of(builder: Builder, value: Activation, axis: int) -> Activation:
    """Softmax over `axis`, which is put last in memory."""
    order = value.order
    if order[-1] != axis:
        order = (*(other for other in order if other != axis), axis)
    scores = builder.ssa(value, order)
    source, allowed = scores, None
    while (found := _taken_apart(builder, source)) is not None:
        source, each = found
        allowed = each if allowed is None else allowed & each
    if allowed is None:
        return builder.add(nn.SoftmaxOp(scores), order)
    if not allowed.any(axis=-1).all():
        raise UnsupportedError("its mask leaves nothing of a row")
    mask = builder.mask(_shortest(allowed))
    return builder.add(nn.MaskedSoftmaxOp(source, mask), order)


def _taken_apart(builder: Builder, value: SSAValue) -> tuple[SSAValue, Array] | None:
    """What `value` is but for a mask, and the elements of it that are left, both in its shape; None if nothing is shut out."""
    shape = shape_of(value.type)
    order = tuple(range(len(shape)))
    match value.owner:
        case nn.ReshapeOp() as op if (found := _taken_apart(builder, op.input)) is not None:
            return builder.reshape(found[0], shape), found[1].reshape(shape)
        case nn.TransposeOp() as op if (found := _taken_apart(builder, op.input)) is not None:
            permutation = op.permutation.get_values()
            moved = builder.add(nn.TransposeOp(found[0], permutation), order)
            return moved.ssa, found[1].transpose(permutation)
        case nn.SelectOp() as op if (mask := constant_array(op.mask)) is not None:
            for kept, filled, allowed in ((op.lhs, op.rhs, mask != 0), (op.rhs, op.lhs, mask == 0)):
                low = constant_array(filled)
                if low is not None and low.max(initial=SHUT_OUT) <= LOW and kept.type == value.type:
                    return kept, np.broadcast_to(allowed, shape)
        case nn.AddOp() as op if op.bounds is None:
            for kept, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
                added = constant_array(other)
                if added is None or kept.type != value.type:
                    continue
                if added.min(initial=0) <= LOW:
                    allowed = added > LOW
                    rest = np.where(allowed, added, 0).astype(np.float32)
                elif (found := _taken_apart(builder, kept)) is not None:
                    (kept, allowed), rest = found, added
                else:
                    continue
                if rest.any():
                    constant = builder.constant(rest, f"{builder.place.layer}.bias")
                    kept = builder.add(nn.AddOp(kept, constant), order).ssa
                return kept, np.broadcast_to(allowed, shape)
        case _:
            pass
    return None


def _shortest(mask: Array) -> Array:
    """`mask` with one element along each axis of which nothing depends."""
    for axis in range(mask.ndim - 1):
        first = mask.take([0], axis)
        if (mask == first).all():
            mask = first
    return np.ascontiguousarray(mask)
