# SPDX-License-Identifier: Apache-2.0
"""Comparisons, what joins them and what they choose: numbers of the input and constants, or 0 and 1."""

from collections.abc import Mapping

import torch

from tests.frontends.operators.together import Function

FIXED = torch.arange(6 * 4 * 8).reshape(6, 4, 8) % 3 == 0
ROW = torch.tensor([True, False, True, True, False, False, False, True])
LEVELS = torch.arange(4.0).reshape(4, 1) * 16 - 30


MASKS: Mapping[str, Function] = {
    "gt": lambda x: (x > 3).float(),
    "le": lambda x: (x <= -0.5).float(),
    "eq": lambda x: torch.eq(x, 2).float(),
    "ne": lambda x: torch.ne(x, 2.0).float(),
    "lt_of_tensors": lambda x: (x[:, :3] < x[:, 3:]).float(),
    "ge_of_a_constant": lambda x: (x >= LEVELS).float(),
    "and": lambda x: ((x > 0) & (x < 9)).float(),
    "or": lambda x: ((x[:, :3] > 9) | (x[:, 3:] > 9)).float(),
    "xor": lambda x: torch.logical_xor(x[:, :3] > 9, x[:, 3:] > 9).float(),
    "not": lambda x: (~(x > 9)).float(),
    "logical_and": lambda x: torch.logical_and(x[:, :3], x[:, 3:] > 0).float(),
    "logical_not": lambda x: torch.logical_not(x.relu()).float(),
    "where": lambda x: torch.where(x[:, :3] > x[:, 3:], x[:, 3:], x[:, :3] - 0),
    "where_of_one": lambda x: torch.where(x > 0, x, -64.0),
    "where_fixed": lambda x: torch.where(FIXED, x, x.flip(3)),
    "where_number": lambda x: torch.where(ROW, x, 5.0),
    "where_rows": lambda x: torch.where(x[:, :, :1] > 0, x, x[:, :1, :, :1] * 1),
    "where_constants": lambda x: torch.where(x > 0, torch.tensor(127.0), torch.tensor(-128.0)),
    "masked_fill": lambda x: x.masked_fill(FIXED, -64.0),
    "masked_fill_computed": lambda x: x.masked_fill(x[:, :1] > 4, 0.5),
    "clamp_by_tensors": lambda x: torch.clamp(x, x[:, :1] - 0, LEVELS + 60),
    "times_a_mask": lambda x: x * (x > 0),
}
