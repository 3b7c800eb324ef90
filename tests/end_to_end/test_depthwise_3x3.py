# SPDX-License-Identifier: Apache-2.0
"""A network of dense 3x3 depthwise convolutions: the same bytes on cores with DSP instructions and with Helium, and one
plan over its inputs for the former."""

import json

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import SSAValue

from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.end_to_end.building import Builder
from tests.end_to_end.road import Compiled, compile_module, expect_exact, extreme_and_random

FUNCTION = "sparsec_depthwise_convolve_3x3_s8"
HELIUM = "sparsec_depthwise_convolve_lanes_s8"
SAME = Window(padding=(1, 1, 1, 1))


def depthwise(
    net: Builder, x: SSAValue, size: tuple[int, int], channels: int, window: Window, zero: int
) -> tuple[SSAValue, tuple[int, int]]:
    """A layer whose rows end in every way, if the output's zero point `zero` is its least value; the output and its size."""
    rng = np.random.default_rng(channels - zero)
    weights = rng.integers(-128, 128, (1, 3, 3, channels)).astype(np.int8)
    shifts = rng.integers(-10, -7, channels).astype(np.int32)
    multipliers = rng.integers(2**30, 2**31 - 1, channels).astype(np.int32)
    shifts[1::7], shifts[5] = -13, 0
    multipliers[5] >>= 9
    operands = (
        net.constant(weights),
        net.constant(rng.integers(-500, 500, channels).astype(np.int32)),
        net.constant(multipliers),
        net.constant(shifts),
    )
    size = window.output_size(size, (3, 3))
    result = TensorType(i8, (1, *size, channels))
    requant = Requant(input_zp=zero, output_zp=zero, clamp=(-128, 120))
    return net.layer(qnn.DepthwiseConv2dOp(x, *operands, requant, window, result)), size


def network(cpu: str) -> Compiled:
    """Strides 1 and 2, odd sizes, channels that are no multiple of four."""
    net = Builder()
    size, channels = (21, 17), 22
    y = net.input((1, *size, channels))
    for window, zero in (
        (SAME, -128),
        (Window((2, 2), (1, 1, 1, 1)), -128),
        (SAME, -5),
        (Window((2, 2), (0, 0, 1, 1)), -128),
    ):
        y, size = depthwise(net, y, size, channels, window, zero)
    return compile_module(net.module([y]), cpu, "--weights=dense")


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_exact(cpu: str) -> None:
    compiled = network(cpu)
    inputs = extreme_and_random(compiled.input_shapes, random=1, seed=1)
    (output,) = expect_exact(compiled, cpu, inputs)
    assert len(np.unique(output)) > 10


def test_helium() -> None:
    layers = json.loads(network("cortex-m55").files["report.json"])["layers"]
    assert [layer["kernel"] for layer in layers] == [HELIUM] * 4
    assert all(
        (layer["format"], layer["layout"]) == ("dense", "depthwise lanes") for layer in layers
    )
    # Channels are filled up to 24.
    stored = 3 * 8 * (9 + 12) - 12 * 22
    assert [layer["weight_bytes_stored"] for layer in layers] == [stored] * 4


def test_report() -> None:
    report = json.loads(network("cortex-m4").files["report.json"])
    layers = report["layers"]
    assert [layer["kernel"] for layer in layers] == [FUNCTION] * 4
    assert all((layer["format"], layer["layout"]) == ("dense", "depthwise 3x3") for layer in layers)
    assert [layer["weight_bytes_dense"] for layer in layers] == [9 * 22] * 4
    # Every output begins where its input does.
    assert report["arena_bytes"] < 21 * 17 * 22 + 8 * (4 * 18 + 1) + 16
