# SPDX-License-Identifier: Apache-2.0
"""Of the kernels that can run a sum, the fastest does."""

import pytest
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import Block

from sparsec.ir import qnn
from sparsec.kernels.layer import Layer
from sparsec.kernels.library import NoWay, fastest, ways
from sparsec.quantization.params import AddParams
from sparsec.targets.cpu import CPUS, Cpu
from tests.quantization.test_short_add import params

RANDOM = params(0.05870413, 0.03914922, 0.04121853, (-128, 11, -128))
DECIMAL = params(0.058, 0.039, 0.042, (-128, 11, -128))
HUGE = params(0.05, 0.05, 0.0001, (0, 0, 0))

ARM, SHORT, ROUNDED = (
    "arm_elementwise_add_s8",
    "sparsec_residual_add_s8",
    "sparsec_residual_add_rounded_s8",
)


def sum_of(numbers: AddParams, size: int) -> Layer:
    type = TensorType(i8, [1, size])
    lhs, rhs = Block(arg_types=[type, type]).args
    return Layer(qnn.AddOp(lhs, rhs, numbers))


@pytest.mark.parametrize("cpu", CPUS.values(), ids=CPUS)
@pytest.mark.parametrize(
    ("numbers", "able", "chosen"),
    [
        (RANDOM, [SHORT, ROUNDED, ARM], SHORT),
        (DECIMAL, [ROUNDED, ARM], ROUNDED),
        (HUGE, [ARM], ARM),
    ],
    ids=["random", "decimal", "huge"],
)
def test_the_fastest_runs_a_sum(cpu: Cpu, numbers: AddParams, able: list[str], chosen: str) -> None:
    layer = sum_of(numbers, 4096)
    found = ways(layer, cpu)
    assert not isinstance(found, NoWay)
    assert [way.kernel.function for way in found] == able
    assert fastest(found, layer, cpu).kernel.function == chosen
    assert fastest(found[::-1], layer, cpu).kernel.function == chosen


def test_without_costs_the_first_does() -> None:
    type = TensorType(i8, [1, 8])
    lhs, rhs = Block(arg_types=[type, type]).args
    layer = Layer(qnn.MaximumOp(lhs, rhs, type))
    cpu = CPUS["cortex-m4"]
    found = ways(layer, cpu)
    assert not isinstance(found, NoWay)
    assert fastest(found, layer, cpu) is found[0]
