"""Networks as nobody would draw them: interpreter, calls and C give the same bytes."""

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from xdsl.dialects.builtin import ModuleOp

from sparsec.tools.printing import module_text
from tests.end_to_end.networks import modules
from tests.end_to_end.road import compile_module, expect_exact, extreme_and_random

# A network that fails is printed whole, and the warning about its length would hide why.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

SHARDS = 4
"""The examples of the host in parts, so that they run in parallel."""


def expect_exact_module(module: ModuleOp, cpu: str, weights: str) -> None:
    note(module_text(module))
    compiled = compile_module(module, cpu, f"--weights={weights}")
    inputs = extreme_and_random(compiled.input_shapes, random=2, seed=0)
    expect_exact(compiled, cpu, inputs, canaries=True)


def check_random_networks(cpu: str, weights: str, number: int, examples: int) -> None:
    """`examples` modules, the same every time for each `number`."""

    @seed(number)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(modules())
    def check(module: ModuleOp) -> None:
        expect_exact_module(module, cpu, weights)

    check()


@pytest.mark.parametrize("number", range(SHARDS))
def test_host(number: int):
    weights = ("auto", "dense", "delta8", "delta8")[number]
    check_random_networks("host", weights, number, examples=20)


@pytest.mark.qemu
@pytest.mark.parametrize("weights", ["dense", "delta8"])
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_device(cpu: str, weights: str):
    check_random_networks(cpu, weights, number=100, examples=10)
