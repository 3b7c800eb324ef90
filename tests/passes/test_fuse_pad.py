# SPDX-License-Identifier: Apache-2.0
"""`fuse-pad`: the border is the same, whoever adds it."""

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, TensorType, i8

from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.passes.fuse_pad import FusePadPass
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Border, Pool
from tests.end_to_end.building import Builder
from tests.passes.dead_networks import ZERO, Planter
from tests.passes.exact import apply_exactly, names
from tests.shown import Shown

counts = st.tuples(st.integers(0, 3), st.integers(0, 3))


@st.composite
def convolutions(draw: st.DrawFn, depthwise: bool) -> ModuleOp:
    """A convolution of an input with a border, at times of two pads, of the zero point."""
    planter = Planter(draw)
    x = planter.net.input((1, *draw(st.tuples(st.integers(1, 5), st.integers(1, 5))), 2))
    for _ in range(draw(st.integers(1, 2))):
        (top, bottom), (left, right) = draw(counts), draw(counts)
        border = Border((0, top, left, 0), (0, bottom, right, 0))
        x = planter.net.layer(qnn.PadOp(x, ZERO, border))
    return planter.net.module([planter.convolution(x, depthwise)])


@st.composite
def other_borders(draw: st.DrawFn) -> ModuleOp:
    """A convolution of an input with a border of another value, or one on the channels too."""
    planter = Planter(draw)
    x = planter.net.input((1, 3, 3, 2))
    value, channels = draw(st.sampled_from([(ZERO + 1, 0), (ZERO, 1)]))
    x = planter.net.layer(qnn.PadOp(x, value, Border((0, 1, 0, 0), (0, 0, 2, channels))))
    return planter.net.module([planter.convolution(x, depthwise=False)])


@settings(max_examples=60)
@given(convolutions(depthwise=False) | convolutions(depthwise=True))
def test_a_border_of_the_zero_point(module: ModuleOp):
    note(Shown(module))
    apply_exactly(module, FusePadPass())
    assert not reads_pad(module)


@settings(max_examples=30)
@given(other_borders())
def test_another_border_stays(module: ModuleOp):
    note(Shown(module))
    assert names(apply_exactly(module, FusePadPass())) == ["pad", "conv2d"]


@pytest.mark.parametrize(
    ("value", "low", "pixels", "fused"),
    [(-128, -128, 1, True), (-20, -10, 1, True), (-10, -20, 1, False), (-128, -128, 2, False)],
)
def test_a_maximum(value: int, low: int, pixels: int, fused: bool):
    net = Builder()
    x = net.input((1, 5, 4, 2))
    around = (0, pixels, 1, 0)
    y = net.layer(qnn.PadOp(x, value, Border(around, (0, 0, 1, 0))))
    pool = Pool((2, 1), kernel=(2, 2))
    _, height, width, _ = shape_of(y.type)
    type = TensorType(i8, (1, *pool.output_size((height, width), pool.kernel), 2))
    requant = Requant(0, 0, (low, 127))
    module = net.module([net.layer(qnn.MaxPool2dOp(y, pool, requant, type))])
    apply_exactly(module, FusePadPass())
    assert reads_pad(module) != fused


def reads_pad(module: ModuleOp) -> bool:
    """Whether anything reads the result of a pad."""
    return any(isinstance(op, qnn.PadOp) and op.result.uses for op in module.walk())
