# SPDX-License-Identifier: Apache-2.0
"""Lookup, requantize, pad, transpose and concatenate against numpy."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.runtime.kernel_library import (
    Activation,
    Dims,
    Guarded,
    Int8,
    KernelLibrary,
    PerTensorQuantParams,
)

ALL_VALUES = np.arange(-128, 128).astype(np.int8)
MANY = settings(max_examples=200)
SHAPES = hnp.array_shapes(min_dims=4, max_dims=4, max_side=6)


def values(shape: tuple[int, ...]) -> Int8:
    return np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)


def test_lookup(runtime: KernelLibrary) -> None:
    table = values((256,))
    output = Guarded(256)
    runtime.call("sparsec_lookup_s8", 256, ALL_VALUES, table, output)
    np.testing.assert_array_equal(output.bytes, table)


def test_lookup_in_place(runtime: KernelLibrary) -> None:
    table = values((256,))
    data = Guarded(256)
    data.bytes[:] = ALL_VALUES[::-1]
    runtime.call("sparsec_lookup_s8", 256, data, table, data)
    np.testing.assert_array_equal(data.bytes, table[::-1])


def requantized(
    multiplier: int, shift: int, input_offset: int, output_offset: int, clamp: tuple[int, int]
) -> Int8:
    """TFLite's MultiplyByQuantizedMultiplier (double rounding) on all values, in exact arithmetic."""
    results: list[int] = []
    for value in ALL_VALUES.tolist():
        scaled = (value + input_offset) << max(shift, 0)
        product = (scaled * multiplier + 2**30) >> 31
        right = max(-shift, 0)
        magnitude = (abs(product) + (1 << right >> 1)) >> right  # halves away from zero
        result = magnitude if product >= 0 else -magnitude
        results.append(min(max(result + output_offset, clamp[0]), clamp[1]))
    return np.array(results, np.int8)


@MANY
@given(
    multiplier=st.integers(2**30, 2**31 - 1),
    shift=st.integers(-31, 15),
    input_offset=st.integers(-127, 128),
    output_offset=st.integers(-128, 127),
    bounds=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
)
def test_requantize(
    runtime: KernelLibrary,
    multiplier: int,
    shift: int,
    input_offset: int,
    output_offset: int,
    bounds: tuple[int, int],
) -> None:
    quant = PerTensorQuantParams(multiplier, shift)
    clamp = (min(bounds), max(bounds))
    activation = Activation(*clamp)
    output = Guarded(256)
    runtime.call(
        "sparsec_requantize_s8",
        input_offset,
        output_offset,
        activation,
        quant,
        256,
        ALL_VALUES,
        output,
    )
    expected = requantized(multiplier, shift, input_offset, output_offset, clamp)
    np.testing.assert_array_equal(output.bytes, expected)
    output.bytes[:] = ALL_VALUES
    runtime.call(
        "sparsec_requantize_s8", input_offset, output_offset, activation, quant, 256, output, output
    )
    np.testing.assert_array_equal(output.bytes, expected)


@MANY
@given(
    shape=SHAPES,
    before=st.tuples(*[st.integers(0, 3)] * 4),
    after=st.tuples(*[st.integers(0, 3)] * 4),
)
def test_pad(
    runtime: KernelLibrary, shape: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]
) -> None:
    data = values(shape)
    expected = np.pad(data, list(zip(before, after, strict=True)), constant_values=-77)
    output = Guarded(expected.size)
    runtime.call(
        "sparsec_pad_s8", -77, Dims(*before), Dims(*shape), data, Dims(*expected.shape), output
    )
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))


@MANY
@given(
    shape=SHAPES, axis=st.integers(0, 3), sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4)
)
def test_concatenate(
    runtime: KernelLibrary, shape: tuple[int, ...], axis: int, sizes: list[int]
) -> None:
    parts = [values((*shape[:axis], size, *shape[axis + 1 :])) for size in sizes]
    expected = np.concatenate(parts, axis)
    output = Guarded(expected.size)
    blocks = int(np.prod(shape[:axis]))
    offset = 0
    for part in parts:
        block_bytes = part.size // blocks
        runtime.call(
            "sparsec_concatenate_s8",
            blocks,
            block_bytes,
            expected.size // blocks,
            offset,
            part,
            output,
        )
        offset += block_bytes
    np.testing.assert_array_equal(output.bytes, expected.reshape(-1))
