# SPDX-License-Identifier: Apache-2.0
"""Operators that move data: each gives numbers of its input, and no others."""

from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.frontends.operators.together import Function

SHAPE = (6, 4, 8)
"""Of the input, without the batch."""


def split(x: Tensor, sizes: int | list[int], dim: int) -> list[Tensor]:
    return cast(list[Tensor], torch.split(x, sizes, dim))


MASK = torch.tensor([True, False, True, True, False, False, False, True])

TABLE = torch.tensor([[3, 3], [2, 2], [1, 0]])
ROW = torch.tensor([7, 2, 2, 0])
PLACES = torch.arange(6 * 3 * 5).mul(7).remainder(4).reshape(1, 6, 3, 5)

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

PICKED: Mapping[str, Function] = {
    "index": lambda x: x[:, [2, 0, 0, 5]],
    "index_from_the_end": lambda x: x[:, :, [-1, 0, -2]],
    "index_in_steps": lambda x: x[:, [5, 3, 1]],
    "index_by_a_mask": lambda x: x[:, :, :, MASK],
    "index_in_a_table": lambda x: x[:, :, TABLE],
    "index_in_a_grid": lambda x: x[:, :, TABLE[:, :1], ROW],
    "index_apart": lambda x: x[:, :, [3, 0, 0], [7, 2, 5]],
    "index_apart_in_a_table": lambda x: x[:, TABLE + 1, TABLE],
    "gather": lambda x: x.gather(2, PLACES.expand(len(x), -1, -1, -1)),
    "gather_channels": lambda x: x[:, :, 0].gather(1, PLACES[:, 0].expand(len(x), -1, -1)),
    "take_along_dim": lambda x: x.take_along_dim(PLACES[:, :, :, :1], 2),
    "take_along_dim_rows": lambda x: x.take_along_dim(ROW.reshape(1, 1, 1, 4), 3),
    "take_along_dim_of_one_channel": lambda x: x[:, :1].take_along_dim(PLACES[:, :3, :, :1], 2),
    "index_select": lambda x: torch.index_select(x, 3, ROW),
    "roll": lambda x: x.roll(3, 1),
    "unfold": lambda x: x.unfold(2, 3, 2),
    "unfold_apart": lambda x: x.transpose(1, 3)[:, :, 0].unfold(-1, 2, 3),
    "roll_more": lambda x: x.roll((-2, 11), (3, 2)),
    "repeat": lambda x: x[:, :2, :, :2].repeat(1, 2, 1, 3),
    "repeat_new_axis": lambda x: x[:, 0, 0].unsqueeze(1).repeat(1, 3, 2),
    "tile": lambda x: x[:, :2].tile((2, 1)),
    "repeat_interleave": lambda x: x[:, :, :, :3].repeat_interleave(2, 2),
    "expand": lambda x: x[:, :1, :, :3].expand(-1, 4, -1, 3),
    "expand_as": lambda x: x[:, :, :1].expand_as(x),
    "broadcast_to": lambda x: x[:, :, :, :1].broadcast_to(x.shape),
    "nearest": lambda x: F.interpolate(x, scale_factor=2),
    "nearest_by_parts": lambda x: F.interpolate(x, scale_factor=(1.7, 0.6)),
    "nearest_size": lambda x: F.interpolate(x, size=(7, 11)),
    "nearest_smaller": lambda x: F.interpolate(x, size=(3, 5)),
    "nearest_recomputed": lambda x: F.interpolate(x, scale_factor=1.7, recompute_scale_factor=True),
    "nearest_exact": lambda x: F.interpolate(x, size=(7, 5), mode="nearest-exact"),
    "nearest_signal": lambda x: F.interpolate(x.flatten(2), scale_factor=1.3),
    "nearest_exact_signal": lambda x: F.interpolate(x[:, :, 0], size=11, mode="nearest-exact"),
    "upsample": nn.Upsample(scale_factor=3),
}
"""Elements at places that are constants, some several times."""

BORDERS: Mapping[str, Function] = {
    "zeros": lambda x: F.pad(x, (1, 2, 0, 3)),
    "number": nn.ConstantPad2d((1, 0, 2, 1), 4.5),
    "channels": lambda x: F.pad(x, (0, 0, 0, 0, 2, 1)),
    "cut_off": lambda x: F.pad(x, (-1, -2, -1, -1)),
    "cut_off_and_padded": lambda x: F.pad(x, (-3, 2, 1, -1)),
    "of_five_axes": lambda x: F.pad(x.view(-1, 2, 3, 4, 8), (1, 0, 0, 1, 1, 1)),
    "reflect": nn.ReflectionPad2d((1, 2, 3, 0)),
    "reflect_signal": lambda x: F.pad(x[:, :, 0], (2, 7), mode="reflect"),
    "replicate": nn.ReplicationPad2d((0, 2, 3, 1)),
    "replicate_signal": nn.Sequential(nn.Flatten(2), nn.ReplicationPad1d((4, 5))),
    "circular": nn.CircularPad2d((1, 8, 4, 0)),
    "circular_signal": lambda x: F.pad(x[:, 0], (3, 1), mode="circular"),
    "reflect_cut_off": lambda x: F.pad(x, (-1, 2, 2, -1), mode="reflect"),
    "replicate_cut_off": lambda x: F.pad(x, (3, -2, -1, 2), mode="replicate"),
    "circular_cut_off": lambda x: F.pad(x, (-1, 3, 1, -2), mode="circular"),
}
"""Around a tensor, or off it."""

SHUFFLED: Mapping[str, Function] = {
    "pixel_shuffle": lambda x: F.pixel_shuffle(x.view(-1, 24, 2, 4), 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "channel_shuffle": lambda x: F.channel_shuffle(x, 3),
    "channel_shuffle_by_hand": lambda x: (
        x.view(-1, 2, 3, 4, 8).transpose(1, 2).contiguous().view(-1, 6, 4, 8)
    ),
    "space_to_depth_by_hand": lambda x: torch.cat(
        [x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1
    ),
    "permute_five": lambda x: x.view(-1, 3, 2, 4, 8).permute(0, 4, 1, 3, 2),
    "permute_six": lambda x: x.view(-1, 3, 2, 2, 2, 8).permute(0, 5, 2, 4, 1, 3),
    "tokens": lambda x: x.flatten(2).transpose(1, 2),
    "sequence": lambda x: x.permute(0, 3, 1, 2).flatten(2),
    "rows_and_channels": lambda x: x.reshape(-1, 24, 8),
    "regrouped": lambda x: x.reshape(-1, 8, 3, 8),
    "torn_apart": lambda x: x.reshape(-1, 16, 12),
    "movedim": lambda x: x.movedim(1, 3),
    "movedim_more": lambda x: x.movedim((1, 3), (2, 1)),
    "swapaxes": lambda x: x.swapaxes(1, 2),
    "mT": lambda x: x.mT,
    "rot90": lambda x: torch.rot90(x, 1, (2, 3)),
    "rot90_back": lambda x: torch.rot90(x, -1, (1, 3)),
    "rot180": lambda x: torch.rot90(x, 2, (2, 3)),
    "fliplr": lambda x: x.fliplr(),
    "hstack": lambda x: torch.hstack([x, x.flip(2)]),
}
"""All elements in another order."""

MOVING: Mapping[str, Function] = {**PARTS, **PICKED, **BORDERS, **SHUFFLED}
