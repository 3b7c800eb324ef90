# SPDX-License-Identifier: Apache-2.0
"""Borders around a tensor, of a number or of what is inside; negative ones cut off."""

from collections.abc import Mapping, Sequence

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.parts import part
from sparsec.frontends.operators.picking import picked
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Array, Parameter, Tensor
from sparsec.ir import nn
from sparsec.quantization.window import Border

MIRRORING = {"reflect", "replicate", "circular"}
"""torch's borders that repeat what is inside."""


def border_of(size: int, low: int, high: int, mode: str) -> Array:
    """The indices of an axis with so many elements more before and behind it; negative ones are cut off first."""
    inside = np.arange(size)[max(-low, 0) : size - max(-high, 0)]
    before, behind, last = max(low, 0), max(high, 0), len(inside) - 1
    if max(before, behind) > {"reflect": last, "circular": last + 1}.get(
        mode, size + before + behind
    ):
        raise UnsupportedError(f"a border of {max(before, behind)} elements around {len(inside)}")
    places = np.arange(-before, len(inside) + behind)
    match mode:
        case "replicate":
            return inside[places.clip(0, last)]
        case "circular":
            return inside[places % len(inside)]
        case _:  # "reflect"
            return inside[last - np.abs(last - np.abs(places))]


def mirrored(builder: Builder, value: Tensor, sizes: Sequence[int], mode: str) -> Tensor:
    """A border of elements of the tensor; torch lists (before, after) from the last axis on."""
    rank = len(value.shape)
    indices: dict[int, Array] = {}
    for i in range(len(sizes) // 2):
        axis, (low, high) = rank - 1 - i, sizes[2 * i : 2 * i + 2]
        if low or high:
            indices[axis] = border_of(value.shape[axis], low, high, mode)
    return picked(builder, value, indices)


def pad(builder: Builder, call: Call) -> Tensor:
    """A border of one value or of elements of the tensor."""
    value, sizes = call.tensor("self", "input"), call.integers("pad")
    mode = call.text("mode", "constant")
    if mode in MIRRORING:
        return mirrored(builder, value, sizes, mode)
    if mode != "constant":
        raise UnsupportedError(f"padding mode '{mode}' is not supported")
    number = call.number("value") if call.given("value") else 0.0
    return bordered(builder, value, sizes, number)


def bordered(builder: Builder, value: Tensor, sizes: Sequence[int], number: float) -> Tensor:
    """A border of one number; what is negative in `sizes` is cut off."""
    rank = len(value.shape)
    low, high = [0] * rank, [0] * rank
    for i in range(len(sizes) // 2):
        low[rank - 1 - i], high[rank - 1 - i] = sizes[2 * i : 2 * i + 2]
    inside = {
        axis: range(max(-low[axis], 0), n - max(-high[axis], 0))
        for axis, n in enumerate(value.shape)
    }
    value = part(builder, value, inside)
    low, high = ([max(n, 0) for n in side] for side in (low, high))
    if not any((*low, *high)):
        return value
    if isinstance(value, Parameter):
        around = list(zip(low, high, strict=True))
        return Parameter(value.name, np.pad(value.values(), around, constant_values=number))
    if low[0] or high[0]:
        raise UnsupportedError("padding of the batch is not supported")
    border = Border(tuple(low[a] for a in value.order), tuple(high[a] for a in value.order))
    return builder.add(nn.PadOp(value.ssa, number, border), value.order)


def mirroring(mode: str) -> Operator:
    """Padding of one mode, as a decomposed graph has it."""

    def build(builder: Builder, call: Call) -> Tensor:
        name = "padding" if call.given("padding") else "pad"
        return mirrored(builder, call.tensor("self"), call.integers(name), mode)

    return build


BORDERS: Mapping[str, Operator] = {
    "aten.pad": pad,
    "aten.constant_pad_nd": pad,
    "aten.reflection_pad1d": mirroring("reflect"),
    "aten.reflection_pad2d": mirroring("reflect"),
    "aten.replication_pad1d": mirroring("replicate"),
    "aten.replication_pad2d": mirroring("replicate"),
    "aten._pad_circular": mirroring("circular"),
}
