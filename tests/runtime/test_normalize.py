# SPDX-License-Identifier: Apache-2.0
"""Normalisation in C against that in numpy, and both against real numbers."""

import ctypes
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.quantization.normalization import (
    EXTRA_BITS,
    FRACTION_BITS,
    MAX_EPSILON,
    SPREAD_BITS,
    NormalizeParams,
    common_multipliers,
    normalize,
    reciprocal_root,
)
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import (
    Activation,
    Dims,
    Guarded,
    Int8,
    KernelLibrary,
    PerChannelQuantParams,
)
from tests.runtime.kernel_project import KernelProject, dims, per_channel

MANY = settings(max_examples=300)
Int32 = NDArray[np.int32]


@dataclass
class Channels:
    """What each channel is scaled by, in steps of the output, and what is added."""

    factor: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def arrays(self) -> tuple[Int32, Int32, Int32]:
        """Multiplier, shift and bias."""
        scale = self.factor * 2.0 ** (EXTRA_BITS - FRACTION_BITS)
        pairs = [quantize_multiplier(abs(each)) for each in scale.tolist()]
        multiplier, shift = np.array(pairs, np.int32).T
        signed: Int32 = np.where(scale < 0, -1, 1).astype(np.int32) * multiplier
        bias = np.round(self.offset * 2**EXTRA_BITS).astype(np.int32)
        return signed, np.ascontiguousarray(shift), bias


def channels(rng: np.random.Generator, count: int) -> Channels:
    return Channels(rng.uniform(-90, 90, count), rng.uniform(-40, 40, count))


def image(rng: np.random.Generator, shape: tuple[int, ...], spread: int) -> Int8:
    """Values around some byte, no further than `spread` from it."""
    center = int(rng.integers(-128 + spread, 128 - spread)) if spread < 128 else 0
    return np.clip(rng.integers(-spread, spread + 1, shape) + center, -128, 127).astype(np.int8)


def by_kernel(runtime: KernelLibrary, x: Int8, of: Channels, p: NormalizeParams) -> Int8:
    output = Guarded(x.size)
    multiplier, shift, bias = of.arrays
    runtime.call(
        "sparsec_normalize_s8",
        -p.input_zp,
        p.output_zp,
        Activation(*p.clamp),
        p.groups,
        p.centered,
        ctypes.c_int64(p.epsilon),
        PerChannelQuantParams(multiplier.ctypes.data, shift.ctypes.data),
        bias,
        Dims(*x.shape),
        x,
        output,
    )
    return output.bytes.reshape(x.shape)


def by_numpy(x: Int8, of: Channels, p: NormalizeParams) -> Int8:
    multiplier, shift, bias = of.arrays
    return normalize(x, multiplier, shift, bias, p)


def real(x: Int8, of: Channels, p: NormalizeParams) -> NDArray[np.float64]:
    """Before it is rounded."""
    sets = x.reshape(*x.shape[:3], p.groups, -1).astype(np.float64) - p.input_zp
    count = sets.shape[2] * sets.shape[4]
    if p.centered:
        sets = sets - sets.mean(axis=(2, 4), keepdims=True)
    epsilon = p.epsilon / count**2 / 2**SPREAD_BITS
    square = (sets**2).mean(axis=(2, 4), keepdims=True) + epsilon
    normal = sets / np.sqrt(np.where(square > 0, square, 1))
    found = normal.reshape(x.shape) * of.factor + of.offset + p.output_zp
    return np.clip(found, *p.clamp)


SHAPES = st.tuples(
    st.just(1), st.integers(1, 3), st.integers(1, 7), st.sampled_from([1, 2, 4, 6, 12, 33, 64])
)


@MANY
@given(
    shape=SHAPES,
    groups=st.sampled_from([1, 2, 3]),
    centered=st.integers(0, 1),
    spread=st.sampled_from([0, 1, 3, 40, 128]),
    zero_points=st.tuples(st.integers(-128, 127), st.integers(-128, 127)),
    epsilon=st.sampled_from([0, 1, 300, 10**6, MAX_EPSILON]),
    seed=st.integers(0, 9),
)
def test_bytes(
    runtime: KernelLibrary,
    shape: tuple[int, int, int, int],
    groups: int,
    centered: int,
    spread: int,
    zero_points: tuple[int, int],
    epsilon: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    if shape[3] % groups:
        groups = 1
    clamp = (-128, 127) if seed % 2 else (-100, 90)
    p = NormalizeParams(*zero_points, groups, centered, epsilon, clamp)
    x, of = image(rng, shape, spread), channels(rng, shape[3])
    found = by_numpy(x, of, p)
    np.testing.assert_array_equal(by_kernel(runtime, x, of, p), found)
    assert np.abs(found - real(x, of, p)).max() <= 0.5 + 2**-6


@pytest.mark.parametrize("shape", [(1, 1, 1, 65536), (1, 1, 65536, 1), (1, 1, 4096, 16)])
@pytest.mark.parametrize("centered", [0, 1])
def test_largest_sets(
    runtime: KernelLibrary, shape: tuple[int, int, int, int], centered: int
) -> None:
    """The largest sums, and a single value beside equal ones, which lies furthest from the mean."""
    of = Channels(np.full(shape[3], 0.4), np.zeros(shape[3]))
    p = NormalizeParams(127 if centered else 0, 3, 1, centered)
    far = np.full(shape, 0 if centered else 127, np.int8)
    far.flat[5] = -128
    for x in (np.full(shape, -128, np.int8), far):
        found = by_numpy(x, of, p)
        np.testing.assert_array_equal(by_kernel(runtime, x, of, p), found)
        assert np.abs(found - real(x, of, p)).max() <= 0.5 + 2**-6


@pytest.mark.parametrize("count", [2, 3, 64, 255])
@pytest.mark.parametrize("share", [1, 2**-4, 2**-8, 2**-12])
def test_worst_errors(count: int, share: float) -> None:
    """The largest factors that a kernel takes, whose errors are largest, on rows of little and of much spread."""
    rng = np.random.default_rng(count)
    factor = np.full(count, 0.999 * share * 2**21 / count**0.5) * rng.choice([-1, 1], count)
    scale = factor * 2.0 ** (EXTRA_BITS - FRACTION_BITS)
    zeros = np.zeros(count, np.int32)
    rows = [rng.integers(-spread, spread + 1, (400, count)) for spread in (1, 3, 40, 127)]
    lonely = np.zeros((256, count), np.int64)
    lonely[:, 0] = np.arange(-128, 128)
    x = np.concatenate([*rows, lonely]).astype(np.int8).reshape(1, -1, 1, count)
    p = NormalizeParams()
    found = normalize(x, *common_multipliers(scale), zeros, p)
    error = np.abs(found - real(x, Channels(factor, np.zeros(count)), p)).max()
    assert error <= 0.5 + 0.5 * share / count**0.5 + 2**-6 + 2**-8 + 2**-10 < 1


def test_what_has_no_spread_is_zero(runtime: KernelLibrary) -> None:
    x, of = np.full((1, 2, 3, 4), 9, np.int8), Channels(np.full(4, 50.0), np.arange(4.0))
    p = NormalizeParams(output_zp=2)
    for found in (by_numpy(x, of, p), by_kernel(runtime, x, of, p)):
        np.testing.assert_array_equal(found, np.broadcast_to(np.arange(4) + 2, x.shape))


def test_roots() -> None:
    """Of numbers of every size they are as close to the real ones as the highest 28 bits of a number allow."""
    rng = np.random.default_rng(0)
    values = np.concatenate([2**bits + rng.integers(0, 2**bits, 50) for bits in range(62)])
    multiplier, shift = reciprocal_root(np.append(values, [1, 2**28 - 1, 2**28, 2**62 - 1]))
    found = multiplier * 2.0 ** (shift - 31)
    exact = 2.0**25 / np.sqrt(np.append(values, [1, 2**28 - 1, 2**28, 2**62 - 1]).astype(float))
    assert np.abs(found / exact - 1).max() < 2**-27
    assert np.all((multiplier >= 2**30) & (multiplier < 2**31))
    assert reciprocal_root(np.array([0]))[0] == 0


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=9).filter(any))
def test_common_multipliers(factors: list[float]) -> None:
    multiplier, shift = common_multipliers(np.array(factors))
    assert len(set(shift.tolist())) == 1
    found = multiplier * 2.0 ** (shift - 31.0)
    assert np.abs(found - factors).max() <= 2.0**-31 * 2.0 ** int(shift[0])


def device_cases() -> list[tuple[Int8, tuple[Int32, Int32, Int32], NormalizeParams]]:
    """Rows of every tail with one shift for all channels and with several, either sign, a clamp, groups, no spread, the
    largest spread, and biases that do not fit the short way."""
    rng = np.random.default_rng(3)
    cases: list[tuple[Int8, tuple[Int32, Int32, Int32], NormalizeParams]] = []
    for width in (2, 3, 4, 5, 6, 7, 8, 64, 255):
        of = channels(rng, width)
        scale = of.factor * 2.0 ** (EXTRA_BITS - FRACTION_BITS)
        _, _, bias = of.arrays
        p = NormalizeParams(width % 50 - 9, 5 - width % 7, epsilon=width)
        common = (*common_multipliers(scale), bias)
        cases += [(image(rng, (1, 2, 1, width), spread), common, p) for spread in (0, 2, 30, 128)]
        x = image(rng, (1, 3, 1, width), 50)
        cases.append((x, of.arrays, p))
        cases.append((x, common, replace(p, clamp=(-20, 30))))
        cases.append((x, (*common[:2], bias + np.int32(2**24)), p))
        cases.append((x, common, replace(p, centered=0, input_zp=127, epsilon=0)))
        if width % 2 == 0:
            cases.append((x, common, replace(p, groups=2)))
    return cases


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Int8]:
    result = KernelProject()
    expected: list[Int8] = []
    for x, (multiplier, shift, bias), p in device_cases():
        arguments = [
            -p.input_zp,
            p.output_zp,
            f"&(cmsis_nn_activation){{{p.clamp[0]}, {p.clamp[1]}}}",
        ]
        result.call(
            "sparsec_normalize_s8",
            [
                *map(str, arguments),
                *map(str, (p.groups, p.centered, f"{p.epsilon}LL")),
                per_channel(result, multiplier, shift),
                result.array(bias),
                dims(*x.shape),
                result.array(x),
            ],
            x.size,
        )
        expected.append(normalize(x, multiplier, shift, bias, p).reshape(-1))
    directory = tmp_path_factory.mktemp("normalize")
    return result.write(directory, "sparsec_normalize_s8"), np.concatenate(expected)


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_core(project: tuple[Path, Int8], cmsis_nn_dir: Path, cpu: str) -> None:
    result = run_project(project[0], cpu, [np.zeros((1, 1), np.int8)], cmsis_nn=cmsis_nn_dir)
    np.testing.assert_array_equal(result.outputs[0][0], project[1])
