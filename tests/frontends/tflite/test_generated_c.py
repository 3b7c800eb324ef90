# SPDX-License-Identifier: Apache-2.0
"""Every operator that can be imported, side by side in one network: C gives the bytes of TensorFlow Lite Micro."""

from pathlib import Path

import numpy as np
import pytest

from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite import operators as table
from tests.end_to_end.road import compile_to, differing_bytes, expect_exact
from tests.frontends.tflite import test_elementwise, test_movement, test_operators
from tests.frontends.tflite.support import Spec, oracle, samples, side_by_side
from tests.frontends.tflite.test_transpose_conv import transpose_conv

ELSEWHERE = {"RELU_N1_TO_1", "DEQUANTIZE and QUANTIZE"}
"""What the oracle has no kernel for, and what float islands become (test_islands.py)."""


SAMPLES = {"host": 100, "cortex-m4": 40, "cortex-m55": 40}


def every_operator() -> list[Spec]:
    """Each operator in a few forms."""
    makers = {**test_operators.OPERATORS, **test_operators.FUNCTIONS, **test_movement.OPERATORS}
    specs = [make(np.random.default_rng(seed)) for make in makers.values() for seed in range(4)]
    specs += [transpose_conv(seed) for seed in (3, 8, 9)]
    specs += [
        test_elementwise.on_two(name, operand, seed=12)
        for name in test_elementwise.NAMES
        for operand in ("tensor", "vector", "scalar")
    ]
    return specs


@pytest.mark.parametrize(
    "cpu",
    [
        pytest.param("host", marks=pytest.mark.builds),
        *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
    ],
)
def test_every_operator(cpu: str, tmp_path: Path) -> None:
    specs = every_operator()
    assert {op.name for _, op in specs} | ELSEWHERE == {*table.OPERATORS}
    content = side_by_side(*specs)
    path = tmp_path / "net.tflite"
    path.write_bytes(content)
    inputs = samples(import_tflite(content), SAMPLES[cpu])
    options = ("--plan-seconds=0",)  # where bytes lie is for other tests
    outputs = expect_exact(compile_to(path, cpu, *options), cpu, inputs)
    assert differing_bytes(outputs, oracle(content, inputs)) == 0
