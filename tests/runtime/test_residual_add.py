# SPDX-License-Identifier: Apache-2.0
"""sparsec_residual_add_s8 and sparsec_residual_add_rounded_s8 against `arm_elementwise_add_s8`, on every pair of bytes and on every core.

Sizes leave every number of elements behind the words and vectors; addresses are not aligned; outputs lie over inputs.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams
from sparsec.quantization.rounded_add import HALF, RoundedAdd, rounded
from sparsec.quantization.short_add import ROOM, SHIFTS, ShortAdd, shorten
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Activation,
    Guarded,
    Int8,
    KernelLibrary,
    PerTensorQuantParams,
)
from tests.runtime.kernel_project import KernelProject, struct

Numbers: TypeAlias = ShortAdd | RoundedAdd

BYTES = np.arange(-128, 128).astype(np.int8)
PAIRS = BYTES.repeat(256), np.tile(BYTES, 256)


def sum_of(
    scales: tuple[float, float, float],
    zero_points: tuple[int, int, int],
    clamp: tuple[int, int] = (-128, 127),
) -> AddParams:
    first, second, last = zero_points
    numbers = add_params(*scales)
    return AddParams(input1_zp=first, input2_zp=second, output_zp=last, clamp=clamp, **numbers)


SUMS = [
    sum_of((0.05870413, 0.03914922, 0.04121853), (-128, -128, -128)),
    sum_of((0.03914922, 0.05870413, 0.09121853), (127, -128, 127)),
    sum_of((0.25, 0.25, 0.5), (-3, 4, 5)),
    sum_of((0.05870413, 0.03914922, 0.04121853), (3, -9, -20), (-20, 87)),
    sum_of((0.05870413, 0.03914922, 0.04121853), (3, -9, -20), (5, 5)),
    sum_of((0.41273911, 0.06131771, 0.05973319), (-7, 1, 2)),
    sum_of((0.41273911, 0.06131771, 0.05973319), (-7, 1, 2), (2, 127)),
    sum_of((0.06131771, 0.00011317, 0.05973319), (0, 0, 0), (-128, -128)),
]
NO_PLANES = [
    sum_of((0.035, 0.027, 0.088), (42, 92, 87)),
    sum_of((0.076, 0.081, 0.03), (-95, -63, -32)),
    sum_of((0.086, 0.033, 0.05), (-112, 65, -47), (-50, 100)),
    sum_of((0.001, 0.9, 0.7), (-112, 127, -128)),
    sum_of((100.0, 0.03, 0.05), (3, 4, 5)),
]
"""Sums that the first kernel does not take, but for the fourth."""
MOST, LEAST = 2**31 - 1, -(2**31)
EXTREMES: list[Numbers] = [
    ShortAdd(MOST, LEAST, -(2**22), 22),
    ShortAdd(LEAST, 0, MOST - 2**30, 22),
    ShortAdd(LEAST, 0, ROOM - 2**30, 22),
    ShortAdd(0, 0, MOST, 22),
    ShortAdd(0, 0, LEAST + ROOM, 22),
    ShortAdd(0, 0, LEAST + ROOM, 17, (-100, 100)),
    ShortAdd(255, -255, -1, 17),
    ShortAdd(2**30, 2**30 - 1, 0, 17),
    RoundedAdd(127, -128, MOST, -1, MOST, -1, 127),
    RoundedAdd(-128, 127, MOST, -1, MOST, -22, -128),
    RoundedAdd(-128, 127, MOST, -1, MOST, -22, 127),
    RoundedAdd(127, 127, HALF, -30, HALF, -22, 127, (-1, 126)),
    RoundedAdd(127, -128, 0, -1, MOST, -20, -128),
    RoundedAdd(0, 0, MOST, -1, 0, -22, 5),
    RoundedAdd(-3, 4, HALF, -1, HALF, -18, 5),
    *(ShortAdd(2**29 + 1, 1 - 2**29, 2**20, shift) for shift in range(SHIFTS[0], SHIFTS[1] + 1)),
]


def short_of(p: AddParams) -> ShortAdd:
    short = shorten(p)
    assert short is not None
    return short


def rounded_of(p: AddParams) -> RoundedAdd:
    """For its operands in the order that this sum wants."""
    found = rounded(p)
    assert found is not None
    return found.numbers


def arm_add(library: KernelLibrary, p: AddParams, a: Int8, b: Int8) -> Int8:
    output = Guarded(a.size)
    library.call(
        "arm_elementwise_add_s8",
        *(a, b, -p.input1_zp, p.input1_multiplier, p.input1_shift),
        *(-p.input2_zp, p.input2_multiplier, p.input2_shift, p.left_shift),
        *(output, p.output_zp, p.output_multiplier, p.output_shift, *p.clamp, a.size),
    )
    return output.bytes


def our_add(library: KernelLibrary, n: Numbers, a: Int8, b: Int8) -> Int8:
    output, clamp = Guarded(a.size), Activation(*n.clamp)
    if isinstance(n, ShortAdd):
        numbers = (n.multiplier1, n.multiplier2, n.addend, n.shift, clamp)
    else:
        scale = PerTensorQuantParams(n.multiplier, n.shift)
        last = PerTensorQuantParams(n.output_multiplier, n.output_shift)
        numbers = (-n.input1_zp, -n.input2_zp, scale, n.output_zp, clamp, last)
    library.call(function_of(n), *numbers, a, b, a.size, output)
    return output.bytes


def function_of(n: Numbers) -> str:
    return f"sparsec_residual_add_{'' if isinstance(n, ShortAdd) else 'rounded_'}s8"


@pytest.mark.parametrize("p", SUMS)
def test_every_pair(runtime: KernelLibrary, cmsis_nn: KernelLibrary, p: AddParams) -> None:
    found = our_add(runtime, short_of(p), *PAIRS)
    np.testing.assert_array_equal(found, arm_add(cmsis_nn, p, *PAIRS))


@pytest.mark.parametrize("p", [*SUMS, *NO_PLANES])
def test_every_pair_rounded(runtime: KernelLibrary, cmsis_nn: KernelLibrary, p: AddParams) -> None:
    found = rounded(p)
    assert found is not None or p.input1_multiplier == p.input2_multiplier == HALF
    if found is not None:
        a, b = PAIRS[::-1] if found.swapped else PAIRS
        result = our_add(runtime, found.numbers, a, b)
        np.testing.assert_array_equal(result, arm_add(cmsis_nn, p, *PAIRS))


@settings(max_examples=60)
@given(
    scales=st.tuples(*[st.floats(2**-6, 2**-3)] * 3),
    zero_points=st.tuples(*[st.integers(-128, 127)] * 3),
    low=st.integers(-128, 0),
)
def test_any_scales(
    runtime: KernelLibrary,
    cmsis_nn: KernelLibrary,
    scales: tuple[float, float, float],
    zero_points: tuple[int, int, int],
    low: int,
) -> None:
    p = sum_of(scales, zero_points, (low, 127))
    short = shorten(p)
    if short is not None:
        found = our_add(runtime, short, *PAIRS)
        np.testing.assert_array_equal(found, arm_add(cmsis_nn, p, *PAIRS))


@pytest.mark.parametrize("n", EXTREMES)
def test_every_number_that_they_take(runtime: KernelLibrary, n: Numbers) -> None:
    np.testing.assert_array_equal(our_add(runtime, n, *PAIRS), n(*PAIRS))


@dataclass(frozen=True)
class Call:
    """A call on the arena: where inputs and output begin, counted from a place that is divisible by 16.

    An output that begins where an input does, or in front of it, overlaps it; else they lie apart.
    """

    numbers: Numbers
    size: int
    places: tuple[int, int, int]

    @property
    def inputs(self) -> tuple[Int8, Int8]:
        rng = np.random.default_rng(self.size)
        a, b = rng.integers(-128, 128, (2, self.size)).astype(np.int8)
        return a, b

    @property
    def expected(self) -> Int8:
        return self.numbers(*self.inputs)


def calls() -> list[Call]:
    usual = short_of(SUMS[0])
    clamped, other = replace(usual, clamp=(-77, 99)), short_of(SUMS[5])
    rounding = rounded_of(SUMS[3])
    result: list[Call] = []
    for size in (*range(1, 36), 64, 67):
        for number, numbers in enumerate((usual, clamped, other, rounding)):
            # Each input and the output at every address modulo 4, then the output over either input and before it.
            places = (size % 4, 100 + (size + number) // 4 % 4, 200 + (size + number) // 3 % 4)
            result.append(Call(numbers, size, places))
            result.append(Call(numbers, size, (3, 101, (3, 101)[number % 2] - size % 3)))
    return result


def add_call(project: KernelProject, call: Call) -> None:
    """Copy the inputs to RAM, call, and append the output to those of the project."""
    first, second, output = (f"memory + 16 + {place}" for place in call.places)
    a, b = (project.array(values) for values in call.inputs)
    project.statements.append(
        f"static int8_t memory[320] __attribute__((aligned(16)));\n"
        f"memcpy({first}, {a}, {call.size});\nmemcpy({second}, {b}, {call.size});\n"
        f"{function_of(call.numbers)}({', '.join(c_numbers(call.numbers))}, "
        f"{first}, {second}, {call.size}, {output});\n"
        f"memcpy(arena + {project.output_bytes}, {output}, {call.size});"
    )
    project.output_bytes += call.size


def add_pairs(project: KernelProject, n: Numbers, inputs: tuple[str, str]) -> None:
    size = PAIRS[0].size
    project.call(function_of(n), [*c_numbers(n), *inputs, str(size)], size)


def c_numbers(n: Numbers) -> list[str]:
    """The arguments in front of the inputs."""
    clamp = struct("cmsis_nn_activation", *n.clamp)
    if isinstance(n, ShortAdd):
        numbers = map(c_int32, (n.multiplier1, n.multiplier2, n.addend))
        return [*numbers, str(n.shift), clamp]
    scale, last = (
        struct("cmsis_nn_per_tensor_quant_params", multiplier, shift)
        for multiplier, shift in (
            (n.multiplier, n.shift),
            (n.output_multiplier, n.output_shift),
        )
    )
    return [str(-n.input1_zp), str(-n.input2_zp), scale, str(n.output_zp), clamp, last]


def c_int32(value: int) -> str:
    """-2^31 has no literal."""
    return "INT32_MIN" if value == LEAST else str(value)


ON_CORES: list[Numbers] = [*map(short_of, SUMS), *map(rounded_of, NO_PLANES), *EXTREMES]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = KernelProject(["#include <string.h>"])
    inputs = result.array(PAIRS[0]), result.array(PAIRS[1])
    for numbers in ON_CORES:
        add_pairs(result, numbers, inputs)
    for call in calls():
        add_call(result, call)
    return result.write(tmp_path_factory.mktemp("sums"), "sparsec_residual_add*")


def expected() -> Int8:
    """What is equal to CMSIS-NN's on this machine."""
    return np.concatenate([n(*PAIRS) for n in ON_CORES] + [call.expected for call in calls()])


def outputs(project: Path, cpu: str, cmsis_nn_dir: Path, sanitize: bool = False) -> Int8:
    unused = np.zeros((1, 1), np.int8)
    result = run_project(project, cpu, [unused], cmsis_nn=cmsis_nn_dir, sanitize=sanitize)
    return result.outputs[0][0]


def test_host_with_address_sanitizer(project: Path, cmsis_nn_dir: Path) -> None:
    found = outputs(project, "host", cmsis_nn_dir, sanitize=True)
    np.testing.assert_array_equal(found, expected())


@pytest.mark.qemu
@pytest.mark.parametrize(
    "cpu", ["cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"]
)
def test_core(project: Path, cmsis_nn_dir: Path, cpu: str) -> None:
    np.testing.assert_array_equal(outputs(project, cpu, cmsis_nn_dir), expected())
