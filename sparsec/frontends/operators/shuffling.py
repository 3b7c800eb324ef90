# SPDX-License-Identifier: Apache-2.0
"""Axes in another order, and what is made of that and of reshapes: nothing is computed."""

from collections.abc import Mapping, Sequence

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.parts import not_the_batch, part
from sparsec.frontends.operators.shape import joined, permuted, reshaped
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Tensor


def shuffled(
    builder: Builder,
    value: Tensor,
    inner: Sequence[int],
    axes: Sequence[int],
    outer: Sequence[int],
) -> Tensor:
    """`value` in the shape `inner`, with its axes in another order, in the shape `outer`."""
    return reshaped(builder, permuted(reshaped(builder, value, inner), axes), outer)


def image_of(call: Call) -> tuple[Tensor, int, int, int, int]:
    """The image that a call takes, and its shape."""
    value = call.tensor("self", "input")
    if len(value.shape) != 4:
        raise UnsupportedError(f"its input has {len(value.shape)} dimensions, where 4 are needed")
    n, c, h, w = value.shape
    return value, n, c, h, w


def pixel_shuffle(builder: Builder, call: Call) -> Tensor:
    """Channels become pixels: (N, C r r, H, W) to (N, C, H r, W r)."""
    value, n, c, h, w = image_of(call)
    r = call.integer("upscale_factor")
    if r < 1 or c % (r * r):
        raise UnsupportedError(f"{c} channels are no multiple of {r} * {r}")
    c //= r * r
    outer = (n, c, h * r, w * r)
    return shuffled(builder, value, (n, c, r, r, h, w), (0, 1, 4, 2, 5, 3), outer)


def pixel_unshuffle(builder: Builder, call: Call) -> Tensor:
    """Pixels become channels: (N, C, H r, W r) to (N, C r r, H, W)."""
    value, n, c, h, w = image_of(call)
    r = call.integer("downscale_factor")
    if r < 1 or h % r or w % r:
        raise UnsupportedError(f"an image of {h}x{w} is not made of blocks of {r}x{r}")
    h, w = h // r, w // r
    outer = (n, c * r * r, h, w)
    return shuffled(builder, value, (n, c, h, r, w, r), (0, 1, 3, 5, 2, 4), outer)


def channel_shuffle(builder: Builder, call: Call) -> Tensor:
    """The first channel of each group, then the second of each, and so on."""
    value, groups = call.tensor("self", "input"), call.integer("groups")
    n, c, *rest = value.shape
    if groups < 1 or c % groups:
        raise UnsupportedError(f"{c} channels are no multiple of {groups} groups")
    inner = (n, groups, c // groups, *rest)
    axes = (0, 2, 1, *range(3, len(inner)))
    return shuffled(builder, value, inner, axes, value.shape)


def movedim(builder: Builder, call: Call) -> Tensor:
    """Some axes to other places, the others in their order."""
    value = call.tensor("self")
    rank = len(value.shape)
    sources = [axis % rank for axis in call.integers("source")]
    targets = [axis % rank for axis in call.integers("destination")]
    placed = dict(zip(targets, sources, strict=True))
    others = iter(axis for axis in range(rank) if axis not in sources)
    axes = [placed[place] if place in placed else next(others) for place in range(rank)]
    return permuted(value, axes)


def exchanged(value: Tensor, first: int, second: int) -> Tensor:
    """Two axes of `value` exchanged."""
    axes = list(range(len(value.shape)))
    axes[first], axes[second] = axes[second], axes[first]
    return permuted(value, axes)


def swapaxes(builder: Builder, call: Call) -> Tensor:
    """swapaxes and swapdims."""
    value = call.tensor("self")
    rank = len(value.shape)
    names = ("axis0", "axis1") if call.given("axis0") else ("dim0", "dim1")
    first, second = (call.integer(name) % rank for name in names)
    return exchanged(value, first, second)


def matrix_transposed(builder: Builder, call: Call) -> Tensor:
    """The last two axes exchanged."""
    value = call.tensor("self")
    return exchanged(value, len(value.shape) - 2, len(value.shape) - 1)


def rot90(builder: Builder, call: Call) -> Tensor:
    """Turned by quarters in the plane of two axes."""
    value = call.tensor("self")
    rank = len(value.shape)
    first, second = (axis % rank for axis in call.integers("dims", [0, 1]))
    not_the_batch(value, [first, second], "turns")
    quarters = call.integer("k", 1) % 4
    turned = {0: [], 1: [second], 2: [first, second], 3: [first]}[quarters]
    value = part(builder, value, {axis: range(value.shape[axis])[::-1] for axis in turned})
    return exchanged(value, first, second) if quarters % 2 else value


def hstack(builder: Builder, call: Call) -> Tensor:
    """Side by side along the second axis."""
    return joined(builder, call.tensors("tensors"), 1)


SHUFFLING: Mapping[str, Operator] = {
    "aten.pixel_shuffle": pixel_shuffle,
    "aten.pixel_unshuffle": pixel_unshuffle,
    "aten.channel_shuffle": channel_shuffle,
    "aten.native_channel_shuffle": channel_shuffle,
    "aten.movedim": movedim,
    "aten.moveaxis": movedim,
    "aten.swapaxes": swapaxes,
    "aten.swapdims": swapaxes,
    "aten.mT": matrix_transposed,
    "aten.rot90": rot90,
    "aten.hstack": hstack,
}
