# SPDX-License-Identifier: Apache-2.0
"""Networks as nobody would draw them: interpreter, calls and C give the same bytes."""

import pytest
from hypothesis import given, note, settings
from xdsl.dialects.builtin import ModuleOp

from tests.end_to_end.networks import modules
from tests.end_to_end.road import compile_module, expect_exact, extreme_and_random
from tests.fuzz import shard
from tests.shown import Shown

# A network that fails is printed whole, and the warning about its length would hide why.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Generating overly large repr"),
    pytest.mark.fuzz,
]

SHARDS = 4
"""The examples of the host in parts, so that they run in parallel."""


def expect_exact_module(module: ModuleOp, cpu: str, *options: str) -> None:
    note(Shown(module))
    compiled = compile_module(module, cpu, *options)
    inputs = extreme_and_random(compiled.input_shapes, random=2, seed=0)
    expect_exact(compiled, cpu, inputs, canaries=True)


def check_random_networks(cpu: str, number: int, examples: int, *options: str) -> None:
    """`examples` modules, other ones for each `number`, compiled with `options`."""

    @shard(number)
    @settings(
        max_examples=examples,
    )
    @given(modules())
    def check(module: ModuleOp) -> None:
        expect_exact_module(module, cpu, *options)

    check()


@pytest.mark.parametrize("number", range(SHARDS))
def test_host(number: int):
    options = (
        ["--weights=auto"],
        ["--weights=dense", "--objective=ram"],
        ["--weights=delta8"],
        ["--weights=delta8", "--objective=ram"],
    )[number]
    check_random_networks("host", number, 20, *options)


@pytest.mark.qemu
@pytest.mark.parametrize("options", [["--objective=ram"], ["--weights=delta8"]])
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_device(cpu: str, options: list[str]):
    check_random_networks(cpu, 100, 10, *options)
