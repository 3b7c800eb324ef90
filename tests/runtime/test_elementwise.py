# SPDX-License-Identifier: Apache-2.0
"""Product, sum, difference, maximum, minimum and PRELU against exact integers, of operands that broadcast."""

from collections.abc import Callable, Iterator
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.kernel_library import (
    Activation,
    Dims,
    Guarded,
    Int8,
    KernelLibrary,
    PerTensorQuantParams,
)

MANY = settings(max_examples=200)
SIZES = st.tuples(*[st.integers(1, 3)] * 3, st.sampled_from([1, 2, 3, 4, 5, 8, 16, 19, 33]))
KEPT = st.tuples(*[st.booleans()] * 4)
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


Operands = tuple[Int8, Int8, Int8, Int8]
"""Two operands, and what meets in each element of the result."""


@st.composite
def shapes(draw: st.DrawFn) -> Operands:
    """Two operands of four axes, of which either may have only one element of some."""
    sizes = draw(SIZES)
    found = [
        data(prod(shape)).reshape(shape)
        for kept in (draw(KEPT), draw(KEPT))
        for shape in [tuple(n if own else 1 for n, own in zip(sizes, kept, strict=True))]
    ]
    a, b = found[0], found[1][..., ::-1].copy()
    met = np.broadcast_shapes(a.shape, b.shape)
    return a, b, np.broadcast_to(a, met), np.broadcast_to(b, met)


def pairs(operands: Operands) -> Iterator[tuple[int, int]]:
    _, _, a, b = operands
    return zip(a.ravel().tolist(), b.ravel().tolist(), strict=True)


def arguments(operands: Operands) -> list[object]:
    """Shape and data of both."""
    return [part for array in operands[:2] for part in (Dims(*array.shape), array)]


def finished(values: Iterator[int], offset: int, clamp: tuple[int, int]) -> Int8:
    return np.array([min(max(value + offset, clamp[0]), clamp[1]) for value in values], np.int8)


@MANY
@given(
    operands=shapes(),
    offsets=st.tuples(OFFSETS, OFFSETS),
    zp=ZERO_POINTS,
    scale=scales(14),
    clamp=CLAMPS,
)
def test_mul(
    runtime: KernelLibrary,
    operands: Operands,
    offsets: tuple[int, int],
    zp: int,
    scale: tuple[int, int],
    clamp: tuple[int, int],
) -> None:
    products = (rescaled((x + offsets[0]) * (y + offsets[1]), scale) for x, y in pairs(operands))
    expected = finished(products, zp, clamp)
    output = Guarded(operands[2].size)
    quant, activation = PerTensorQuantParams(*scale), Activation(*clamp)
    runtime.call("sparsec_mul_s8", *offsets, zp, activation, quant, *arguments(operands), output)
    np.testing.assert_array_equal(output.bytes, expected)


@MANY
@given(
    operands=shapes(),
    offsets=st.tuples(OFFSETS, OFFSETS),
    zp=ZERO_POINTS,
    in_scales=st.tuples(scales(0), scales(0)),
    out_scale=scales(0),
    sign=st.sampled_from([1, -1]),
    clamp=CLAMPS,
)
def test_add(
    runtime: KernelLibrary,
    operands: Operands,
    offsets: tuple[int, int],
    zp: int,
    in_scales: tuple[tuple[int, int], tuple[int, int]],
    out_scale: tuple[int, int],
    sign: int,
    clamp: tuple[int, int],
) -> None:
    sums = (
        rescaled((x + offsets[0]) << 20, in_scales[0])
        + sign * rescaled((y + offsets[1]) << 20, in_scales[1])
        for x, y in pairs(operands)
    )
    expected = finished((rescaled(value, out_scale) for value in sums), zp, clamp)
    output = Guarded(operands[2].size)
    runtime.call(
        "sparsec_add_s8",
        *(20, offsets[0], PerTensorQuantParams(*in_scales[0])),
        *(offsets[1], PerTensorQuantParams(*in_scales[1]), sign),
        *(zp, Activation(*clamp), PerTensorQuantParams(*out_scale)),
        *arguments(operands),
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected)


@pytest.mark.parametrize(("name", "extreme"), [("maximum", max), ("minimum", min)])
@MANY
@given(operands=shapes())
def test_extreme(
    runtime: KernelLibrary,
    name: str,
    extreme: Callable[[int, int], int],
    operands: Operands,
) -> None:
    output = Guarded(operands[2].size)
    runtime.call(f"sparsec_{name}_s8", *arguments(operands), output)
    assert output.bytes.tolist() == [extreme(x, y) for x, y in pairs(operands)]


@MANY
@given(operands=shapes(), kept=KEPT)
def test_select(runtime: KernelLibrary, operands: Operands, kept: tuple[bool, ...]) -> None:
    met = operands[2].shape
    shape = tuple(n if own else 1 for n, own in zip(met, kept, strict=True))
    mask = data(prod(shape)).reshape(shape) // 64  # about a quarter is 0
    output = Guarded(operands[2].size)
    runtime.call("sparsec_select_s8", Dims(*shape), mask, *arguments(operands), Dims(*met), output)
    expected: Int8 = np.where(mask != 0, operands[2], operands[3])
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


@MANY
@given(
    operands=shapes(),
    offsets=st.tuples(OFFSETS, OFFSETS),
    zp=ZERO_POINTS,
    scale=scales(14),
    alpha_scale=scales(14),
    clamp=CLAMPS,
)
def test_prelu(
    runtime: KernelLibrary,
    operands: Operands,
    offsets: tuple[int, int],
    zp: int,
    scale: tuple[int, int],
    alpha_scale: tuple[int, int],
    clamp: tuple[int, int],
) -> None:
    alpha, _, _, x = operands
    centred = ((a + offsets[1], v + offsets[0]) for a, v in pairs(operands))
    values = (rescaled(v, scale) if v >= 0 else rescaled(v * a, alpha_scale) for a, v in centred)
    expected = finished(values, zp, clamp)
    output = Guarded(x.size)
    output.bytes[:] = x.ravel()
    runtime.call(
        "sparsec_prelu_s8",
        *(*offsets, zp, Activation(*clamp)),
        *(PerTensorQuantParams(*scale), PerTensorQuantParams(*alpha_scale)),
        *(Dims(*x.shape), output, Dims(*alpha.shape), alpha, output),
    )
    np.testing.assert_array_equal(output.bytes, expected)
