# SPDX-License-Identifier: Apache-2.0
"""Each kernel with its output over its dying input, at every distance it claims: 0 differing bytes; one byte more differs.

On the host a `memcpy` stands in that destroys what it copies when its ranges meet, which C leaves undefined.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from sparsec.ir import cmsis, rt
from sparsec.ir.constant import ui8
from sparsec.ir.kernel import KernelOp
from sparsec.ir.rt.strips import STRIPS
from sparsec.layouts.depthwise_3x3 import pack_depthwise_3x3, scratch_bytes
from sparsec.layouts.depthwise_lanes import pack_depthwise_lanes
from sparsec.layouts.depthwise_lanes import scratch_bytes as scratch_of_lanes
from sparsec.planning.overlap import apart
from sparsec.quantization.attention import HIDDEN, Attention
from sparsec.quantization.matmul import MatmulParams
from sparsec.quantization.normalization import NormalizeParams
from sparsec.quantization.params import (
    AddParams,
    MulParams,
    PreluParams,
    Requant,
    Rescale,
    SoftmaxParams,
)
from sparsec.quantization.rounded_add import RoundedAdd
from sparsec.quantization.short_add import ShortAdd
from sparsec.quantization.softmax import exponentials
from sparsec.quantization.window import Border, Pool, Slice, Window
from tests.runtime.overlap_cases import (
    Buffers,
    Case,
    CaseProject,
    case_library,
    case_project,
    expect_allowed,
    expect_claim,
    run,
)
from tests.runtime.test_depthwise_sparse import random_layer

ADD = AddParams(1, 2**30, 1, -3, 2**30, 0, 20, 5, 2**30, -18)
SHORT = ShortAdd(2**29, 2**29 + 2**27, 2**20, 22)
ROUNDED = RoundedAdd(1, -3, 2**30, -1, 2**30, -18, 5)
MUL = MulParams(1, -3, 2**30, -5, 2)
PRELU = PreluParams(1, -2, 2**30, 1, 2**30, -6, 3)
RNG = np.random.default_rng(0)
SAWTOOTH = np.array([100, -100] * 12, np.int8).reshape(6, 4)
"""A maximum with it shows what it was taken of only every other time."""


def noise(*shape: int) -> NDArray[np.int8]:
    return RNG.integers(-128, 128, shape).astype(np.int8)


def multiply(lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
    return rt.MulOp(lhs, rhs, output, MUL)


def add(lhs: SSAValue, rhs: SSAValue, output: SSAValue) -> KernelOp:
    return rt.AddOp(lhs, rhs, output, ADD, 1)


def elementwise() -> Iterator[Case]:
    """Operands of 23 bytes: words and what is left over; then repeated ones."""
    for name, kernel, params in (
        ("cmsis_add", cmsis.ElementwiseAddOp, ADD),
        ("cmsis_mul", cmsis.ElementwiseMulOp, MUL),
        ("residual_add", rt.ResidualAddOp, SHORT),
        ("residual_add_rounded", rt.ResidualAddRoundedOp, ROUNDED),
        ("residual_add_21", rt.ResidualAddOp, replace(SHORT, shift=21, clamp=(-100, 90))),
    ):
        for side in range(2):
            b = Buffers()
            x, y, other = b.buffer(23), b.buffer(23), b.constant(noise(23))
            lhs, rhs = (x, other) if side == 0 else (other, x)
            op = kernel(lhs, rhs, y, params)  # pyright: ignore[reportArgumentType]
            yield Case(f"{name}_{side}", op, y, x, b.constants)
    for number, shape in enumerate([(6, 4), (1, 4), (1, 1), (6, 1)]):
        for side in range(2):
            for name, build in (
                ("mul", multiply),
                ("add", add),
                ("maximum", rt.MaximumOp),
                ("minimum", rt.MinimumOp),
            ):
                b = Buffers()
                other = b.constant(~SAWTOOTH if name == "minimum" else SAWTOOTH)
                x, y = b.buffer(*shape), b.buffer(6, 4)
                op = build(x, other, y) if side == 0 else build(other, x, y)
                # Of a sum what is the same for a whole row is read once.
                exact = (name != "add" or number < 2, True)
                yield Case(f"{name}_{number}_{side}", op, y, x, b.constants, exact=exact)
        for side in range(3):
            b = Buffers()
            x, y = b.buffer(*shape), b.buffer(6, 4)
            operands = [b.constant(SAWTOOTH // 100 - 1), b.constant(noise(6, 4))]
            operands.insert(side, x)
            mask, lhs, rhs = operands
            op = rt.SelectOp(mask, lhs, rhs, y)
            yield Case(f"select_{number}_{side}", op, y, x, b.constants, exact=(False, False))
        b = Buffers()
        x, y, negative = (
            b.buffer(*shape),
            b.buffer(6, 4),
            b.constant(np.abs(noise(6, 4) // 2) - 100),
        )
        op = rt.PreluOp(negative, x, y, PRELU)
        yield Case(f"prelu_alpha_{number}", op, y, x, b.constants)
        b = Buffers()
        x, y, alpha = b.buffer(6, 4), b.buffer(6, 4), b.constant(noise(*shape))
        yield Case(f"prelu_{number}", rt.PreluOp(x, alpha, y, PRELU), y, x, b.constants)
    b = Buffers()
    x, y = b.buffer(23), b.buffer(23)
    table = b.constant(noise(256))
    yield Case("lookup", rt.LookupOp(x, table, y), y, x, b.constants)
    bytes = b.buffer(23, element=ui8)
    yield Case("from_uint8", rt.FromUint8Op(bytes, y), y, bytes, exact=(False, True))
    yield Case("requantize", rt.RequantizeOp(x, y, Rescale(3, 2**30, 0, 7)), y, x)
    b = Buffers()
    x, y = b.buffer(1, 2, 3, 4), b.buffer(1, 2, 3, 4)
    bias, multiplier, shift = (b.constant(np.full(4, n, np.int32)) for n in (300, 2**30, -8))
    norm = rt.NormalizeOp(x, bias, multiplier, shift, y, NormalizeParams(groups=2))
    yield Case("normalize", norm, y, x, b.constants, exact=(False, False))
    for shape in ((3, 7), (1, 23)):
        x, y = b.buffer(*shape), b.buffer(*shape)
        op = cmsis.SoftmaxOp(x, y, SoftmaxParams(2**30, 24, -60))
        yield Case(f"softmax_{shape[0]}", op, y, x)
        long = rt.SoftmaxOp(x, y, SoftmaxParams(2**30, 24, -60))
        yield Case(f"long_softmax_{shape[0]}", long, y, x)


def movement() -> Iterator[Case]:
    b = Buffers()
    image = (1, 6, 5, 9)
    for number, (where, shape) in enumerate(
        [
            (Slice((0, 1, 2, 3), (1, 2, 1, 1)), (1, 3, 3, 5)),
            (Slice((0, 5, 4, 7), (1, -1, -2, -3)), (1, 6, 3, 3)),
            (Slice((0, 2, 0, 0), (1, 1, 1, 1)), (1, 3, 5, 9)),
            (Slice((0, 0, 0, 0), (1, 1, 1, 1)), (1, 6, 5, 4)),
            (Slice((0, 0, 0, 4), (1, 1, 1, 1)), (1, 6, 5, 5)),
            (Slice((0, 0, 0, 8), (1, 1, 1, 1)), (1, 6, 5, 1)),
            (Slice((0, 0, 1, 0), (1, 1, 1, 1)), (1, 6, 3, 9)),
            (Slice((0, 1, 0, 0), (1, 2, 2, 2)), (1, 3, 3, 5)),
        ]
    ):
        x, y = b.buffer(*image), b.buffer(*shape)
        # A claim counts from the begin of the input, of which a slice may not read the first bytes.
        exact = (number not in (0, 4, 5, 7), True)
        yield Case(f"slice_{number}", rt.SliceOp(x, y, where), y, x, exact=exact)
    for number, (shape, border) in enumerate(
        [
            ((1, 3, 4, 5), Border((0, 1, 1, 0), (0, 1, 2, 0))),
            ((1, 3, 4, 5), Border((0, 0, 0, 2), (0, 2, 0, 1))),
            ((2, 2, 3, 1), Border((1, 0, 0, 0), (1, 1, 0, 0))),
            ((3, 4), Border((1, 2), (0, 1))),
        ]
    ):
        x, y = b.buffer(*shape), b.buffer(*border.output_shape(shape))
        yield Case(f"pad_{number}", rt.PadOp(x, y, -7, border), y, x)
    for number, (shape, order) in enumerate(
        [
            ((1, 4, 5, 3), (0, 3, 1, 2)),
            ((6, 7), (1, 0)),
            ((2, 3, 4), (1, 0, 2)),
            ((2, 3, 17), (1, 0, 2)),
            ((1, 5, 7, 3), (0, 2, 1, 3)),
            ((2, 4, 9), (0, 2, 1)),
            ((2, 3, 5, 2, 3), (0, 3, 1, 4, 2)),
            ((5,), (0,)),
        ]
    ):
        x, y = b.buffer(*shape), b.buffer(*(shape[axis] for axis in order))
        yield Case(f"transpose_{number}", rt.TransposeOp(x, y, order), y, x)
    for number, (shape, axis, size, at) in enumerate(
        [((1, 4, 3, 2), 3, 7, 4), ((1, 4, 3, 2), 1, 7, 2), ((4, 3), 1, 4, 0)]
    ):
        x, y = b.buffer(*shape), b.buffer(*(size if i == axis else n for i, n in enumerate(shape)))
        yield Case(f"concatenate_{number}", rt.ConcatenateOp(x, y, axis, at), y, x)


def windows() -> Iterator[Case]:
    b = Buffers()
    for number, (outer, channels) in enumerate([(1, 1), (1, 6), (1, 23), (3, 1), (2, 6), (2, 23)]):
        x, y = b.buffer(outer, 12, channels), b.buffer(outer, 1, channels)
        exact = (outer == 1 or channels > 1, True)
        mean = rt.MeanOp(x, y, Rescale(3, 2**30, -2, 1))
        yield Case(f"mean_{number}", mean, y, x, exact=exact)
        yield Case(f"reduce_max_{number}", rt.ReduceMaxOp(x, y), y, x, exact=exact)
        yield Case(f"reduce_min_{number}", rt.ReduceMinOp(x, y), y, x, exact=exact)
    for number, (pool, channels) in enumerate(
        [
            (Pool((2, 2), kernel=(2, 2)), 5),
            (Pool((1, 1), (1, 1, 1, 1), kernel=(3, 3)), 4),
            (Pool((2, 1), (0, 1, 0, 0), kernel=(2, 3)), 18),
            (Pool((3, 3), kernel=(1, 1)), 3),
        ]
    ):
        size = pool.output_size((6, 7), pool.kernel)
        for name, kernel in (("max_pool", cmsis.MaxPoolOp), ("avgpool", cmsis.AvgPoolOp)):
            x, y = b.buffer(1, 6, 7, channels), b.buffer(1, *size, channels)
            # The cores with DSP instructions sum up here; others leave it alone.
            scratch = b.buffer(4 * channels) if name == "avgpool" else None
            op = kernel(x, y, scratch, pool, Requant())
            yield Case(f"{name}_{number}", op, y, x, scratch=scratch)


def depthwise() -> Iterator[Case]:
    for number, (image, kernel, window) in enumerate(
        [
            ((5, 6, 3), (3, 3), Window((1, 1), (1, 1, 1, 1))),
            ((7, 6, 4), (3, 3), Window((2, 2), (0, 0, 1, 1))),
            ((4, 9, 1), (1, 3), Window()),
            ((6, 6, 5), (2, 2), Window((1, 2), (0, 0, 0, 0), (2, 1))),
        ]
    ):
        layer = random_layer(
            np.random.default_rng(number + 7), image, kernel, 0.2, window, clamp=(-90, 100)
        )
        b = Buffers()
        x, y = b.buffer(1, *image), b.buffer(1, *layer.output, layer.channels)
        scratch = b.buffer(layer.plane.bytes)
        requant = Requant(-layer.input_offset, layer.output_offset, layer.clamp)
        op = rt.DepthwiseConvolveDelta8Op(
            x, b.constant(layer.stream), y, scratch, requant, window, kernel
        )
        yield Case(f"depthwise_{number}", op, y, x, b.constants, scratch)


def depthwise_3x3() -> Iterator[Case]:
    """With rows of all kinds, so that channels of one group are not done in order."""
    same = Window(padding=(1, 1, 1, 1))
    for number, (image, window) in enumerate(
        [
            ((5, 6, 9), same),
            ((7, 6, 8), Window((2, 2), (0, 0, 1, 1))),
            ((6, 5, 6), Window((2, 2), (1, 1, 1, 1))),
            ((4, 5, 3), same),
            ((7, 4, 5), Window()),
            ((3, 3, 5), Window(padding=(2, 2, 2, 2))),
        ]
    ):
        rng = np.random.default_rng(number)
        layer = random_layer(rng, image, (3, 3), 0.0, window, output_offset=-128)
        shifts, multipliers = layer.shifts.copy(), layer.multipliers.copy()
        shifts[::4], multipliers[::4], shifts[2::4] = 0, 2**22, -12
        requant = Requant(-layer.input_offset, layer.output_offset, layer.clamp)
        weights = rng.choice([-100, 100], layer.weights.shape).astype(np.int8)
        rows = pack_depthwise_3x3(weights, 0 * layer.bias, multipliers, shifts, requant)
        b = Buffers()
        x, y = b.buffer(1, *image), b.buffer(1, *layer.output, layer.channels)
        scratch = b.buffer(scratch_bytes(window, image[:2], layer.output))
        op = rt.DepthwiseConvolve3x3Op(x, b.constant(rows), y, scratch, requant, window)
        # In the only group the first channel, a plain row, is done when the inputs of the others are read.
        exact = True, layer.channels > 4
        yield Case(f"depthwise_3x3_{number}", op, y, x, b.constants, scratch, exact)


def depthwise_lanes() -> Iterator[Case]:
    """In place: of two groups of channels, of one that is not full, past windows, and behind a clamp."""
    same = Window(padding=(1, 1, 1, 1))
    for number, (image, kernel, window, clamp) in enumerate(
        [
            ((5, 6, 20), (3, 3), same, (-128, 127)),
            ((4, 5, 9), (3, 3), same, (-20, 30)),
            ((7, 6, 17), (3, 3), Window((2, 2), (0, 0, 1, 1)), (-128, 127)),
            ((7, 4, 8), (3, 3), Window(), (-128, 127)),
            ((6, 7, 18), (5, 5), Window(padding=(2, 2, 2, 2)), (-128, 127)),
            ((5, 5, 5), (2, 1), Window((3, 2)), (-128, 127)),
        ]
    ):
        rng = np.random.default_rng(number)
        channels = image[2]
        size = window.output_size(image[:2], kernel)
        weights = rng.choice([-100, 100], (*kernel, channels)).astype(np.int8)
        shifts = rng.integers(-9, -6, channels).astype(np.int32)
        multipliers = np.full(channels, 2**30, np.int32)
        bias = rng.integers(-500, 500, channels).astype(np.int32)
        b = Buffers()
        x, y = b.buffer(1, *image), b.buffer(1, *size, channels)
        scratch = b.buffer(scratch_of_lanes(window, kernel, size[1]))
        rows = b.constant(pack_depthwise_lanes(weights, bias, multipliers, shifts))
        requant = Requant(4, -5, clamp)
        op = rt.DepthwiseConvolveLanesOp(x, rows, y, scratch, requant, window, kernel)
        # In its place it shares all that it can.
        exact = False, False
        yield Case(f"depthwise_lanes_{number}", op, y, x, b.constants, scratch, exact)


def fully_connected() -> Iterator[Case]:
    """Row after row; how many outputs of a row are computed together is not claimed to be known."""
    for number, (rows, depth, features) in enumerate([(3, 8, 5), (3, 5, 8), (4, 6, 6)]):
        b = Buffers()
        x, y = b.buffer(rows, depth), b.buffer(rows, features)
        weights, bias = (
            b.constant(noise(features, depth)),
            b.constant(np.arange(features, dtype=np.int32)),
        )
        op = cmsis.FullyConnectedOp(x, weights, bias, y, Requant(), 2**30, -5)
        yield Case(f"fully_connected_{number}", op, y, x, b.constants)


def attention() -> Iterator[Case]:
    """The results of a head in the place of its queries; heads one behind the other, and side by side."""
    for number, place in enumerate([(0, 0, 20, 4), (0, 0, 4, 8)]):
        b = Buffers()
        x, y, scratch = b.buffer(40), b.buffer(40), b.buffer(256)
        key, value = b.constant(noise(40)), b.constant(noise(40))
        table = b.constant(exponentials(2**30, 24, -60).astype(np.int32))
        over = Attention(1, 2, 5, 5, 4, 4, place, place, place, place)
        scores, values = MatmulParams(1, 2, 2**30, -6, 3), MatmulParams(-128, 4, 2**30, -7, 5)
        op = rt.AttentionOp((x, key, value), table, y, scratch, None, over, scores, values)
        soft = b.buffer(2, 2, 3, 5), b.buffer(2, 2, 3, 5)
        hidden = np.tri(3, 5, -1) * HIDDEN  # the last of each row is seen
        mask = b.constant(np.stack([hidden, hidden[::-1]])[:, np.newaxis].astype(np.int8))
        masked = rt.MaskedSoftmaxOp(soft[0], mask, table, soft[1])
        yield Case(f"masked_softmax_{number}", masked, soft[1], soft[0], dict(b.constants))
        yield Case(f"attention_{number}", op, y, x, b.constants, scratch, exact=(False, False))


CASES = [
    *attention(),
    *elementwise(),
    *movement(),
    *windows(),
    *depthwise(),
    *depthwise_3x3(),
    *depthwise_lanes(),
]
ROWS = list(fully_connected())
HELPERS = (
    "arm_nn_softmax_common_s8",
    "arm_nn_vec_mat_mult_t_s8",
    "arm_avgpool_get_buffer_sizes_s8",
)
WORST_ROW = (
    "arm_nn_vec_mat_mult_t_s8",
    "worst_vec_mat_mult_t_s8",
    Path(__file__).parent / "worst_row.c",
)


@pytest.fixture(scope="module")
def library(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return case_library([*CASES, *ROWS], HELPERS, cmsis_nn_dir, tmp_path_factory.mktemp("overlap"))


@pytest.fixture(scope="module")
def worst_rows(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    directory = tmp_path_factory.mktemp("worst_rows")
    return case_library(ROWS, HELPERS, cmsis_nn_dir, directory, WORST_ROW)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_claim_holds_wherever_it_allows_and_not_one_byte_further(
    library: ctypes.CDLL, case: Case
) -> None:
    expect_claim(library, case)


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.name)
def test_rows_may_be_done_in_any_order_within(
    library: ctypes.CDLL, worst_rows: ctypes.CDLL, case: Case
) -> None:
    expect_allowed(library, case)
    expect_claim(worst_rows, case)


def test_what_is_claimed() -> None:
    shared = {case.name: case.claim.bytes(*case.sizes) for case in CASES}
    whole = {"cmsis_add_0", "mul_0_1", "prelu_0", "lookup", "softmax_3", "mean_2", "depthwise_0"}
    whole |= {"attention_0", "attention_1"}
    some = {"mul_1_1": 4, "mul_3_1": 6, "pad_0": 60, "pad_3": 0, "slice_5": 30}
    assert {name: shared[name] for name in some} == some
    for case in CASES:
        if case.name in whole:
            assert shared[case.name] == min(case.sizes), case.name


def test_what_is_not_claimed_lies_apart() -> None:
    case = next(case for case in CASES if case.name == "depthwise_0")
    assert case.scratch is not None
    assert case.op.safe_overlap(case.scratch, case.input) == apart(case.scratch_bytes, 90)
    lookup = next(case for case in CASES if case.name == "lookup").op
    assert isinstance(lookup, rt.LookupOp)
    assert lookup.safe_overlap(lookup.output, lookup.table) == apart(23, 256)


@pytest.fixture(scope="module")
def project(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> CaseProject:
    # Rows are left out: `arm_fully_connected_s8` is not called on cores with Helium.
    return case_project(CASES, cmsis_nn_dir, tmp_path_factory.mktemp("overlap_project"))


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_a_claim_holds_on_a_core(
    library: ctypes.CDLL, project: CaseProject, cmsis_nn_dir: Path, cpu: str
) -> None:
    for case, distance, found in project.run(cpu, cmsis_nn_dir):
        expected = run(library, case, case.sizes[1] + 32)
        np.testing.assert_array_equal(found, expected, err_msg=f"{case.name} at {distance}")


def test_every_operation_that_claims_is_run() -> None:
    """Strips are run in `test_strips.py`, fused layers in `test_fused.py`, those of four pixels in `test_overlap_quads.py`."""
    kernels = [
        op for op in (*cmsis.Cmsis.operations, *rt.Rt.operations) if issubclass(op, KernelOp)
    ]
    claiming = {op for op in kernels if op.safe_overlap is not KernelOp.safe_overlap}
    here = {type(case.op) for case in (*CASES, *ROWS)}
    quads = {rt.ConvolveRunsOp, rt.Convolve1x16Op, rt.Convolve1x4Op}
    assert claiming - here == {*STRIPS.values(), rt.PointDepthwiseOp, *quads}
