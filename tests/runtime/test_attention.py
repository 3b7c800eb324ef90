# SPDX-License-Identifier: Apache-2.0
"""Products of computed matrices and attention, wherever their rows lie, against numpy and against CMSIS-NN."""

import ctypes
from dataclasses import dataclass, field, replace
from itertools import product as product_of
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sparsec.quantization.attention import Attention as Over
from sparsec.quantization.requantize import quantize_multiplier, requantize
from sparsec.quantization.softmax import exponentials, softmax, softmax_params
from sparsec.run.execute import run_project
from sparsec.targets import scratch
from sparsec.targets.cpu import cpu_named
from tests.runtime.kernel_library import (
    Activation,
    Guarded,
    Int8,
    KernelLibrary,
    PerTensorQuantParams,
    Struct,
    context,
)
from tests.runtime.kernel_project import KernelProject, struct

Int64 = NDArray[np.int64]
HIDDEN = -128


class Matrices(Struct):
    _fields_ = [(name, ctypes.c_int32) for name in ("outer", "head", "row", "column")]


class MatmulParams(Struct):
    _fields_ = [
        ("lhs_offset", ctypes.c_int32),
        ("rhs_offset", ctypes.c_int32),
        ("output_offset", ctypes.c_int32),
        ("quant_params", PerTensorQuantParams),
        ("activation", Activation),
    ]


class MatmulSizes(Struct):
    _fields_ = [(name, ctypes.c_int32) for name in ("outer", "heads", "rows", "depth", "columns")]


class AttentionSizes(Struct):
    _fields_ = [
        (name, ctypes.c_int32)
        for name in ("outer", "heads", "queries", "keys", "width", "value_width")
    ]


class AttentionParams(Struct):
    _fields_ = [
        ("scores", MatmulParams),
        ("values", MatmulParams),
        ("mask_factor", ctypes.c_int32),
        ("causal", ctypes.c_int32),
    ]


@dataclass(frozen=True)
class Product:
    """How sums become bytes."""

    lhs_offset: int
    rhs_offset: int
    output_offset: int
    factor: float
    clamp: tuple[int, int] = (-128, 127)

    @property
    def text(self) -> str:
        """The struct in C."""
        multiplier, shift = quantize_multiplier(self.factor)
        numbers = f"{self.lhs_offset}, {self.rhs_offset}, {self.output_offset}"
        return f"{{{numbers}, {{{multiplier}, {shift}}}, {{{self.clamp[0]}, {self.clamp[1]}}}}}"

    @property
    def struct(self) -> MatmulParams:
        requant = PerTensorQuantParams(*quantize_multiplier(self.factor))
        offsets = self.lhs_offset, self.rhs_offset, self.output_offset
        return MatmulParams(*offsets, requant, Activation(*self.clamp))

    def sums(self, lhs: Int8, rhs: Int8) -> Int64:
        """[.., M, N] of [.., M, K] and [.., N, K]."""
        left = lhs.astype(np.int64) + self.lhs_offset
        right = rhs.astype(np.int64) + self.rhs_offset
        return left @ right.swapaxes(-1, -2)

    def bytes(self, sums: Int64) -> Int8:
        found = requantize(sums, *quantize_multiplier(self.factor)).astype(np.int64)
        return np.clip(found + self.output_offset, *self.clamp).astype(np.int8)


@dataclass
class Placed:
    """Matrices [outer, heads, rows, columns] in a tensor whose axes lie in the order `axes`, `gap` bytes between the last."""

    values: Int8
    axes: tuple[int, int, int, int] = (0, 2, 1, 3)
    gap: int = 0
    tensor: Int8 = field(init=False)

    def __post_init__(self) -> None:
        laid = self.values.transpose(self.axes)
        self.tensor = np.full((*laid.shape[:3], laid.shape[3] + self.gap), 77, np.int8)
        self.tensor[..., : laid.shape[3]] = laid

    @property
    def where(self) -> Matrices:
        return Matrices(*(self.tensor.strides[self.axes.index(axis)] for axis in range(4)))

    @property
    def text(self) -> str:
        """The address of the struct in C."""
        where = self.where
        return struct("sparsec_matrices", where.outer, where.head, where.row, where.column)

    def read(self, memory: Int8) -> Int8:
        """The matrices that `memory` holds in the place of the tensor; what is between them was left alone."""
        found = memory.reshape(self.tensor.shape)
        size = self.values.shape[self.axes[3]]
        return found[..., :size].transpose(np.argsort(self.axes))


def random_bytes(rng: np.random.Generator, *shape: int) -> Int8:
    return rng.integers(-128, 128, shape).astype(np.int8)


def offsets(rng: np.random.Generator, count: int) -> list[int]:
    return rng.integers(-127, 129, count).tolist()


LAID_OUT = st.sampled_from(
    [((0, 2, 1, 3), 0), ((0, 1, 2, 3), 3), ((0, 1, 3, 2), 0), ((2, 0, 1, 3), 5)]
)


@given(
    sizes=st.tuples(*[st.integers(1, n) for n in (2, 3, 5, 21, 11)]),
    layouts=st.tuples(LAID_OUT, LAID_OUT, LAID_OUT),
    factor=st.sampled_from([0.3, 0.004, 2.0**-12, 1.5]),
    clamp=st.sampled_from([(-128, 127), (-100, 90)]),
    seed=st.integers(0, 9),
)
@example((1, 1, 3, 600, 5), (((0, 2, 1, 3), 0),) * 3, 1e-4, (-128, 127), 0)
def test_batch_matmul(
    runtime: KernelLibrary,
    sizes: tuple[int, int, int, int, int],
    layouts: tuple[tuple[tuple[int, int, int, int], int], ...],
    factor: float,
    clamp: tuple[int, int],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    outer, heads, rows, depth, columns = sizes
    left, right, out = ((0, 0, 0), (128, 128, -128), offsets(rng, 3))[seed % 3]
    product = Product(left, right, out, factor, clamp)
    lhs = Placed(random_bytes(rng, outer, heads, rows, depth), *layouts[0])
    rhs = Placed(random_bytes(rng, outer, heads, depth, columns), *layouts[1])
    found = Placed(np.zeros((outer, heads, rows, columns), np.int8), *layouts[2])
    output = Guarded(found.tensor.size)
    before = output.bytes.copy()
    c_sizes = MatmulSizes(*sizes)
    size = runtime.call("sparsec_batch_matmul_s8_get_buffer_size", c_sizes)
    assert size == 0
    runtime.call(
        "sparsec_batch_matmul_s8",
        context(Guarded(size)),
        product.struct,
        c_sizes,
        lhs.where,
        lhs.tensor,
        rhs.where,
        rhs.tensor,
        found.where,
        output,
    )
    expected = product.bytes(product.sums(lhs.values, rhs.values.swapaxes(2, 3)))
    np.testing.assert_array_equal(found.read(output.bytes), expected)
    gaps = np.s_[..., output.bytes.size :] if not found.gap else np.s_[..., -found.gap :]
    shape = found.tensor.shape
    np.testing.assert_array_equal(output.bytes.reshape(shape)[gaps], before.reshape(shape)[gaps])


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("depth", [1, 16, 37])
def test_as_cmsis_nn(
    runtime: KernelLibrary, cmsis_nn: KernelLibrary, rows: int, depth: int
) -> None:
    """arm_nn_mat_mult_nt_t_s8 takes no offset on the right."""
    rng, columns = np.random.default_rng(depth), 7
    lhs, rhs = random_bytes(rng, rows, depth), random_bytes(rng, columns, depth)
    product = Product(11, 0, -3, 0.002)
    multiplier, shift = (
        np.full(columns, each, np.int32) for each in quantize_multiplier(product.factor)
    )
    expected, output = Guarded(rows * columns), Guarded(rows * columns)
    sizes = rows, columns, depth
    clamp = (11, -3, *product.clamp)
    cmsis_nn.call(
        "arm_nn_mat_mult_nt_t_s8",
        lhs,
        rhs,
        None,
        expected,
        multiplier,
        shift,
        *sizes,
        *clamp,
        depth,
    )
    c_sizes = MatmulSizes(1, 1, rows, depth, columns)
    runtime.call(
        "sparsec_batch_matmul_s8",
        context(Guarded(runtime.call("sparsec_batch_matmul_s8_get_buffer_size", c_sizes))),
        product.struct,
        c_sizes,
        Matrices(0, 0, depth, 1),
        lhs,
        Matrices(0, 0, 1, depth),
        rhs,
        Matrices(0, 0, columns, 1),
        output,
    )
    np.testing.assert_array_equal(output.bytes, expected.bytes)


@dataclass(frozen=True)
class Attention:
    """How one computes."""

    scores: Product
    values: Product
    scale: float
    mask_factor: int = 0
    causal: bool = False

    def seen(self, mask: Int8 | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Which key each query sees."""
        seen = np.ones(shape, bool) if mask is None else np.broadcast_to(mask != HIDDEN, shape)
        queries, keys = shape[-2:]
        return (
            seen & np.tril(np.ones((queries, keys), bool), keys - queries) if self.causal else seen
        )

    def __call__(self, q: Int8, k: Int8, v: Int8, mask: Int8 | None) -> Int8:
        sums = self.scores.sums(q, k)
        if mask is not None:
            sums = sums + self.mask_factor * mask.astype(np.int64)
        scores = self.scores.bytes(sums)
        probabilities = np.full(scores.shape, -128, np.int8)
        for place in np.ndindex(scores.shape[:-1]):
            seen = self.seen(mask, scores.shape)[place]
            if seen.any():
                probabilities[place][seen] = softmax(
                    scores[place][seen], **softmax_params(self.scale)
                )
        return self.values.bytes(self.values.sums(probabilities, v.swapaxes(2, 3)))


def masks(rng: np.random.Generator, kind: str, *shape: int) -> Int8 | None:
    match kind:
        case "some":
            return np.where(rng.random(shape) < 0.4, HIDDEN, rng.integers(-127, 128, shape)).astype(
                np.int8
            )
        case "nothing":
            return np.full(shape, HIDDEN, np.int8)
        case _:
            return None


def by_kernel(
    runtime: KernelLibrary,
    attention: Attention,
    tensors: tuple[Placed, Placed, Placed],
    mask: Int8 | None,
    layout: tuple[tuple[int, int, int, int], int],
) -> Int8:
    q, _, v = tensors
    outer, heads, queries, width = q.values.shape
    keys, value_width = v.values.shape[2:]
    c_sizes = AttentionSizes(outer, heads, queries, keys, width, value_width)
    found = Placed(np.zeros((outer, heads, queries, value_width), np.int8), *layout)
    output = Guarded(found.tensor.size)
    size = runtime.call("sparsec_attention_s8_get_buffer_size", c_sizes)
    assert size == keys
    masked = Matrices() if mask is None else Placed(mask, (0, 1, 2, 3)).where
    runtime.call(
        "sparsec_attention_s8",
        context(Guarded(size)),
        AttentionParams(
            attention.scores.struct,
            attention.values.struct,
            attention.mask_factor,
            attention.causal,
        ),
        c_sizes,
        *(each for tensor in tensors for each in (tensor.where, tensor.tensor)),
        masked,
        mask,
        exponentials(**softmax_params(attention.scale)).astype(np.int32),
        found.where,
        output,
    )
    return found.read(output.bytes)


ROWS_ALONG = st.sampled_from([((0, 2, 1, 3), 0), ((0, 1, 2, 3), 3), ((2, 0, 1, 3), 5)])


@given(
    sizes=st.tuples(*[st.integers(1, n) for n in (2, 3, 9, 21, 19, 19)]),
    layouts=st.tuples(ROWS_ALONG, ROWS_ALONG, ROWS_ALONG, ROWS_ALONG),
    scale=st.sampled_from([0.01, 0.1, 1.0]),
    factor=st.sampled_from([2e-3, 2.0**-12, 2e-4]),
    mask=st.sampled_from(["all", "some", "nothing"]),
    causal=st.booleans(),
    seed=st.integers(0, 5),
)
@example((1, 1, 5, 515, 4, 3), (((0, 2, 1, 3), 0),) * 4, 0.1, 2.0**-20, "all", False, 0)
@example((1, 1, 3, 700, 4, 3), (((0, 2, 1, 3), 0),) * 4, 0.1, 2.0**-12, "some", True, 0)
@example((1, 2, 64, 64, 16, 16), (((0, 2, 1, 3), 0),) * 4, 0.1, 2.0**-12, "all", False, 0)
def test_attention(
    runtime: KernelLibrary,
    sizes: tuple[int, int, int, int, int, int],
    layouts: tuple[tuple[tuple[int, int, int, int], int], ...],
    scale: float,
    factor: float,
    mask: str,
    causal: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    outer, heads, queries, keys, width, value_width = sizes
    query, key, score, val, out = offsets(rng, 5) if seed % 2 else [0] * 5
    clamp = (-128, 127) if seed % 3 else (-90, 100)
    attention = Attention(
        Product(query, key, score, factor),
        Product(128, val, out, 0.004, clamp),
        scale,
        int(rng.integers(-300, 300)),
        causal,
    )
    q, k, v = (
        Placed(random_bytes(rng, outer, heads, *shape), *layout)
        for shape, layout in zip(
            ((queries, width), (keys, width), (keys, value_width)), layouts[:3], strict=True
        )
    )
    masked = masks(rng, mask, outer, heads, queries, keys)
    expected = attention(q.values, k.values, v.values, masked)
    np.testing.assert_array_equal(
        by_kernel(runtime, attention, (q, k, v), masked, layouts[3]), expected
    )


def device_attentions() -> list[tuple[Attention, tuple[int, ...], str]]:
    """Every tail of rows, keys and columns, all masks, both ways of requantizing; sizes are outer, heads, queries, keys,
    width and that of a value."""
    plain = Attention(Product(3, -5, 1, 2.0**-10), Product(128, 7, -2, 0.004), 0.1)
    cases: list[tuple[Attention, tuple[int, ...], str]] = [
        (plain, (1, 2, 1 + size % 6, size, 1 + size * 5 % 19, 1 + size * 7 % 18), "all")
        for size in range(1, 20)
    ]
    cases += [
        (replace(plain, causal=causal, mask_factor=-40), (2, 1, 6, keys, 5, 4), mask)
        for causal in (False, True)
        for mask in ("all", "some", "nothing")
        for keys in (4, 7)
    ]
    for scores in (Product(0, 0, 0, 0.6), Product(128, -127, 0, 2.0**-12, (-100, 90))):
        for values in (Product(128, 0, -128, 0.7), Product(128, 128, 5, 1.25, (-90, 100))):
            cases.append((Attention(scores, values, 0.02), (1, 1, 5, 33, 6, 5), "all"))
    flat = replace(plain, scores=Product(1, 2, 3, 2.0**-20))
    return [*cases, (flat, (1, 1, 2, 511, 3, 2), "all"), (flat, (1, 1, 5, 515, 3, 2), "some")]


def add_attention(
    project: KernelProject, attention: Attention, sizes: tuple[int, ...], kind: str
) -> Int8:
    """A call, of heads that lie side by side; what it must give."""
    rng = np.random.default_rng(sizes[3])
    outer, heads, queries, keys, width, value_width = sizes
    q, k, v = (
        Placed(random_bytes(rng, outer, heads, *shape))
        for shape in ((queries, width), (keys, width), (keys, value_width))
    )
    mask = masks(rng, kind, outer, heads, queries, keys)
    output = Placed(np.zeros((outer, heads, queries, value_width), np.int8))
    table = exponentials(**softmax_params(attention.scale)).astype(np.int32)
    params = (
        attention.scores.text,
        attention.values.text,
        attention.mask_factor,
        int(attention.causal),
    )
    project.call(
        "sparsec_attention_s8",
        [
            "&scratch",
            struct("sparsec_attention_params", *params),
            struct("sparsec_attention_sizes", *sizes),
            *(each for tensor in (q, k, v) for each in (tensor.text, project.array(tensor.tensor))),
            "&(sparsec_matrices){0}" if mask is None else Placed(mask, (0, 1, 2, 3)).text,
            "0" if mask is None else project.array(mask),
            project.array(table),
            output.text,
        ],
        output.tensor.size,
    )
    return Placed(attention(q.values, k.values, v.values, mask)).tensor.reshape(-1)


def add_products(project: KernelProject) -> list[Int8]:
    """Products along columns and across them, of every tail; what they must give."""
    expected: list[Int8] = []
    for size in range(1, 20):
        rng = np.random.default_rng(size)
        product = Product(size - 3, 9 - size, 2, 0.6 if size == 7 else 0.003)
        sizes = 1, 2, 1 + size % 6, size, 1 + size * 5 % 7
        _, heads, rows, depth, columns = sizes
        lhs = random_bytes(rng, 1, heads, rows, depth), random_bytes(rng, 1, heads, depth, columns)
        output = Placed(np.zeros((1, heads, rows, columns), np.int8))
        for axes in product_of(((0, 2, 1, 3), (0, 1, 3, 2)), repeat=2):
            left, right = (Placed(*each) for each in zip(lhs, axes, strict=True))
            project.call(
                "sparsec_batch_matmul_s8",
                [
                    "&scratch",
                    f"&(sparsec_matmul_params){product.text}",
                    struct("sparsec_matmul_sizes", *sizes),
                    left.text,
                    project.array(left.tensor),
                    right.text,
                    project.array(right.tensor),
                    output.text,
                ],
                output.tensor.size,
            )
            sums = product.sums(left.values, right.values.swapaxes(2, 3))
            expected.append(Placed(product.bytes(sums)).tensor.reshape(-1))
    return expected


DEPTHS = (1, 4, 7, 600)
NOWHERE = (0, 0, 0, 0)
OVER = [
    Over(1, 2, 3, *sizes, query=NOWHERE, key=NOWHERE, value=NOWHERE, result=NOWHERE)
    for sizes in ((1, 1, 1), (33, 70, 5), (64, 16, 16))
]


def scratch_sizes(cpu: str) -> Int8:
    """What the C functions say, in bytes."""
    unit = cpu_named(cpu).vector_unit
    sizes = [scratch.batch_matmul(unit, depth) for depth in DEPTHS]
    sizes += [scratch.attention(unit, a) for a in OVER]
    return np.array(sizes, "<i4").view(np.int8)


def add_scratch_sizes(project: KernelProject) -> None:
    """Calls that ask for them."""
    calls = [
        f"sparsec_batch_matmul_s8_get_buffer_size(&(sparsec_matmul_sizes){{1, 1, 4, {depth}, 4}})"
        for depth in DEPTHS
    ]
    for a in OVER:
        sizes = struct("sparsec_attention_sizes", 1, 2, 3, a.keys, a.width, a.value_width)
        calls.append(f"sparsec_attention_s8_get_buffer_size({sizes})")
    for call in calls:
        copy = f"__builtin_memcpy(arena + {project.output_bytes}, &size, 4);"
        project.statements.append(f"int32_t size = {call}; {copy}")
        project.output_bytes += 4


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Int8]:
    result = KernelProject()
    expected = [add_attention(result, *case) for case in device_attentions()]
    expected += add_products(result)
    add_scratch_sizes(result)
    directory = tmp_path_factory.mktemp("attention")
    return result.write(directory, "sparsec_*a*t*[nl]_s8*"), np.concatenate(expected)


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_core(project: tuple[Path, Int8], cmsis_nn_dir: Path, cpu: str) -> None:
    result = run_project(project[0], cpu, [np.zeros((1, 1), np.int8)], cmsis_nn=cmsis_nn_dir)
    expected = np.concatenate([project[1], scratch_sizes(cpu)])
    np.testing.assert_array_equal(result.outputs[0][0], expected)
