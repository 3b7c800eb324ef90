# SPDX-License-Identifier: Apache-2.0
"""Networks whose activations stay channel-major between layers, on a Cortex-M55: interpreter, calls and C give the same bytes,
and nothing is converted but where it has to be."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp

from sparsec.ir import qnn
from sparsec.ir.kernel import KernelOp
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams
from sparsec.quantization.window import Window
from tests.end_to_end.road import Compiled, compile_module, expect_exact, extreme_and_random
from tests.end_to_end.sparse_nets import SAME, SparseNet

CONVERSIONS = ("rt.to_channel_major_s8", "rt.from_channel_major_s8")


def two_points() -> ModuleOp:
    net = SparseNet(4)
    x = net.input((1, 7, 5, 16))
    y = net.conv(x, (3, -4), 24, 1, Window())
    return net.module([net.conv(y, (-4, 5), 20, 1, Window())])


def residual() -> ModuleOp:
    """A 1x1 layer whose output goes by a padded 3x3 layer, and around it, to a sum and another 3x3 layer; and to a pool."""
    net = SparseNet(4)
    x = net.input((1, 9, 6, 8))
    a = net.conv(x, (3, -4), 16, 1, Window())
    b = net.conv(a, (-4, 5), 16, 3, SAME)
    sums = AddParams(**add_params(0.05, 0.07, 0.08), input1_zp=-4, input2_zp=5, output_zp=-9)
    c = net.layer(qnn.AddOp(a, b, sums))
    d = net.conv(c, (-9, 7), 12, 3, SAME)
    e = net.conv(d, (7, 0), 9, 3, Window())
    return net.module([e])


def rows() -> ModuleOp:
    """Layers of rows, of which the caller takes the first one's output too."""
    net = SparseNet(2)
    a = net.linear(net.input((1, 6, 12)), (3, -4), 9)
    return net.module([a, net.linear(a, (-4, 5), 8)])


def rows_as_images() -> ModuleOp:
    """A layer of rows between convolutions, which see its rows as images: planes of other shapes."""
    net = SparseNet(2)
    a = net.conv(net.input((1, 3, 4, 8)), (3, -4), 12, 3, SAME)
    b = net.linear(a, (-4, 5), 9)
    c = net.conv(b, (5, 7), 10, 3, SAME)
    return net.module([net.linear(c, (7, 1), 8)])


NETWORKS = {
    "two 1x1": two_points,
    "residual": residual,
    "rows": rows,
    "rows as images": rows_as_images,
}


@cache
def compiled(name: str) -> Compiled:
    return compile_module(NETWORKS[name](), "cortex-m55", "--weights=delta8", "--objective=latency")


def calls(name: str) -> Counter[str]:
    return Counter(
        op.name for op in compiled(name).compilation.module.walk() if isinstance(op, KernelOp)
    )


@pytest.mark.parametrize("name", ["two 1x1", "residual", "rows"])
def test_only_ends_are_converted(name: str) -> None:
    found = calls(name)
    results = len(compiled(name).compilation.outputs)
    assert [found[each] for each in CONVERSIONS] == [1, results], found


@pytest.mark.qemu
@pytest.mark.parametrize("name", NETWORKS)
def test_bytes(name: str) -> None:
    network = compiled(name)
    inputs = extreme_and_random(network.input_shapes, random=3, seed=1)
    for output in expect_exact(network, "cortex-m55", inputs, canaries=True):
        assert len(np.unique(output)) > 20, "the network says little"
