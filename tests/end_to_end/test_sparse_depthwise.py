# SPDX-License-Identifier: Apache-2.0
"""A network of sparse depthwise convolutions: the same bytes everywhere."""

import json

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import SSAValue

from sparsec.formats import Delta8
from sparsec.ir import qnn
from sparsec.ir.constant import dense_attribute
from sparsec.ir.sparse import EncodingAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.end_to_end.building import Builder
from tests.end_to_end.road import Compiled, compile_module, expect_exact, extreme_and_random

FUNCTION = "sparsec_depthwise_convolve_delta8_s8"


def depthwise(
    net: Builder,
    x: SSAValue,
    input: tuple[int, int, int],
    kernel: tuple[int, int],
    outputs: int,
    window: Window,
    density: float,
) -> tuple[SSAValue, tuple[int, int, int]]:
    """A layer of random weights with an empty channel; its output and the shape of that."""
    rng = np.random.default_rng(outputs)
    shape = (1, *kernel, outputs)
    weights = rng.integers(-128, 128, shape).astype(np.int8)
    weights[rng.random(shape) >= density] = 0
    weights[..., -1] = 0
    constant = qnn.ConstantOp(
        dense_attribute(weights, EncodingAttr(Delta8())), f"layer{net.layers}.weight"
    )
    net.block.add_op(constant)
    height, width = window.output_size(input[:2], kernel)
    operands = (
        constant.result,
        net.constant(rng.integers(-500, 500, outputs).astype(np.int32)),
        net.constant(rng.integers(2**30, 2**31 - 1, outputs).astype(np.int32)),
        net.constant(rng.integers(-9, -6, outputs).astype(np.int32)),
    )
    result = TensorType(i8, (1, height, width, outputs))
    requant = Requant(input_zp=7, output_zp=-5, clamp=(-100, 127))
    layer = qnn.DepthwiseConv2dOp(x, *operands, requant, window, result)
    return net.layer(layer), (height, width, outputs)


def network(cpu: str) -> Compiled:
    net = Builder()
    shape = (9, 11, 6)
    y = net.input((1, *shape))
    for kernel, multiplier, window, density in (
        ((3, 3), 1, Window((2, 2), (1, 1, 1, 1)), 0.9),
        ((2, 3), 2, Window(padding=(1, 2, 0, 2), dilations=(1, 2)), 0.4),
        ((5, 5), 1, Window(padding=(2, 2, 2, 2)), 0.2),
    ):
        y, shape = depthwise(net, y, shape, kernel, shape[2] * multiplier, window, density)
    return compile_module(net.module([y]), cpu)


@pytest.mark.parametrize("cpu", ["host", pytest.param("cortex-m4", marks=pytest.mark.qemu)])
def test_exact(cpu: str) -> None:
    compiled = network(cpu)
    inputs = extreme_and_random(compiled.input_shapes, random=1, seed=1)
    (output,) = expect_exact(compiled, cpu, inputs)
    assert len(np.unique(output)) > 10


def test_report() -> None:
    layers = json.loads(network("host").files["report.json"])["layers"]
    assert [layer["kernel"] for layer in layers] == [FUNCTION] * 3
    assert all(
        (layer["format"], layer["layout"]) == ("delta8", "depthwise rows") for layer in layers
    )
    assert [layer["weight_bytes_dense"] for layer in layers] == [54, 72, 300]
