# SPDX-License-Identifier: Apache-2.0
"""Bounds, tables and readers of element-wise operations, next to every pair of bytes."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.ir import SSAValue

from sparsec.analysis.values.byte_maps import byte_map
from sparsec.analysis.values.elementwise import (
    BYTES,
    PairOp,
    compute,
    extremes,
    is_monotone,
    operands_of,
    reads,
)
from sparsec.interpreters.run import interpret
from sparsec.ir import qnn
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams, MulParams, PreluParams
from tests.end_to_end.building import Builder
from tests.end_to_end.networks import clamps, zero_points

Array: TypeAlias = np.ndarray[Any, Any]
Operate: TypeAlias = Callable[[SSAValue, SSAValue], PairOp]
multipliers = st.integers(0, 2**31 - 1)
shifts = st.integers(-12, 2)


products = st.builds(MulParams, *[zero_points] * 2, multipliers, shifts, zero_points, clamps)
slopes = st.builds(
    PreluParams,
    *[zero_points] * 2,
    multipliers,
    shifts,
    multipliers,
    shifts,
    zero_points,
    clamps,
)


@st.composite
def sums(draw: st.DrawFn) -> AddParams:
    scale = st.floats(0.001, 1.0)
    zero_point = [draw(zero_points) for _ in range(3)]
    return AddParams(
        **add_params(draw(scale), draw(scale), draw(scale)),
        input1_zp=zero_point[0],
        input2_zp=zero_point[1],
        output_zp=zero_point[2],
        clamp=draw(clamps),
    )


@st.composite
def pairs(draw: st.DrawFn) -> PairOp:
    """An operation on two inputs with any numbers."""
    net = Builder()
    a, b = net.input((1, 256)), net.input((1, 256))
    choices: list[Callable[[], PairOp]] = [
        lambda: qnn.AddOp(a, b, draw(sums())),
        lambda: qnn.SubOp(a, b, draw(sums()), a.type),
        lambda: qnn.BroadcastAddOp(a, b, draw(sums()), a.type),
        lambda: qnn.MulOp(a, b, draw(products), a.type),
        lambda: qnn.PreluOp(a, b, draw(slopes)),
        lambda: qnn.MaximumOp(a, b, a.type),
        lambda: qnn.MinimumOp(a, b, a.type),
    ]
    op = draw(st.sampled_from(choices))()
    net.layer(op)
    return op


@settings(max_examples=60)
@given(pairs(), st.integers(0, 2**32 - 1))
def test_bounds_are_the_extremes_of_all_values_in_between(op: PairOp, number: int):
    assert is_monotone(op)
    everything = compute(op, BYTES[:, np.newaxis], BYTES)
    boxes = np.sort(np.random.default_rng(number).integers(-128, 128, (40, 2, 2)), axis=2)
    low, high = boxes[:, :, 0].astype(np.int8), boxes[:, :, 1].astype(np.int8)
    found = extremes(op, (low[:, 0], high[:, 0]), (low[:, 1], high[:, 1]))
    assert found is not None
    for index, ((a, b), (c, d)) in enumerate(boxes + 128):
        within = everything[a : b + 1, c : d + 1]
        assert (found[0][index], found[1][index]) == (within.min(), within.max())


@settings(max_examples=40)
@given(pairs(), st.integers(-128, 127))
def test_the_table_is_what_the_interpreter_gives(op: PairOp, number: int):
    for position in (0, 1):
        net = Builder()
        x, c = (
            net.input((1, 256)),
            net.constant(np.full(() if position else (256,), number, np.int8)),
        )
        if isinstance(op, qnn.AddOp) or (isinstance(op, qnn.PreluOp) and not position):
            c = net.constant(np.full((1, 256), number, np.int8))
        new = op.clone()
        new.operands = [x, c] if position else [c, x]
        module = net.module([net.layer(new)])
        known = byte_map(new)
        assert known is not None and known.source is x
        (expected,) = interpret(module, [BYTES.reshape(1, 256)])
        np.testing.assert_array_equal(known.table, expected[0])


UNKNOWN: list[Operate] = [
    lambda a, b: qnn.MulOp(a, b, MulParams(0, 0, -5, 0, 0), a.type),
    lambda a, b: qnn.PreluOp(a, b, PreluParams(0, 0, 1, 0, -1, 0, 0)),
    lambda a, b: qnn.AddOp(a, b, AddParams(0, 2**30, 5, 0, 2**30, 5, 20, 0, 2**30, 0)),
]


@pytest.mark.parametrize("op", UNKNOWN)
def test_nothing_is_known_where_numbers_wrap_or_turn(op: Operate):
    net = Builder()
    made = op(net.input((1, 4)), net.input((1, 4)))
    full = np.array([-128], np.int8), np.array([127], np.int8)
    assert extremes(made, full, full) is None


def test_an_operand_is_read_where_it_matters():
    net = Builder()
    x = net.input((1, 2, 3))
    zero_point, vector = -5, np.array([-5, 0, 9], np.int8)
    op = qnn.MulOp(x, net.constant(vector), MulParams(3, zero_point, 2**30, 0, 7), x.type)
    wanted = np.array([[[True, True, False], [True, False, False]]])
    assert reads(op, x, wanted).tolist() == [[[False, True, False], [False, False, False]]]
    assert reads(op, operands_of(op)[1], wanted).tolist() == [True, True, False]
    both = qnn.MaximumOp(net.input((1, 1)), x, x.type)
    assert reads(both, both.lhs, wanted).tolist() == [[True]]
    assert reads(both, both.lhs, ~wanted & wanted).tolist() == [[False]]
