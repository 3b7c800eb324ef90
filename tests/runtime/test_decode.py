# SPDX-License-Identifier: Apache-2.0
"""The decoders give the arrays of `delta8` and no byte more, here and as each core compiles them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from sparsec.formats import Block, BlockRle, Csr, Delta4, Delta8, Nm, SparseFormat
from sparsec.formats.base import Components
from sparsec.ir.rt.decode import decoder_of
from sparsec.run.execute import run_project
from tests.formats.support import ALL_FORMATS, Matrix, fitting, row_with_gaps, sparse_matrices
from tests.runtime.kernel_library import Guarded, KernelLibrary
from tests.runtime.kernel_project import KernelProject

FORMATS = [encoding for encoding in ALL_FORMATS if decoder_of(encoding) is not None]
EACH_FORMAT = pytest.mark.parametrize("encoding", FORMATS, ids=lambda e: e.label)

GUARD = 0x5A
GUARD_BYTES = 8


def function_of(encoding: SparseFormat) -> str:
    name = encoding.name.replace("-", "_")
    if isinstance(encoding, Block) and encoding.rows == 1:
        name = "row_block"
    return f"sparsec_decode_{name}_s8"


def numbers_of(encoding: SparseFormat, shape: tuple[int, ...], arrays: Components) -> list[int]:
    """The arguments in front of the arrays."""
    rows, columns = shape
    match encoding:
        case Delta4():
            return [rows]
        case Nm(n, m):
            return [n, m, rows, columns]
        case Block(1, block_columns):
            return [block_columns, rows]
        case Block(block_rows, block_columns):
            return [block_rows, block_columns, rows, columns]
        case BlockRle(size):
            return [size, rows, columns, len(arrays["stream"])]
        case _:
            return [rows, columns]


def assert_decodes(runtime: KernelLibrary, encoding: SparseFormat, dense: Matrix) -> None:
    arrays, expected = encoding.pack(dense), Delta8().pack(dense)
    entries, counts = (Guarded(expected[name].nbytes) for name in ("entries", "counts"))
    numbers = numbers_of(encoding, dense.shape, arrays)
    runtime.call(function_of(encoding), *numbers, *arrays.values(), entries, counts)
    np.testing.assert_array_equal(counts.bytes.view(np.uint16), expected["counts"])
    np.testing.assert_array_equal(entries.bytes.view(np.uint8), expected["entries"])


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
        arrays, delta8 = encoding.pack(dense), Delta8().pack(dense)
        arguments = [
            *map(str, numbers_of(encoding, dense.shape, arrays)),
            *(self.project.array(array) for array in arrays.values()),
            *(self.place(delta8[name]) for name in ("entries", "counts")),
        ]
        self.project.statements.append(f"{function_of(encoding)}({', '.join(arguments)});")


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
