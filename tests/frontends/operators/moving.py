# SPDX-License-Identifier: Apache-2.0
"""Operators that move data: each gives numbers of its input, and no others."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from tests.frontends.operators.together import Function

SHAPE = (6, 4, 8)
"""Of the input, without the batch."""


def split(x: Tensor, sizes: int | list[int], dim: int) -> list[Tensor]:
    return cast(list[Tensor], torch.split(x, sizes, dim))


PARTS: Mapping[str, Function] = {
    "slice": lambda x: x[:, 1:5, 2:, :-3],
    "slice_with_steps": lambda x: x[:, ::2, 1::2, 1:7:3],
    "slice_beyond_the_end": lambda x: x[:, -2:99, -9:3],
    "slice_of_flat": lambda x: x.flatten(1)[:, 5:150:4],
    "slice_of_moved": lambda x: x.permute(0, 2, 3, 1)[:, :, 1:6, 2:4],
    "slice_of_pairs": lambda x: x.view(-1, 3, 2, 4, 4, 2)[:, 1:, 1, ::2, :, 1:],
    "narrow": lambda x: x.narrow(3, -5, 4),
    "select": lambda x: x[:, -1],
    "select_column": lambda x: x.select(3, 5),
    "select_twice": lambda x: x[:, 2, :, 3],
    "chunk": lambda x: torch.cat(x.chunk(4, 3)[::-1], 1),
    "chunk_unevenly": lambda x: x.chunk(4, 1)[2],
    "split": lambda x: split(x, 4, 1)[1],
    "split_with_sizes": lambda x: split(x, [1, 3, 2], 1)[1],
    "tensor_split": lambda x: x.tensor_split(3, 3)[0],
    "tensor_split_at": lambda x: x.tensor_split((1, 5), 1)[1],
    "unbind": lambda x: x.unbind(2)[3],
    "stack": lambda x: torch.stack(x.unbind(1)[1:4], 2),
    "stack_vectors": lambda x: torch.stack([x[:, 0, 0], x[:, 1, 2]], 1),
    "flip": lambda x: x.flip(-1),
    "flip_more": lambda x: x.flip([1, 2]),
    "halves_exchanged": lambda x: torch.cat([x[:, 3:], x[:, :3]], 1),
    "unsqueezed": lambda x: x[:, :, 1:2].squeeze(2).unsqueeze(-1).unsqueeze(1),
}
"""Some elements, each once."""

MOVING: Mapping[str, Function] = {**PARTS}
