# SPDX-License-Identifier: Apache-2.0
"""Every operator of a group in one network: within what its scales allow of torch, the same bytes everywhere."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from sparsec.interpreters.signature import dequantized, quantized
from tests.end_to_end.road import Compiled, compile_to, expect_exact
from tests.frontends.operators.attentions import ATTENTIONS
from tests.frontends.operators.attentions import SHAPE as TOKENS
from tests.frontends.operators.indices import INDICES
from tests.frontends.operators.layers import EXACT, UNEVEN
from tests.frontends.operators.layers import SHAPE as LAYERS_SHAPE
from tests.frontends.operators.masks import MASKS
from tests.frontends.operators.moving import MOVING, SHAPE
from tests.frontends.operators.norms import EXACT as NORMS
from tests.frontends.operators.norms import SQUARED
from tests.frontends.operators.softmaxes import SOFTMAXES
from tests.frontends.operators.together import Function, Together, on_the_grid
from tests.frontends.support import expected, export_bytes

SAMPLES = 3


class Group(NamedTuple):
    """Operators of one input, and by how many steps of its scale what one gives may differ from torch.

    Inputs and weights are such that int8 holds them without error: half a step is left where numbers are computed, and
    what the first of CMSIS-NN's two roundings adds to it.
    """

    functions: Mapping[str, Function]
    shape: tuple[int, ...]
    steps: float


GROUPS = {
    "moving": Group(MOVING, SHAPE, 0.0),
    "indices": Group(INDICES, SHAPE, 0.0),
    "softmaxes": Group(SOFTMAXES, SHAPE, 1.5),
    "masks": Group(MASKS, SHAPE, 0.5),
    "layers": Group(EXACT, LAYERS_SHAPE, 0.5 + 2**-7),
    "rounded": Group(UNEVEN, LAYERS_SHAPE, 0.75),
    "squared": Group(SQUARED, LAYERS_SHAPE, 3.0),
    "attentions": Group(ATTENTIONS, TOKENS, 6.0),
    "norms": Group(NORMS, LAYERS_SHAPE, 0.5 + 2**-6),
}


@cache
def archive(name: str) -> bytes:
    """A group, exported with a batch of inputs to calibrate with."""
    group = GROUPS[name]
    return export_bytes(Together(group.functions), [on_the_grid(SAMPLES, *group.shape)])


def compiled_group(name: str, cpu: str, folder: Path) -> Compiled:
    path = folder / f"{name}.pt2"
    path.write_bytes(archive(name))
    return compile_to(path, cpu, "--plan-seconds=0")


@pytest.mark.parametrize(
    "cpu",
    [
        "host",
        *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
    ],
)
@pytest.mark.parametrize("name", GROUPS)
def test_group(name: str, cpu: str, tmp_path: Path) -> None:
    group, x = GROUPS[name], on_the_grid(SAMPLES, *GROUPS[name].shape)
    compiled = compiled_group(name, cpu, tmp_path)
    inputs = quantized([x.numpy()], compiled.compilation.inputs)
    outputs = expect_exact(compiled, cpu, inputs, canaries=True)
    schemes = compiled.compilation.outputs
    found = dequantized(outputs, schemes)
    torchs = expected(Together(group.functions), [x])
    for operator, ours, wanted, scheme in zip(group.functions, found, torchs, schemes, strict=True):
        steps = np.abs(ours - wanted).max() / scheme.scale
        assert steps <= group.steps + 1e-3, f"{operator}: {steps:.3f} steps"
