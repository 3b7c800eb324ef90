# SPDX-License-Identifier: Apache-2.0
"""Product, sum, difference, maximum, minimum and PRELU against exact integers, whole and repeated operands."""

from collections.abc import Callable, Iterator
from itertools import cycle, islice
from math import lcm

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.kernel_library import (
    Activation,
    Guarded,
    Int8,
    KernelLibrary,
    PerTensorQuantParams,
)

MANY = settings(max_examples=200)
SIZES = st.tuples(st.sampled_from([1, 2, 3, 5, 20, 60]), st.sampled_from([1, 4, 60, 120]))
OFFSETS = st.integers(-127, 128)
ZERO_POINTS = st.integers(-128, 127)
MULTIPLIERS = st.integers(2**30, 2**31 - 1)
CLAMPS = st.tuples(ZERO_POINTS, ZERO_POINTS).map(lambda bounds: (min(bounds), max(bounds)))


def scales(highest_shift: int) -> st.SearchStrategy[tuple[int, int]]:
    """Multiplier and shift."""
    return st.tuples(MULTIPLIERS, st.integers(-30, highest_shift))


def rescaled(value: int, scale: tuple[int, int]) -> int:
    """TFLite's MultiplyByQuantizedMultiplier (double rounding) in exact arithmetic."""
    multiplier, shift = scale
    product = ((value << max(shift, 0)) * multiplier + 2**30) >> 31
    right = max(-shift, 0)
    magnitude = (abs(product) + (1 << right >> 1)) >> right  # halves away from zero
    return magnitude if product >= 0 else -magnitude


def data(size: int) -> Int8:
    """Random bytes, extremes among them."""
    values = np.random.default_rng(size).integers(-128, 128, size).astype(np.int8)
    values[:2] = [-128, 127][:size]
    return values


def operands(sizes: tuple[int, int]) -> tuple[Int8, Int8, int]:
    """Two operands and the size of the result, which one of them may not fill."""
    return data(sizes[0]), data(sizes[1])[::-1].copy(), lcm(*sizes)


def pairs(a: Int8, b: Int8, size: int) -> Iterator[tuple[int, int]]:
    left: list[int] = a.tolist()
    right: list[int] = b.tolist()
    return islice(zip(cycle(left), cycle(right), strict=True), size)


def finished(values: Iterator[int], offset: int, clamp: tuple[int, int]) -> Int8:
    return np.array([min(max(value + offset, clamp[0]), clamp[1]) for value in values], np.int8)


@MANY
@given(
    sizes=SIZES, offsets=st.tuples(OFFSETS, OFFSETS), zp=ZERO_POINTS, scale=scales(14), clamp=CLAMPS
)
def test_mul(
    runtime: KernelLibrary,
    sizes: tuple[int, int],
    offsets: tuple[int, int],
    zp: int,
    scale: tuple[int, int],
    clamp: tuple[int, int],
) -> None:
    a, b, size = operands(sizes)
    products = (rescaled((x + offsets[0]) * (y + offsets[1]), scale) for x, y in pairs(a, b, size))
    expected = finished(products, zp, clamp)
    output = Guarded(size)
    quant, activation = PerTensorQuantParams(*scale), Activation(*clamp)
    runtime.call(
        "sparsec_mul_s8", *offsets, zp, activation, quant, a.size, a, b.size, b, size, output
    )
    np.testing.assert_array_equal(output.bytes, expected)


@MANY
@given(
    sizes=SIZES,
    offsets=st.tuples(OFFSETS, OFFSETS),
    zp=ZERO_POINTS,
    in_scales=st.tuples(scales(0), scales(0)),
    out_scale=scales(0),
    sign=st.sampled_from([1, -1]),
    clamp=CLAMPS,
)
def test_add(
    runtime: KernelLibrary,
    sizes: tuple[int, int],
    offsets: tuple[int, int],
    zp: int,
    in_scales: tuple[tuple[int, int], tuple[int, int]],
    out_scale: tuple[int, int],
    sign: int,
    clamp: tuple[int, int],
) -> None:
    a, b, size = operands(sizes)
    sums = (
        rescaled((x + offsets[0]) << 20, in_scales[0])
        + sign * rescaled((y + offsets[1]) << 20, in_scales[1])
        for x, y in pairs(a, b, size)
    )
    expected = finished((rescaled(value, out_scale) for value in sums), zp, clamp)
    output = Guarded(size)
    runtime.call(
        "sparsec_add_s8",
        *(20, offsets[0], PerTensorQuantParams(*in_scales[0])),
        *(offsets[1], PerTensorQuantParams(*in_scales[1]), sign),
        *(zp, Activation(*clamp), PerTensorQuantParams(*out_scale)),
        *(a.size, a, b.size, b, size, output),
    )
    np.testing.assert_array_equal(output.bytes, expected)


@pytest.mark.parametrize(("name", "extreme"), [("maximum", max), ("minimum", min)])
@MANY
@given(sizes=SIZES)
def test_extreme(
    runtime: KernelLibrary,
    name: str,
    extreme: Callable[[int, int], int],
    sizes: tuple[int, int],
) -> None:
    a, b, size = operands(sizes)
    output = Guarded(size)
    runtime.call(f"sparsec_{name}_s8", a.size, a, b.size, b, size, output)
    assert output.bytes.tolist() == [extreme(x, y) for x, y in pairs(a, b, size)]


@MANY
@given(
    alphas=st.sampled_from([1, 2, 4, 60, 120]),
    offsets=st.tuples(OFFSETS, OFFSETS),
    zp=ZERO_POINTS,
    scale=scales(14),
    alpha_scale=scales(14),
    clamp=CLAMPS,
)
def test_prelu(
    runtime: KernelLibrary,
    alphas: int,
    offsets: tuple[int, int],
    zp: int,
    scale: tuple[int, int],
    alpha_scale: tuple[int, int],
    clamp: tuple[int, int],
) -> None:
    alpha, x, size = operands((alphas, 120))
    centred = ((a + offsets[1], v + offsets[0]) for a, v in pairs(alpha, x, size))
    values = (rescaled(v, scale) if v >= 0 else rescaled(v * a, alpha_scale) for a, v in centred)
    expected = finished(values, zp, clamp)
    output = Guarded(size)
    output.bytes[:] = x
    runtime.call(
        "sparsec_prelu_s8",
        *(*offsets, zp, Activation(*clamp)),
        *(PerTensorQuantParams(*scale), PerTensorQuantParams(*alpha_scale)),
        *(alphas, alpha, size, output, output),
    )
    np.testing.assert_array_equal(output.bytes, expected)
