# SPDX-License-Identifier: Apache-2.0
"""The int8 operators against CMSIS-NN compiled for the host: 0 differing bytes on any shape."""

import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sparsec.quantization import int8
from sparsec.quantization.arrays import Int8Array
from sparsec.run.cmsis_nn import locate
from tests.quantization.cmsis_golden import GoldenCase, golden_cases
from tests.quantization.cmsis_host import CmsisNn, build_library

pytestmark = pytest.mark.skipif(
    locate() is None or shutil.which("gcc") is None,
    reason="needs gcc and CMSIS-NN: run python -m sparsec.run.cmsis_nn, or set CMSIS_NN_DIR",
)

exact = settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

seeds = st.integers(0, 2**32 - 1)
zero_points = st.integers(-128, 127)
clamps = st.tuples(st.integers(-128, 127), st.integers(-128, 127)).map(
    lambda pair: (min(pair), max(pair))
) | st.just((-128, 127))
sizes = st.integers(1, 9)
# CMSIS-NN has kernels of its own for 1x1, 1xN and depthwise 3x3.
kernels = st.tuples(st.integers(1, 4), st.integers(1, 4)) | st.sampled_from(
    [(1, 1), (3, 3), (1, 3), (1, 4)]
)
strides = st.tuples(st.integers(1, 3), st.integers(1, 3))
dilations = st.just((1, 1)) | st.tuples(st.integers(1, 3), st.integers(1, 3))


@pytest.fixture(scope="session")
def cmsis(tmp_path_factory: pytest.TempPathFactory) -> CmsisNn:
    root = locate()
    assert root is not None
    return CmsisNn(build_library(root, tmp_path_factory.mktemp("cmsis_nn") / "libcmsis_nn.so"))


def random_int8(rng: np.random.Generator, *shape: int) -> Int8Array:
    return rng.integers(-128, 128, shape, np.int8)


def scale_params(data: st.DataObject, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Multipliers and shifts that mostly land in int8, and some that do not."""
    low, high = data.draw(st.sampled_from([(-11, -6), (-31, 4)]))
    return {
        "multiplier": rng.integers(2**30, 2**31, shape, np.int32),
        "shift": rng.integers(low, high, shape, np.int32),
        "input_zp": data.draw(zero_points),
        "output_zp": data.draw(zero_points),
        "clamp": data.draw(clamps),
    }


@st.composite
def windows(
    draw: st.DrawFn, dilated: bool, kernels: st.SearchStrategy[tuple[int, int]] = kernels
) -> dict[str, Any]:
    """Padding smaller than the kernel's span on every side, as frameworks emit it, and an input it fits."""
    kernel, dilation = draw(kernels), draw(dilations) if dilated else (1, 1)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    pads = [draw(st.integers(0, span - 1)) for span in (*spans, *spans)]
    needed = [max(1, spans[i] - pads[i] - pads[i + 2]) for i in (0, 1)]
    return {
        "size": tuple(n + draw(st.just(0) | sizes) for n in needed),
        "kernel": kernel,
        "strides": draw(strides),
        "padding": tuple(pads),
        "dilations": dilation,
    }


def random_bias(data: st.DataObject, rng: np.random.Generator, channels: int) -> Any:
    return rng.integers(-50000, 50000, channels, np.int32) if data.draw(st.booleans()) else None


@given(st.data())
@exact
def test_convolve(cmsis: CmsisNn, data: st.DataObject):
    rng = np.random.default_rng(data.draw(seeds))
    window = data.draw(windows(dilated=True))
    size, kernel = window.pop("size"), window.pop("kernel")
    batch, channels, outputs = data.draw(st.integers(1, 3)), data.draw(sizes), data.draw(sizes)
    x, w = random_int8(rng, batch, *size, channels), random_int8(rng, outputs, *kernel, channels)
    bias = random_bias(data, rng, outputs)
    params = window | scale_params(data, rng, (outputs,))
    actual = int8.convolve(x, w, bias, **params)
    np.testing.assert_array_equal(actual, cmsis.convolve(x, w, bias, **params))


def reads_beyond_the_row(x: Int8Array, w: Int8Array, params: dict[str, Any]) -> bool:
    """Where CMSIS-NN is wrong: its depthwise 3x3 kernel always reads the middle column of a window.

    The wrapper takes it for a padding of at most 1 before, and does not see that more than 1 column of
    padding follows.
    """
    (top, left, _, right), stride = params["padding"], params["strides"][1]
    if x.shape[0] != 1 or w.shape[1:] != (3, 3, x.shape[3]) or params["dilations"] != (1, 1):
        return False
    width = int8.output_size(x.shape[2], 3, stride, left, right)
    return top <= 1 and left <= 1 and (width - 1) * stride - left + 1 >= x.shape[2]


@given(st.data())
@exact
def test_depthwise_convolve(cmsis: CmsisNn, data: st.DataObject):
    rng = np.random.default_rng(data.draw(seeds))
    window = data.draw(windows(True, st.just((3, 3)) | kernels))
    size, kernel = window.pop("size"), window.pop("kernel")
    batch, channels = data.draw(st.sampled_from([1, 1, 1, 2])), data.draw(sizes)
    outputs = channels * data.draw(st.sampled_from([1, 1, 1, 2, 3, 4, 8]))
    x, w = random_int8(rng, batch, *size, channels), random_int8(rng, 1, *kernel, outputs)
    bias = random_bias(data, rng, outputs)
    params = window | scale_params(data, rng, (outputs,))
    assume(not reads_beyond_the_row(x, w, params))
    actual = int8.depthwise_convolve(x, w, bias, **params)
    np.testing.assert_array_equal(actual, cmsis.depthwise_convolve(x, w, bias, **params))


@given(st.data())
@exact
def test_fully_connected(cmsis: CmsisNn, data: st.DataObject):
    rng = np.random.default_rng(data.draw(seeds))
    batch, depth, outputs = data.draw(sizes), data.draw(st.integers(1, 70)), data.draw(sizes)
    x, w = random_int8(rng, batch, depth), random_int8(rng, outputs, depth)
    bias = random_bias(data, rng, outputs)
    params = scale_params(data, rng, ())
    actual = int8.fully_connected(x, w, bias, **params)
    np.testing.assert_array_equal(actual, cmsis.fully_connected(x, w, bias, **params))


@given(st.data(), st.sampled_from(["max_pool", "avg_pool"]))
@exact
def test_pool(cmsis: CmsisNn, data: st.DataObject, kind: str):
    rng = np.random.default_rng(data.draw(seeds))
    window = data.draw(windows(dilated=False))
    del window["dilations"]
    x = random_int8(rng, data.draw(st.integers(1, 3)), *window.pop("size"), data.draw(sizes))
    params = window | {"clamp": data.draw(clamps)}
    try:
        actual = getattr(int8, kind)(x, **params)
    except ValueError as error:
        assert "only padding" in str(error)  # noqa: PT017
        return
    np.testing.assert_array_equal(actual, getattr(cmsis, kind)(x, **params))


@given(
    seeds, st.integers(1, 40), st.tuples(*[st.floats(1e-4, 1.0)] * 3), *[zero_points] * 3, clamps
)
@exact
def test_add(
    cmsis: CmsisNn,
    seed: int,
    size: int,
    scales: tuple[float, float, float],
    zp1: int,
    zp2: int,
    zp3: int,
    clamp: tuple[int, int],
):
    rng = np.random.default_rng(seed)
    a, b = random_int8(rng, size), random_int8(rng, size)
    params: dict[str, Any] = {**int8.add_params(*scales), "clamp": clamp}
    params |= {"input1_zp": zp1, "input2_zp": zp2, "output_zp": zp3}
    np.testing.assert_array_equal(int8.add(a, b, **params), cmsis.add(a, b, **params))


@given(seeds, st.integers(1, 5), st.integers(1, 511), st.floats(1e-6, 2.0), st.integers(1, 128))
@exact
def test_softmax(cmsis: CmsisNn, seed: int, rows: int, row: int, scale: float, spread: int):
    x = np.random.default_rng(seed).integers(-spread, spread, (rows, row), np.int8)
    params = int8.softmax_params(scale)
    np.testing.assert_array_equal(int8.softmax(x, **params), cmsis.softmax(x, **params))


@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: case.id)
def test_the_library_agrees_with_the_golden_data(cmsis: CmsisNn, case: GoldenCase):
    actual = getattr(cmsis, case.kind)(*case.inputs, **case.weights, **case.params)
    np.testing.assert_array_equal(actual, case.output)
