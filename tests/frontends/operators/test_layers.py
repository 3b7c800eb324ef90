# SPDX-License-Identifier: Apache-2.0
"""Layers over images and signals, and normalisation, give what torch gives, through torch.export and TorchScript."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from sparsec.interpreters.run import interpret
from tests.frontends.operators.layers import LAYERS, SHAPE
from tests.frontends.operators.norms import NORMS
from tests.frontends.operators.together import Function, Together, on_the_grid
from tests.frontends.support import expected, export_bytes, load_bytes, traced_bytes

Write = Callable[[nn.Module, list[Tensor]], bytes]


def decomposed_bytes(model: nn.Module, inputs: list[Tensor]) -> bytes:
    return export_bytes(model, inputs, decompose=True)


@pytest.mark.parametrize("write", [export_bytes, decomposed_bytes, traced_bytes])
@pytest.mark.parametrize("group", [LAYERS, NORMS], ids=["layers", "norms"])
def test_every_layer(group: Mapping[str, Function], write: Write, tmp_path: Path) -> None:
    model, x = Together(group), on_the_grid(2, *SHAPE)
    found = interpret(load_bytes(write(model, [x]), tmp_path).module, [x.numpy()])
    for name, ours, torchs in zip(group, found, expected(model, [x]), strict=True):
        np.testing.assert_allclose(ours, torchs, rtol=1e-5, atol=1e-4, err_msg=name)
