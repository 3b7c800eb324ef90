# SPDX-License-Identifier: Apache-2.0
"""All operators element by element in one network: interpreter, calls and C give the same bytes."""

from functools import cache

import numpy as np
import pytest

from tests.end_to_end.road import Compiled, compile_to, expect_exact, extreme_and_random
from tests.frontends.operators.pointwise import POINTWISE, SHAPE
from tests.frontends.operators.together import Together, on_the_grid
from tests.frontends.support import export_bytes

EVERYWHERE = [
    "host",
    *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
]


@cache
def archive() -> bytes:
    """All of them, exported with a batch of inputs to calibrate with."""
    model = Together({name: case.function for name, case in POINTWISE.items()})
    return export_bytes(model, [on_the_grid(8, *SHAPE) * 2**-4])


@pytest.fixture(params=EVERYWHERE)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    path = tmp_path_factory.mktemp("pointwise") / "net.pt2"
    path.write_bytes(archive())
    return compile_to(path, request.param, "--plan-seconds=0")


def test_bytes(compiled: Compiled) -> None:
    inputs = extreme_and_random(compiled.input_shapes, random=6, seed=1)
    outputs = expect_exact(compiled, compiled.compilation.cpu.name, inputs, canaries=True)
    constant = {n for n, each in zip(POINTWISE, outputs, strict=True) if np.unique(each).size <= 2}
    assert constant == {"clamp_crossed"}
