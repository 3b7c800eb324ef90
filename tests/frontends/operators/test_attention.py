# SPDX-License-Identifier: Apache-2.0
"""Attention gives what torch gives, through torch.export and TorchScript, and says in one line what it does not take."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sparsec.frontends import FrontendError
from sparsec.interpreters.run import interpret
from tests.frontends.operators.attentions import ATTENTIONS, SHAPE
from tests.frontends.operators.together import Function, Together, on_the_grid
from tests.frontends.support import expected, export_bytes, load_bytes, traced_bytes

Write = Callable[[nn.Module, list[Tensor]], bytes]


NOT_TRACED = {"torchs", "pre_norm", "post_norm", "pooled"}
"""Of which torch's tracer, run twice, finds two programs."""


@pytest.mark.parametrize("write", [export_bytes, traced_bytes])
def test_every_form(write: Write, tmp_path: Path) -> None:
    left_out = NOT_TRACED if write is traced_bytes else ()
    functions = {name: f for name, f in ATTENTIONS.items() if name not in left_out}
    model, x = Together(functions), on_the_grid(2, *SHAPE)
    found = interpret(load_bytes(write(model, [x]), tmp_path).module, [x.numpy()])
    for name, ours, torchs in zip(functions, found, expected(model, [x]), strict=True):
        np.testing.assert_allclose(ours, torchs, rtol=1e-4, atol=1e-5, err_msg=name)


def attend(x: Tensor, mask: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    return F.scaled_dot_product_attention(x, x, x, mask, dropout)


REFUSED: dict[str, tuple[Function, str]] = {
    "a computed mask": (lambda x: attend(x, x @ x.mT), "its mask is computed"),
    "dropout": (lambda x: attend(x, dropout=0.5), "call model.eval"),
    "a row without keys": (
        lambda x: attend(x, torch.arange(10).ge(1).unsqueeze(1).expand(10, 10)),
        "its mask leaves nothing of a row",
    ),
    "infinity without a softmax": (
        lambda x: x.masked_fill(torch.eye(10, 16) > 0, -math.inf),
        "it fills with infinity",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    function, message = REFUSED[name]
    content = export_bytes(Together({name: function}), [torch.zeros(2, *SHAPE)])
    with pytest.raises(FrontendError, match=message):
        load_bytes(content, tmp_path)
