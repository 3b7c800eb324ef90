# SPDX-License-Identifier: Apache-2.0
"""Operators that move data give torch's numbers, through torch.export and TorchScript."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsec.frontends import FrontendError
from sparsec.interpreters.run import interpret
from tests.frontends.operators.moving import BORDERS, MOVING, ROW, SHAPE
from tests.frontends.operators.together import Function, Together, on_the_grid
from tests.frontends.support import (
    expected,
    export_bytes,
    load_bytes,
    op_names,
    traced_bytes,
)

Write = Callable[[nn.Module, list[Tensor]], bytes]


def decomposed_bytes(model: nn.Module, inputs: list[Tensor]) -> bytes:
    return export_bytes(model, inputs, decompose=True)


def imported(write: Write, functions: Mapping[str, Function], x: Tensor, folder: Path) -> list[Any]:
    """What the import of all `functions` gives."""
    return interpret(load_bytes(write(Together(functions), [x]), folder).module, [x.numpy()])


NOT_DECOMPOSED = {
    *("index_by_a_mask", "roll", "roll_more", "nearest_exact", "nearest_exact_signal"),
    "nearest_signal",
    *(name for name in BORDERS if name.startswith(("reflect", "replicate", "circular"))),
}
"""What torch decomposes into arithmetic on indices."""

LEFT_OUT: Mapping[object, set[str]] = {
    decomposed_bytes: NOT_DECOMPOSED,
    traced_bytes: {"nearest_recomputed"},  # of which torch's tracer warns
}


@pytest.mark.parametrize("write", [export_bytes, decomposed_bytes, traced_bytes])
def test_every_operator(write: Write, tmp_path: Path) -> None:
    functions = {name: f for name, f in MOVING.items() if name not in LEFT_OUT.get(write, ())}
    x = on_the_grid(2, *SHAPE)
    found = imported(write, functions, x, tmp_path)
    torchs = expected(Together(functions), [x])
    for name, ours, wanted in zip(functions, found, torchs, strict=True):
        np.testing.assert_array_equal(ours, wanted, err_msg=name)


def names(function: Function, tmp_path: Path, *shape: int) -> list[str]:
    """The operations that a function becomes."""
    content = export_bytes(Together({"f": function}), [torch.zeros(2, *shape)])
    return op_names(load_bytes(content, tmp_path))


def test_axes_of_one_element_cost_nothing(tmp_path: Path) -> None:
    def signal(x: Tensor) -> Tensor:
        y = torch.relu(x)
        return torch.relu(torch.relu(y[:, :, 0]).unsqueeze(2))

    ops = names(signal, tmp_path, 3, 4, 5)
    assert ops == [
        *("nn.transpose", "nn.clamp", "nn.slice", "nn.reshape", "nn.clamp"),
        *("nn.reshape", "nn.clamp", "nn.transpose"),
    ]


REFUSED: dict[str, tuple[Function, str]] = {
    "nothing left": (lambda x: x[:, 3:2], "a part without elements"),
    "the batch reversed": (lambda x: x.flip(0), "it reverses the batch"),
    "the batch halved": (lambda x: x[:1], "it mixes the batch with other dimensions"),
    "of all elements": (lambda x: x.take_along_dim(ROW), "only along a named axis"),
    "no end": (lambda x: x.fmod(torch.inf), "a division with a remainder by inf"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    function, message = REFUSED[name]
    with pytest.raises(FrontendError, match=message):
        imported(export_bytes, {name: function}, torch.zeros(2, *SHAPE), tmp_path)


TRANSPOSES: dict[str, tuple[Function, int]] = {
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), 1),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), 1),
    "channel_shuffle": (lambda x: F.channel_shuffle(x, 4), 1),
    "channel_shuffle_by_hand": (
        lambda x: x.view(-1, 2, 4, 4, 6).transpose(1, 2).reshape(-1, 8, 4, 6),
        1,
    ),
    "tokens": (lambda x: x.flatten(2).transpose(1, 2).transpose(1, 2).reshape(-1, 8, 4, 6), 0),
    "split_and_joined": (lambda x: x.view(-1, 4, 2, 2, 2, 6).flatten(1, 2).flatten(2, 3), 0),
}
"""Between two layers over images, how often data has to be moved."""


@pytest.mark.parametrize("name", TRANSPOSES)
def test_a_reshape_moves_no_more_than_it_has_to(name: str, tmp_path: Path) -> None:
    function, count = TRANSPOSES[name]

    def between(x: Tensor) -> Tensor:
        return F.max_pool2d(function(F.max_pool2d(x, 1)), 1)

    ops = names(between, tmp_path, 8, 4, 6)
    first, last = ops.index("nn.max_pool2d"), len(ops) - 1 - ops[::-1].index("nn.max_pool2d")
    assert ops[first:last].count("nn.transpose") == count
