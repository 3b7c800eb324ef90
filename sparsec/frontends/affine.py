# SPDX-License-Identifier: Apache-2.0
"""What torchao's quantize and dequantize compute, in torch's own operations: torchao need not be there."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor


def _blocks(value: Tensor, block: Sequence[int]) -> tuple[Tensor, list[int]]:
    """`value` with two axes for each of its own, a block's number and the place in it."""
    shape: list[int] = []
    for size, part in zip(value.shape, block, strict=True):
        part = size if part == -1 else part
        shape += [size // part, part]
    return value.reshape(shape), shape


def _per_block(numbers: Tensor, shape: Sequence[int]) -> Tensor:
    return numbers.reshape([n if i % 2 == 0 else 1 for i, n in enumerate(shape)])


def quantize_affine(
    input: Tensor,
    block_size: Sequence[int],
    scale: Tensor,
    zero_point: Tensor | None,
    output_dtype: torch.dtype,
    quant_min: float = -128,
    quant_max: float = 127,
) -> Tensor:
    """Real numbers to stored ones, with a scale and a zero point for each block."""
    blocks, shape = _blocks(input, block_size)
    stored = torch.round(blocks * _per_block(1.0 / scale, shape))
    if zero_point is not None:
        stored = stored + _per_block(zero_point, shape)
    return stored.clamp(quant_min, quant_max).reshape(input.shape).to(output_dtype)


def dequantize_affine(
    input: Tensor,
    block_size: Sequence[int],
    scale: Tensor,
    zero_point: Tensor | None,
    input_dtype: torch.dtype,
    quant_min: float = -128,
    quant_max: float = 127,
    output_dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Stored numbers to real ones."""
    blocks, shape = _blocks(input.to(torch.int32), block_size)
    if zero_point is not None:
        blocks = blocks - _per_block(zero_point, shape).to(torch.int32)
    real = blocks.to(output_dtype) * _per_block(scale, shape).to(output_dtype)
    return real.reshape(input.shape)


AFFINE: Mapping[str, Callable[..., object]] = {
    "torch.ops.torchao.quantize_affine.default": quantize_affine,
    "torch.ops.torchao.dequantize_affine.default": dequantize_affine,
}
"""By what an archive calls them."""
