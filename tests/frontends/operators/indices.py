# SPDX-License-Identifier: Apache-2.0
"""Operators that give where something is: whole numbers, which no scale rounds."""

from collections.abc import Mapping

from tests.frontends.operators.together import Function

INDICES: Mapping[str, Function] = {
    "argmax": lambda x: x.argmax(1),
    "argmax_of_rows": lambda x: x.argmax(-1),
    "argmax_of_columns": lambda x: x.argmax(2, keepdim=True),
    "argmax_of_all": lambda x: x.flatten(1).argmax(1),
    "argmin": lambda x: x.argmin(1, keepdim=True),
    "argmin_of_moved": lambda x: x.permute(0, 3, 1, 2).argmin(3),
    "argmax_of_equal": lambda x: x.clamp(-1, 1).argmax(3),
    "argmin_of_equal": lambda x: x.clamp(-1, 1).argmin(1),
    "argmax_of_one": lambda x: x[:, :, :1].argmax(2),
    "max": lambda x: x.max(3)[1],
    "max_values": lambda x: x.max(3, keepdim=True)[0],
    "min": lambda x: x.min(2)[1],
    "in_another_shape": lambda x: x.argmax(1).flatten(1).unsqueeze(1),
}
