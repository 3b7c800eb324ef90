# SPDX-License-Identifier: Apache-2.0
"""A network of Helium convolutions that take four pixels at a time: the same bytes on Cortex-M55, memory left alone that is
others'."""

import json

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.formats import Block, SparseFormat
from sparsec.ir import qnn
from sparsec.ir.attributes import KERNEL
from sparsec.ir.constant import dense_attribute
from sparsec.ir.sparse import EncodingAttr
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.end_to_end.building import Builder
from tests.end_to_end.road import Compiled, compile_module, expect_exact, extreme_and_random

RUNS = "sparsec_convolve_runs_s8"
SAME = Window(padding=(1, 1, 1, 1))


def convolution(
    net: Builder,
    x: SSAValue,
    size: tuple[int, int, int],
    outputs: int,
    kernel: int,
    window: Window,
    format: SparseFormat | None,
) -> tuple[SSAValue, tuple[int, int, int]]:
    """A layer with weights in `format`, a row of which is empty, or dense ones; its output, and the size of that."""
    rng = np.random.default_rng(outputs)
    weights = rng.integers(-128, 128, (outputs, kernel, kernel, size[2])).astype(np.int8)
    if format is not None:
        weights[rng.random(weights.shape) < 0.7] = 0
        weights[1] = 0
    encoding = None if format is None else EncodingAttr(format)
    constant = qnn.ConstantOp(dense_attribute(weights, encoding), f"layer{net.layers}.weight")
    net.block.add_op(constant)
    numbers = (
        net.constant(rng.integers(-500, 500, outputs).astype(np.int32)),
        net.constant(rng.integers(2**30, 2**31 - 1, outputs).astype(np.int32)),
        net.constant(rng.integers(-10, -7, outputs).astype(np.int32)),
    )
    height, width = window.output_size(size[:2], (kernel, kernel))
    result = TensorType(i8, (1, height, width, outputs))
    requant = Requant(input_zp=3, output_zp=3, clamp=(-128, 120))
    op = qnn.Conv2dOp(x, constant.result, *numbers, requant, window, result)
    op.attributes[KERNEL] = StringAttr(
        RUNS if format is None else f"sparsec_convolve_{format.label[6:-1]}_s8"
    )
    return net.layer(op), (height, width, outputs)


def network() -> Compiled:
    """First layers with few channels, borders, strides, a dilation, channels that are no multiple of four."""
    net = Builder()
    size = 13, 10, 3
    y = net.input((1, *size))
    for outputs, kernel, window, format in (
        (16, 3, Window((2, 2), (0, 1, 1, 1)), None),
        (20, 1, Window(), Block(1, 16)),
        (36, 3, SAME, Block(1, 4)),
        (32, 3, Window(padding=(2, 2, 2, 2), dilations=(2, 2)), None),
        (18, 3, SAME, Block(1, 16)),
        (40, 3, Window(), None),
        (8, 1, Window((2, 2)), Block(1, 4)),
        (9, 1, Window(), None),
    ):
        y, size = convolution(net, y, size, outputs, kernel, window, format)
    return compile_module(net.module([y]), "cortex-m55")


@pytest.mark.qemu
def test_exact() -> None:
    compiled = network()
    inputs = extreme_and_random(compiled.input_shapes, random=2, seed=1)
    (output,) = expect_exact(compiled, "cortex-m55", inputs, canaries=True)
    assert len(np.unique(output)) > 10


def test_report() -> None:
    layers = json.loads(network().files["report.json"])["layers"]
    found = [(layer["kernel"], layer["format"], layer["layout"]) for layer in layers]
    assert found == [
        (RUNS, "dense", "runs for four pixels"),
        ("sparsec_convolve_1x16_s8", "block(1x16)", "blocks for four pixels"),
        ("sparsec_convolve_1x4_s8", "block(1x4)", "blocks for four pixels"),
        (RUNS, "dense", "runs for four pixels"),
        ("sparsec_convolve_1x16_s8", "block(1x16)", "blocks for four pixels"),
        (RUNS, "dense", "runs for four pixels"),
        ("sparsec_convolve_1x4_s8", "block(1x4)", "blocks for four pixels"),
        (RUNS, "dense", "runs for four pixels"),
    ]
