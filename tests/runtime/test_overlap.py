"""Each kernel with its output over its dying input, at every distance it claims: 0 differing bytes; one byte more differs.

On the host a `memcpy` stands in that destroys what it copies when its ranges meet, which C leaves undefined.
"""

import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from sparsec.ir import cmsis, rt
from sparsec.ir.kernel import KernelOp
from sparsec.ir.shapes import shape_of
from sparsec.planning.overlap import apart
from sparsec.quantization.params import (
    AddParams,
    MulParams,
    PreluParams,
    Requant,
    Rescale,
    SoftmaxParams,
)
from sparsec.quantization.window import Border, Pool, Slice, Window
from sparsec.run.execute import run_project
from tests.runtime.kernel_library import RUNTIME
from tests.runtime.kernel_project import KernelProject
from tests.runtime.overlap_cases import Buffers, Case, c_source, claimed_distances
from tests.runtime.test_depthwise_sparse import random_layer

ADD = AddParams(1, 2**30, 1, -3, 2**30, 0, 20, 5, 2**30, -18)
MUL = MulParams(1, -3, 2**30, -5, 2)
PRELU = PreluParams(1, -2, 2**30, 1, 2**30, -6, 3)
RNG = np.random.default_rng(0)
SAWTOOTH = np.array([100, -100] * 12, np.int8)
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
    ):
        for side in range(2):
            b = Buffers()
            x, y, other = b.buffer(23), b.buffer(23), b.constant(noise(23))
            lhs, rhs = (x, other) if side == 0 else (other, x)
            op = kernel(lhs, rhs, y, params)  # pyright: ignore[reportArgumentType]
            yield Case(f"{name}_{side}", op, y, x, b.constants)
    for size in (24, 4, 1):
        for side in range(2):
            for name, build in (
                ("mul", multiply),
                ("add", add),
                ("maximum", rt.MaximumOp),
                ("minimum", rt.MinimumOp),
            ):
                b = Buffers()
                other = b.constant(~SAWTOOTH if name == "minimum" else SAWTOOTH)
                x, y = b.buffer(size), b.buffer(24)
                op = build(x, other, y) if side == 0 else build(other, x, y)
                yield Case(f"{name}_{size}_{side}", op, y, x, b.constants)
        b = Buffers()
        x, y, negative = b.buffer(size), b.buffer(24), b.constant(np.abs(noise(24) // 2) - 100)
        op = rt.PreluOp(negative, x, y, PRELU)
        yield Case(f"prelu_alpha_{size}", op, y, x, b.constants)
        b = Buffers()
        x, y, alpha = b.buffer(24), b.buffer(24), b.constant(noise(size))
        yield Case(f"prelu_{size}", rt.PreluOp(x, alpha, y, PRELU), y, x, b.constants)
    b = Buffers()
    x, y = b.buffer(23), b.buffer(23)
    table = b.constant(noise(256))
    yield Case("lookup", rt.LookupOp(x, table, y), y, x, b.constants)
    yield Case("requantize", rt.RequantizeOp(x, y, Rescale(3, 2**30, 0, 7)), y, x)
    for shape in ((3, 7), (1, 23)):
        x, y = b.buffer(*shape), b.buffer(*shape)
        op = cmsis.SoftmaxOp(x, y, SoftmaxParams(2**30, 24, -60))
        yield Case(f"softmax_{shape[0]}", op, y, x)


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
        ]
    ):
        x, y = b.buffer(*image), b.buffer(*shape)
        # A claim counts from the begin of the input, of which a slice may not read the first bytes.
        exact = number not in (0, 5)
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
        [((1, 4, 5, 3), (0, 3, 1, 2)), ((6, 7), (1, 0)), ((2, 3, 4), (1, 0, 2)), ((5,), (0,))]
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
    for number, channels in enumerate((1, 6, 23)):
        x, y = b.buffer(1, 3, 4, channels), b.buffer(1, 1, 1, channels)
        op = rt.MeanOp(x, y, Rescale(3, 2**30, -2, 1))
        yield Case(f"mean_{number}", op, y, x)
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


def fully_connected() -> Iterator[Case]:
    """How many outputs of a row are computed together is not claimed to be known."""
    for number, (rows, depth, features) in enumerate([(3, 8, 5), (3, 5, 8), (4, 6, 6)]):
        b = Buffers()
        x, y = b.buffer(rows, depth), b.buffer(rows, features)
        weights, bias = (
            b.constant(noise(features, depth)),
            b.constant(np.arange(features, dtype=np.int32)),
        )
        op = cmsis.FullyConnectedOp(x, weights, bias, y, Requant(), 2**30, -5)
        yield Case(f"fully_connected_{number}", op, y, x, b.constants, exact=False)


CASES = [
    *elementwise(),
    *movement(),
    *windows(),
    *depthwise(),
    *fully_connected(),
]
MEMCPY = """#include <stddef.h>
void *strict_memcpy(void *to, const void *from, size_t size);
void *strict_memcpy(void *to, const void *from, size_t size)
{
    unsigned char *target = to;
    const unsigned char *source = from;
    const int meet = target < source + size && source < target + size;
    for (size_t i = 0; i < size; i++)
    {
        target[i] = meet ? 0xA5 : source[i];
    }
    return to;
}
"""


@pytest.fixture(scope="module")
def library(cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    directory = tmp_path_factory.mktemp("overlap")
    (directory / "cases.c").write_text(c_source(CASES, cmsis_nn_dir))
    (directory / "memcpy.c").write_text(MEMCPY)
    functions = {case.op.C_FUNCTION for case in CASES}
    sources = [RUNTIME / "src" / f"{name}.c" for name in functions if name.startswith("sparsec")]
    helpers = ("softmax_common_s8", "vec_mat_mult_t_s8")
    for name in (*functions, *(f"arm_nn_{h}" for h in helpers), "arm_avgpool_get_buffer_sizes_s8"):
        sources += (cmsis_nn_dir / "Source").glob(f"*/{name}.c")
    library = directory / "overlap.so"
    command = ["gcc", "-std=c11", "-O2", "-shared", "-fPIC", "-w", "-fwrapv"]
    command += ["-I", str(RUNTIME / "include"), "-I", str(cmsis_nn_dir / "Include")]
    copies = directory / "memcpy.o"
    subprocess.run(["gcc", "-fPIC", "-c", directory / "memcpy.c", "-o", copies], check=True)
    command += ["-Dmemcpy=strict_memcpy", str(directory / "cases.c"), *map(str, sources)]
    subprocess.run([*command, str(copies), "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def run(library: ctypes.CDLL, case: Case, distance: int, seed: int = 0) -> NDArray[np.int8]:
    """The output of `case` where it begins `distance` bytes behind its input; 0 where nothing is written."""
    output, input = case.sizes
    start = 64 + output + input
    memory = np.zeros(4 * start + case.scratch_bytes + 64, np.int8)
    base = memory.ctypes.data + start
    scratch = -(-(base + 2 * start) // 64) * 64
    memory[start : start + input] = case.data(seed)
    pointers = map(ctypes.c_void_p, (base, base + distance, scratch))
    assert library[case.name](*pointers) == 0
    return np.where(written(case), memory[start + distance : start + distance + output], 0)


def written(case: Case) -> NDArray[np.bool_]:
    """Which bytes of the output the call writes."""
    marks = np.ones(shape_of(case.output.type), np.bool_)
    if isinstance(case.op, rt.ConcatenateOp):
        axis, first = case.op.axis.value.data, case.op.position.value.data
        end = first + shape_of(case.input.type)[axis]
        marks = np.moveaxis(np.zeros_like(marks), axis, 0)
        marks[first:end] = True
        marks = np.moveaxis(marks, 0, axis)
    return marks.reshape(-1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_claim_holds_wherever_it_allows_and_not_one_byte_further(
    library: ctypes.CDLL, case: Case
) -> None:
    claim, (output, input) = case.claim, case.sizes

    seeds = range(20)
    apart = [run(library, case, input + 32, seed) for seed in seeds]

    def same(distance: int, seed: int = 0) -> bool:
        return np.array_equal(run(library, case, distance, seed), apart[seed])

    for distance in range(-output - 9, input + 10):
        assert not claim.allows(distance) or same(distance), distance
    for distance in (1 - claim.below, claim.above - 1):
        if case.exact and not claim.allows(distance):
            assert not all(same(distance, seed) for seed in seeds), distance


def test_what_is_claimed() -> None:
    shared = {case.name: case.claim.bytes(*case.sizes) for case in CASES}
    whole = {"cmsis_add_0", "mul_24_1", "prelu_24", "lookup", "softmax_3", "mean_2", "depthwise_0"}
    some = {"mul_4_1": 4, "pad_0": 60, "pad_3": 0, "slice_5": 30}
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
def project(
    cmsis_nn_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[tuple[Case, int]]]:
    """Every claim at its limits, as a project."""
    # `arm_fully_connected_s8` is not called on cores with Helium.
    cases = [case for case in CASES if case.op.name != cmsis.FullyConnectedOp.name]
    runs = [(case, distance) for case in cases for distance in claimed_distances(case)]
    project = KernelProject()
    room = 2 * max(sum(case.sizes) for case in CASES) + 64
    project.output_bytes = sum(case.sizes[0] for case, _ in runs)
    inputs = {case.name: project.array(case.data()) for case in CASES}
    at = 0
    for case, distance in runs:
        output, input = case.sizes
        begin = -(-(project.output_bytes + output) // 16) * 16
        scratch = begin + room
        place = f"arena + {begin + distance}"
        project.statements += [
            f"memcpy(arena + {begin}, {inputs[case.name]}, {input});",
            f"{case.name}(arena + {begin}, {place}, arena + {-(-scratch // 16) * 16});",
            f"memcpy(arena + {at}, {place}, {output});",
        ]
        at += output
    project.declarations = [
        "#include <string.h>",
        c_source(CASES, cmsis_nn_dir),
        *project.declarations,
    ]
    directory = project.write(tmp_path_factory.mktemp("overlap_project"))
    for source in directory.glob("sparsec_*.c"):
        if source.stem not in {case.op.C_FUNCTION for case in cases}:
            source.unlink()
    return directory, runs


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m55"])
def test_a_claim_holds_on_a_core(
    library: ctypes.CDLL,
    project: tuple[Path, list[tuple[Case, int]]],
    cmsis_nn_dir: Path,
    cpu: str,
) -> None:
    directory, runs = project
    unused = np.zeros((1, 1), np.int8)
    result = run_project(directory, cpu, [unused], cmsis_nn=cmsis_nn_dir, counting=False)
    found = result.outputs[0][0]
    at = 0
    for case, distance in runs:
        output, input = case.sizes
        expected = run(library, case, input + 32)
        outputs = np.where(written(case), found[at : at + output], 0)
        np.testing.assert_array_equal(outputs, expected, err_msg=f"{case.name} at {distance}")
        at += output
