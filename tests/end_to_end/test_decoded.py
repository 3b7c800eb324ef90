# SPDX-License-Identifier: Apache-2.0
"""Networks with weights in every format that is decoded before it is multiplied: the same bytes everywhere."""

import json
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import SSAValue

from sparsec.formats import (
    Bitmap,
    Block,
    BlockRle,
    Csr,
    Dcsr,
    Delta4,
    Nm,
    SparseFormat,
)
from sparsec.ir import qnn
from sparsec.ir.constant import dense_attribute
from sparsec.ir.rt.decode import decoder_of
from sparsec.ir.sparse import EncodingAttr
from sparsec.kernels.linear_decoded import ROOM
from sparsec.layouts import PLAIN
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.end_to_end.building import Builder
from tests.end_to_end.road import Compiled, compile_side_by_side, expect_exact, extreme_and_random
from tests.formats.support import fitting

FORMATS: tuple[SparseFormat, ...] = (
    *(Delta4(), Bitmap(), Csr(), Dcsr(), BlockRle(1), BlockRle(3)),
    *(Nm(2, 4), Nm(3, 8), Block(1, 2), Block(2, 1), Block(3, 5)),
)
EVERYWHERE = [
    "host",
    *(pytest.param(cpu, marks=pytest.mark.qemu) for cpu in ("cortex-m4", "cortex-m55")),
]
KERNELS = (
    "sparsec_convolve_delta8_s8",
    "sparsec_convolve_delta8_strips_s8",
)
ROW = "sparsec_fully_connected_decoded_s8"


def operands(
    net: Builder, encoding: SparseFormat, shape: tuple[int, ...], density: float
) -> tuple[SSAValue, SSAValue, SSAValue, SSAValue]:
    """Weights, biases, multipliers and shifts of a layer of shape[0] outputs."""
    rng = np.random.default_rng(shape)
    weights = rng.integers(-128, 128, shape).astype(np.int8)
    weights[rng.random(shape) >= density] = 0
    weights[-1] = 0
    matrix = fitting(encoding, weights.reshape(shape[0], -1))
    value = dense_attribute(matrix.reshape(shape), EncodingAttr(encoding))
    constant = qnn.ConstantOp(value, f"layer{net.layers}.weight")
    net.block.add_op(constant)
    outputs = shape[0]
    return (
        constant.result,
        net.constant(rng.integers(-500, 500, outputs).astype(np.int32)),
        net.constant(rng.integers(2**30, 2**31 - 1, outputs).astype(np.int32)),
        net.constant(rng.integers(-9, -7, outputs).astype(np.int32)),
    )


def add_layers(net: Builder, encoding: SparseFormat, inputs: list[SSAValue]) -> list[SSAValue]:
    """A convolution that feeds another, a linear layer of one row, one of several, and one of zeros."""
    image, row, rows = inputs
    requant = Requant(input_zp=7, output_zp=-5)

    def tensor(*shape: int) -> TensorType[Any]:
        return TensorType(i8, shape)

    y = image
    for kernel, channels, outputs in ((3, 5, 6), (1, 6, 4)):
        weights = operands(net, encoding, (outputs, kernel, kernel, channels), 0.4)
        pad = kernel // 2
        window = Window(padding=(pad, pad, pad, pad))
        y = net.layer(qnn.Conv2dOp(y, *weights, requant, window, tensor(1, 6, 6, outputs)))
    results = [y]
    for x, shape, density, result in (
        (row, (9, 600), 0.01, tensor(1, 9)),
        (rows, (7, 40), 0.3, tensor(1, 5, 7)),
        (rows, (3, 40), 0.0, tensor(1, 5, 3)),
    ):
        weights = operands(net, encoding, shape, density)
        results.append(net.layer(qnn.LinearOp(x, *weights, requant, result)))
    return results


def network(formats: tuple[SparseFormat, ...], cpu: str) -> Compiled:
    net = Builder()
    inputs = [net.input(shape) for shape in ((1, 6, 6, 5), (1, 600), (1, 5, 40))]
    results = [result for encoding in formats for result in add_layers(net, encoding, inputs)]
    return compile_side_by_side(net.module(results), cpu)


@pytest.mark.parametrize("cpu", EVERYWHERE)
def test_every_format(cpu: str) -> None:
    compiled = network(FORMATS, cpu)
    inputs = extreme_and_random(compiled.input_shapes, random=1, seed=1)
    outputs = expect_exact(compiled, cpu, inputs, canaries=True)
    assert all(len(np.unique(output)) > 2 for output in outputs)


@pytest.mark.parametrize("encoding", FORMATS, ids=lambda e: e.label)
def test_report(encoding: SparseFormat) -> None:
    """A convolution is two calls: the decoder, with its memory, and the kernel, with what is stored. A linear layer of one
    row is one, and decodes a few rows at a time."""
    report = json.loads(network((encoding,), "host").files["report.json"])
    decoder = decoder_of(encoding)
    assert decoder is not None
    layers = report["layers"]
    assert len(layers) == 9
    [row] = [layer for layer in layers if layer["kernel"] == ROW]
    assert (row["format"], row["layout"]) == (encoding.label, PLAIN)
    assert 0 < row["scratch_bytes"] <= 2 * ROOM
    others = [layer for layer in layers if layer is not row]
    for decoding, layer in zip(others[::2], others[1::2], strict=True):
        assert decoding["kernel"] == decoder.C_FUNCTION
        assert layer["kernel"] in KERNELS
        assert decoding["format"] == layer["format"] == encoding.label
        assert decoding["layout"] == layer["layout"] == PLAIN
        assert decoding["name"] == layer["name"]
        assert decoding["scratch_bytes"] > 0 == decoding["weight_bytes_stored"]
        assert decoding["density"] == layer["density"] < 0.5
        assert layer["macs"] > 0
    stored = sum(layer["weight_bytes_stored"] for layer in layers)
    dense = sum(layer["weight_bytes_dense"] for layer in layers)
    saved = report["flash_weight_bytes_dense"] - report["flash_weight_bytes_stored"]
    assert saved == dense - stored
    assert dense == 6 * 45 + 4 * 6 + 9 * 600 + 10 * 40
