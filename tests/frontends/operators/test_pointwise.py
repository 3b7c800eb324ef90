# SPDX-License-Identifier: Apache-2.0
"""Operators element by element: torch's numbers in float, and in int8 as close as the scales allow."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from xdsl.dialects.builtin import ModuleOp

from sparsec.interpreters.run import interpret
from sparsec.interpreters.signature import dequantized, entry_quantizations, quantized
from tests.frontends.operators.pointwise import FUNCTIONS, POINTWISE, SHAPE, Case
from tests.frontends.operators.test_moving import Write
from tests.frontends.operators.together import Function, Together, int8_form, on_the_grid
from tests.frontends.support import expected, export_bytes, load_bytes, traced_bytes


def together(cases: Mapping[str, Case]) -> Together:
    return Together({name: case.function for name, case in cases.items()})


MODEL = together(POINTWISE)


def imported(write: Write, x: Tensor, folder: Path, model: Together = MODEL) -> ModuleOp:
    return load_bytes(write(model, [x]), folder).module


@pytest.mark.parametrize("write", [export_bytes, traced_bytes])
def test_float(write: Write, tmp_path: Path) -> None:
    x = on_the_grid(2, *SHAPE) * 2**-4
    found = interpret(imported(write, x, tmp_path), [x.numpy()])
    for name, ours, torchs in zip(POINTWISE, found, expected(MODEL, [x]), strict=True):
        np.testing.assert_allclose(ours, torchs, rtol=1e-4, atol=1e-4, err_msg=name)


def test_int8(tmp_path: Path) -> None:
    """The result is torch's on the same int8 inputs, but for what roundings amount to."""
    x = on_the_grid(8, *SHAPE) * 2**-4
    module = int8_form(imported(export_bytes, x, tmp_path), [x.numpy()])
    taken, given = entry_quantizations(module)
    stored = quantized([x.numpy()], taken)
    assert np.array_equal(dequantized(stored, taken)[0], x.numpy())
    found = dequantized(interpret(module, stored), given)
    off: dict[str, float] = {}
    for (name, case), scheme, ours, torchs in zip(
        POINTWISE.items(), given, found, expected(MODEL, [x]), strict=True
    ):
        error = np.abs(ours - torchs).max() / scheme.scale
        if error > case.error:
            off[name] = error
        assert np.unique(ours).size >= min(9, np.unique(torchs).size), name
    assert off == {}


def test_each_function_of_one_value_is_one_table(tmp_path: Path) -> None:
    x = on_the_grid(2, *SHAPE) * 2**-4
    model = together(FUNCTIONS)
    module = int8_form(imported(export_bytes, x, tmp_path, model), [x.numpy()])
    names = [op.name for op in module.walk() if op.name.startswith("qnn.")]
    assert set(names) == {"qnn.constant", "qnn.lookup", "qnn.transpose"}
    assert names.count("qnn.lookup") == len(FUNCTIONS)


def test_a_number_of_more_axes_than_the_input(tmp_path: Path) -> None:
    """The result has its axes too."""
    x, number = torch.linspace(-1, 1, 4)[None], torch.full((1, 1, 1), 0.25)
    functions: Mapping[str, Function] = {
        "maximum": lambda x: torch.maximum(x, number),
        "less": lambda x: (x < number) * x,
    }
    model = Together(functions)
    found = interpret(imported(traced_bytes, x, tmp_path, model), [x.numpy()])
    for name, ours, torchs in zip(functions, found, expected(model, [x]), strict=True):
        np.testing.assert_array_equal(ours, torchs, err_msg=name)
