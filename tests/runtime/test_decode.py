# SPDX-License-Identifier: Apache-2.0
"""The decoders give the arrays of `delta8` and no byte more, at once or a few rows at a time, here and as each core
compiles them; a linear layer that decodes its weights is the one that has them decoded."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from sparsec.calibration.cases import row_numbers
from sparsec.formats import Block, BlockRle, Csr, Delta8, Nm, SparseFormat
from sparsec.formats.base import Components
from sparsec.ir.rt.decode import decoder_of
from sparsec.kernels.linear_decoded import decoded_bytes, rows_at_once
from sparsec.run.execute import run_project
from tests.formats.support import ALL_FORMATS, Matrix, fitting, row_with_gaps, sparse_matrices
from tests.runtime.kernel_library import (
    Activation,
    Dims,
    FcParams,
    Guarded,
    KernelLibrary,
    Struct,
    context,
    per_channel,
)
from tests.runtime.kernel_project import KernelProject, struct

FORMATS = [encoding for encoding in ALL_FORMATS if decoder_of(encoding) is not None]
EACH_FORMAT = pytest.mark.parametrize("encoding", FORMATS, ids=lambda e: e.label)

GUARD = 0x5A
GUARD_BYTES = 8


def function_of(encoding: SparseFormat) -> str:
    name = encoding.name.replace("-", "_")
    if isinstance(encoding, Block) and encoding.rows == 1:
        name = "row_block"
    return f"sparsec_decode_{name}_s8"


def numbers_of(encoding: SparseFormat, arrays: Components) -> tuple[int, int]:
    """What the format says of itself."""
    match encoding:
        case Nm(n, m):
            return n, m
        case Block(rows, columns):
            return rows, columns
        case BlockRle(size):
            return size, len(arrays["stream"])
        case _:
            return 0, 0


class Encoded(Struct):
    _fields_ = [
        ("rows", ctypes.c_int32),
        ("columns", ctypes.c_int32),
        ("numbers", ctypes.c_int32 * 2),
        ("arrays", ctypes.c_void_p * 7),
    ]


class Place(Struct):
    _fields_ = [("row", ctypes.c_int32), ("read", ctypes.c_uint32 * 3)]


def encoded(encoding: SparseFormat, shape: tuple[int, ...], arrays: Components) -> Encoded:
    """The struct of weights, which have to outlive it."""
    addresses = (ctypes.c_void_p * 7)(*(array.ctypes.data for array in arrays.values()))
    numbers = (ctypes.c_int32 * 2)(*numbers_of(encoding, arrays))
    return Encoded(shape[0], shape[1], numbers, addresses)


def parts(rows: int) -> Iterator[int]:
    """All rows, first one, then two, then five at a time."""
    while rows > 0:
        for many in (1, 2, 5, 1):
            if rows > 0:
                yield min(many, rows)
            rows -= many


def assert_decodes(runtime: KernelLibrary, encoding: SparseFormat, dense: Matrix) -> None:
    arrays, expected = encoding.pack(dense), Delta8().pack(dense)
    entries, counts = (Guarded(expected[name].nbytes) for name in ("entries", "counts"))
    weights = encoded(encoding, dense.shape, arrays)
    runtime.call(function_of(encoding), weights, None, len(dense), entries, counts)
    np.testing.assert_array_equal(counts.bytes.view(np.uint16), expected["counts"])
    np.testing.assert_array_equal(entries.bytes.view(np.uint8), expected["entries"])
    place, row, start = Place(), 0, 0
    for many in parts(len(dense)):
        few = expected["counts"][row : row + many]
        stop = start + 2 * int(few.sum())
        entries, counts = Guarded(stop - start), Guarded(few.nbytes)
        runtime.call(function_of(encoding), weights, place, many, entries, counts)
        np.testing.assert_array_equal(counts.bytes.view(np.uint16), few)
        np.testing.assert_array_equal(entries.bytes.view(np.uint8), expected["entries"][start:stop])
        row, start = row + many, stop
        assert place.row == row


def random_matrix(rows: int, columns: int, sparsity: float) -> Matrix:
    """With an empty row in the middle, unless there are too few."""
    rng = np.random.default_rng(rows * columns)
    dense = rng.integers(-128, 128, (rows, columns)).astype(np.int8)
    dense[rng.random(dense.shape) < sparsity] = 0
    if rows > 2:
        dense[rows // 2] = 0
    return dense


SHAPES = [(1, 1), (9, 1), (4, 3), (5, 8), (6, 9), (3, 24), (5, 31), (4, 33), (3, 256), (2, 257)]
MATRICES = [
    random_matrix(*shape, sparsity) for shape in SHAPES for sparsity in (0.0, 0.5, 0.9, 1.0)
]
GAPS = [
    *([gap, gap] for gap in (14, 15, 16, 29, 30, 31, 32, 33, 254, 255, 256, 257, 270, 271, 285)),
    *([1, gap, 1, gap] for gap in (254, 255, 256, 269, 270, 271, 510, 511, 512, 765, 766)),
]


@EACH_FORMAT
def test_shapes(runtime: KernelLibrary, encoding: SparseFormat) -> None:
    for dense in MATRICES:
        assert_decodes(runtime, encoding, fitting(encoding, dense))


@EACH_FORMAT
def test_gaps(runtime: KernelLibrary, encoding: SparseFormat) -> None:
    """On either side of the longest steps of each format, alone and in rows that follow each other."""
    lines = [row_with_gaps(gap, 1600) for gap in GAPS]
    for dense in (*lines, np.concatenate(lines)):
        assert_decodes(runtime, encoding, fitting(encoding, dense))


@EACH_FORMAT
def test_far_gaps(runtime: KernelLibrary, encoding: SparseFormat) -> None:
    few = isinstance(encoding, Csr) or (isinstance(encoding, Block) and encoding.columns == 1)
    columns = 65_536 if few else 70_000
    dense = np.zeros((3, columns), np.int8)
    dense[0, [0, columns - 1]] = -128, 127
    dense[2, columns - 2] = 5
    assert_decodes(runtime, encoding, fitting(encoding, dense))


@EACH_FORMAT
def test_many_elements(runtime: KernelLibrary, encoding: SparseFormat) -> None:
    """One more than 16 bits can count."""
    dense = np.zeros((2, 32_768), np.int8)
    dense[0, ::5000] = dense[1, ::700] = -3
    assert_decodes(runtime, encoding, dense)


@EACH_FORMAT
def test_longest_row(runtime: KernelLibrary, encoding: SparseFormat) -> None:
    """As many entries as a count can say."""
    dense = np.full((1, 65_535), -1, np.int8)
    if isinstance(encoding, Block) and encoding.in_pairs:
        dense[0, -1] = 0  # else the block of zeros would be one too many
    if encoding.name == "dcsr":
        dense = dense[:, :32_767]
    assert_decodes(runtime, encoding, fitting(encoding, dense))


@EACH_FORMAT
@settings(max_examples=25)
@given(dense=sparse_matrices())
def test_any_matrix(runtime: KernelLibrary, encoding: SparseFormat, dense: Matrix) -> None:
    assert_decodes(runtime, encoding, fitting(encoding, dense))


@EACH_FORMAT
def test_linear_layer(runtime: KernelLibrary, encoding: SparseFormat) -> None:
    """By weights that are decoded a few rows at a time, in scratch memory that is as large as it must be; by one that are
    decoded already."""
    for dense in (*MATRICES[1::4], random_matrix(40, 300, 0.7)):
        weights = fitting(encoding, dense)
        rows, columns = weights.shape
        arrays, delta8 = encoding.pack(weights), Delta8().pack(weights)
        numbers = row_numbers(rows)
        params, input = FcParams(0, 0, -5, Activation(-128, 127)), random_matrix(1, columns, 0.0)
        rest = (params, per_channel(numbers.multiplier, numbers.shift), input)
        dims = Dims(1, 1, 1, rows)
        decoded, expected = Guarded(rows), Guarded(rows)
        runtime.call(
            *("sparsec_fully_connected_delta8_s8", *rest, delta8["entries"], delta8["counts"]),
            *(numbers.bias, dims, expected),
        )
        counts: list[int] = delta8["counts"].tolist()
        own = rows_at_once(sum(counts), rows)
        for many in sorted({1, min(3, rows), rows, own}):
            most = max(sum(counts[first : first + many]) for first in range(0, rows, many))
            scratch = Guarded(2 * (many + most))
            assert many != own or scratch.size == decoded_bytes(delta8["counts"])
            runtime.call(
                *("sparsec_fully_connected_decoded_s8", context(scratch), *rest),
                *(encoded(encoding, weights.shape, arrays), runtime.address(function_of(encoding))),
                *(many, numbers.bias, dims, decoded),
            )
            np.testing.assert_array_equal(decoded.bytes, expected.bytes)


@dataclass
class DecoderProject:
    """Calls of decoders, and the bytes that they are to leave in the arena, guards among them."""

    project: KernelProject
    expected: list[NDArray[np.uint8]]

    def place(self, array: NDArray[np.uint8] | NDArray[np.uint16]) -> str:
        """Where a result goes: behind a guard."""
        padded = -array.nbytes % 4
        place = self.project.output_bytes + GUARD_BYTES
        self.project.output_bytes = place + array.nbytes + padded
        self.expected += [
            np.full(GUARD_BYTES, GUARD, np.uint8),
            array.view(np.uint8),
            np.full(padded, GUARD, np.uint8),
        ]
        return f"({array.dtype.name}_t *)(arena + {place})"

    def add(self, encoding: SparseFormat, dense: Matrix) -> None:
        """At once, and a few rows at a time."""
        weights, delta8 = c_struct(self.project, encoding, dense), Delta8().pack(dense)
        entries, counts = (self.place(delta8[name]) for name in ("entries", "counts"))
        function = function_of(encoding)
        self.project.statements.append(
            f"{function}({weights}, NULL, {len(dense)}, {entries}, {counts});"
        )
        entries, counts = (self.place(delta8[name]) for name in ("entries", "counts"))
        row = start = 0
        calls = ["sparsec_place place = {0, {0, 0, 0}};"]
        for many in parts(len(dense)):
            arguments = f"{weights}, &place, {many}, {entries} + {start}, {counts} + {row}"
            calls.append(f"{function}({arguments});")
            start += 2 * int(delta8["counts"][row : row + many].sum())
            row += many
        self.project.statements.append("\n".join(calls))


def c_struct(project: KernelProject, encoding: SparseFormat, dense: Matrix) -> str:
    """The address of the struct of weights in C."""
    arrays = encoding.pack(dense)
    first, second = numbers_of(encoding, arrays)
    names = ", ".join(map(project.array, arrays.values()))
    rows, columns = dense.shape
    return struct("sparsec_encoded", rows, columns, f"{{{first}, {second}}}", f"{{{names}}}")


@pytest.fixture(scope="module")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray[np.uint8]]:
    """The directory of a project, and what it leaves in the arena."""
    result = DecoderProject(KernelProject(), [])
    gaps = np.concatenate([row_with_gaps(gap, 800) for gap in GAPS])
    for encoding in FORMATS:
        if isinstance(encoding, Block) and encoding.rows * encoding.columns > 1000:
            continue
        for dense in (*MATRICES[::3], gaps):
            result.add(encoding, fitting(encoding, dense))
    result.expected.append(np.full(GUARD_BYTES, GUARD, np.uint8))
    result.project.output_bytes += GUARD_BYTES
    fill = f"memset(arena, {GUARD}, {result.project.output_bytes});"
    result.project.statements.insert(0, fill)
    result.project.declarations.insert(0, "#include <string.h>")
    directory = result.project.write(tmp_path_factory.mktemp("decoders"))
    for path in directory.glob("sparsec_*.c"):
        if not path.stem.startswith("sparsec_decode_"):
            path.unlink()
    return directory, np.concatenate(result.expected)


def assert_exact(
    decoders: tuple[Path, NDArray[np.uint8]], cpu: str, cmsis_nn_dir: Path, sanitize: bool
) -> None:
    directory, expected = decoders
    result = run_project(
        *(directory, cpu, [np.zeros((1, 1), np.int8)]),
        cmsis_nn=cmsis_nn_dir,
        sanitize=sanitize,
        counting=False,
    )
    np.testing.assert_array_equal(result.outputs[0][0].view(np.uint8), expected)


def test_host_with_sanitizers(decoders: tuple[Path, NDArray[np.uint8]], cmsis_nn_dir: Path) -> None:
    assert_exact(decoders, "host", cmsis_nn_dir, sanitize=True)


@pytest.mark.qemu
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_core(decoders: tuple[Path, NDArray[np.uint8]], cmsis_nn_dir: Path, cpu: str) -> None:
    assert_exact(decoders, cpu, cmsis_nn_dir, sanitize=False)
