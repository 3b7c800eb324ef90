# SPDX-License-Identifier: Apache-2.0
"""Normalisation: by layer, group, instance and root mean square.

The one rule: the axes that are normalised lie next to each other in memory, and nothing moves where they do.
"""

from collections.abc import Collection, Mapping
from math import prod

import numpy as np

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.reductions import side_by_side
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.operators.weighted import batch_norm
from sparsec.frontends.tensors import CHANNELS_LAST, Activation, Array, Order, Parameter, Tensor
from sparsec.ir import nn
from sparsec.quantization.normalization import Norm

FLOAT32_EPSILON = float(np.finfo(np.float32).eps)
"""What torch's rms_norm takes where none is given."""


def last_axes(call: Call, value: Activation) -> set[int]:
    """The axes of `normalized_shape`, which are the last ones."""
    shape, rank = call.integers("normalized_shape"), len(value.shape)
    if tuple(shape) != value.shape[rank - len(shape) :] or len(shape) >= rank:
        raise UnsupportedError(f"a tensor of shape {value.shape} does not end in {shape}")
    return set(range(rank - len(shape), rank))


def by_element(parameter: Parameter | None, order: Order, axes: Collection[int]) -> Array | None:
    """What torch gives for each element of the last axes, in the order in which they lie in memory."""
    if parameter is None:
        return None
    first = min(axes)
    return parameter.values().transpose([axis - first for axis in order if axis in axes])


def normalized(
    builder: Builder,
    value: Activation,
    order: Order,
    image: tuple[int, int, int, int],
    norm: Norm,
    weight: Array | None,
    bias: Array | None,
) -> Tensor:
    """`value`, in `order` and seen as `image`, by `norm`; a factor and an offset for each channel of the image."""
    if weight is None and bias is None and norm.groups == 1:
        image = (1, image[1], image[2] * image[3], 1)  # one factor for all
    arrays = {
        "weight": np.ones(image[3]) if weight is None else weight,
        "bias": np.zeros(image[3]) if bias is None else bias,
    }
    scale, offset = (
        builder.constant(
            np.ascontiguousarray(array, np.float32).reshape(-1), f"{builder.place.layer}.{name}"
        )
        for name, array in arrays.items()
    )
    source = builder.reshape(builder.ssa(value, order), image)
    found = builder.add(nn.NormalizeOp(source, scale, offset, norm), (0, 1, 2, 3))
    stored = [value.shape[axis] for axis in order]
    return Activation(builder.reshape(found.ssa, stored), value.shape, order)


def of_last_axes(centered: bool) -> Operator:
    """layer_norm, or rms_norm without the mean: one of a call's results, or all that a model may use."""

    def build(builder: Builder, call: Call) -> object:
        value = call.activation("input")
        axes = last_axes(call, value)
        order = side_by_side(value, axes)
        if order[-len(axes) :] != tuple(axis for axis in order if axis in axes):
            order = (*(axis for axis in order if axis not in axes), *sorted(axes))
        count = prod(value.shape[axis] for axis in axes)
        image = (1, prod(value.shape) // count, 1, count)
        default = 1e-5 if centered else FLOAT32_EPSILON
        epsilon = call.number("eps") if call.given("eps") else default
        weight, bias = (
            by_element(call.optional_parameter(name), order, axes) for name in ("weight", "bias")
        )
        norm = Norm(1, int(centered), epsilon)
        found = normalized(builder, value, order, image, norm, weight, bias)
        return [found] if call.name in SEVERAL else found

    return build


def of_groups(builder: Builder, call: Call, groups: int, epsilon: float) -> Tensor:
    """Groups of channels, each of a whole sample."""
    value = call.activation("input")
    rank, channels = len(value.shape), value.shape[1]
    if value.shape[0] != 1:
        raise UnsupportedError("it normalises a tensor without a batch")
    if channels % groups:
        raise UnsupportedError(f"{channels} channels cannot be divided into {groups} groups")
    order = CHANNELS_LAST.get(rank, (0, *range(2, rank), 1))
    weight, bias = (
        None if found is None else found.values()
        for found in (call.optional_parameter(name) for name in ("weight", "bias"))
    )
    image = (1, 1, prod(value.shape[2:]), channels)
    return normalized(builder, value, order, image, Norm(groups, 1, epsilon), weight, bias)


def group_norm(builder: Builder, call: Call) -> object:
    """group_norm."""
    groups = call.integer("group" if call.given("group") else "num_groups")
    found = of_groups(builder, call, groups, call.number("eps", 1e-5))
    return [found] if call.name in SEVERAL else found


def instance_norm(builder: Builder, call: Call) -> object:
    """instance_norm, a batch normalisation where it goes by the statistics of its training."""
    if not call.flag("use_input_stats", True):
        return batch_norm(builder, call)
    return of_groups(builder, call, call.activation("input").shape[1], call.number("eps", 1e-5))


def batch_statistics(builder: Builder, call: Call) -> object:
    """What instance_norm is taken apart into: a batch normalisation by the statistics of a batch of one."""
    if not call.flag("training", True):
        raise UnsupportedError("a batch normalisation without statistics")
    return [of_groups(builder, call, call.activation("input").shape[1], call.number("eps"))]


SEVERAL = ("aten.native_layer_norm", "aten.native_group_norm", "aten._fused_rms_norm")
"""Calls whose other results are statistics."""

NORMS: Mapping[str, Operator] = {
    "aten.layer_norm": of_last_axes(centered=True),
    "aten.native_layer_norm": of_last_axes(centered=True),
    "aten.rms_norm": of_last_axes(centered=False),
    "aten._fused_rms_norm": of_last_axes(centered=False),
    "aten.group_norm": group_norm,
    "aten.native_group_norm": group_norm,
    "aten.instance_norm": instance_norm,
    "aten._native_batch_norm_legit": batch_statistics,
}
