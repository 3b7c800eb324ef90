# SPDX-License-Identifier: Apache-2.0
"""Images and signals: a signal, (N, C, L) in torch, is handled as an image of height 1."""

from collections.abc import Sequence

from xdsl.dialects.builtin import TensorType
from xdsl.ir import SSAValue

from sparsec.frontends.builder import Builder
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tensors import CHANNELS_LAST, Activation


def read_image(builder: Builder, value: Activation) -> SSAValue:
    """`value` as 1xHxWxC."""
    rank = len(value.shape)
    if rank not in CHANNELS_LAST or value.shape[0] != 1:
        raise UnsupportedError(
            f"its input has {rank} dimensions, where (N, C, L) or (N, C, H, W) is needed"
        )
    ssa = builder.ssa(value, CHANNELS_LAST[rank])
    if rank == 4:
        return ssa
    return builder.reshape(ssa, (1, 1, value.shape[2], value.shape[1]))


def written_image(builder: Builder, image: Activation, rank: int) -> Activation:
    """A result 1xHxWxC as torch sees it: (N, C, H, W), or (N, C, L) for `rank` 3."""
    if rank == 4:
        return Activation(image.ssa, image.shape, CHANNELS_LAST[4])
    type = image.ssa.type
    assert isinstance(type, TensorType)
    _, _, length, channels = type.get_shape()
    ssa = builder.reshape(image.ssa, (1, length, channels))
    return Activation(ssa, (1, channels, length), CHANNELS_LAST[3])


def height_and_width(values: Sequence[int], rank: int, filler: int) -> tuple[int, int]:
    """Two numbers for an image, from one or two that torch gives for `rank` 3 or 4."""
    if len(values) != rank - 2:
        raise UnsupportedError(f"{list(values)} does not fit an input of {rank} dimensions")
    return (filler, values[0]) if rank == 3 else (values[0], values[1])
