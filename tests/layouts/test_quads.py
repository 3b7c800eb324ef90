# SPDX-License-Identifier: Apache-2.0
"""The streams of Helium convolutions of four pixels: read back as they were written, refused where they say something else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsec.layouts.linear_rows import RowNumbers
from sparsec.layouts.quads import (
    Windows,
    pack_blocks,
    pack_runs,
    unpack_blocks,
    unpack_runs,
)
from sparsec.quantization.window import Window

SAME = Window(padding=(1, 1, 1, 1))


def numbers(outputs: int, shift: int = -9) -> RowNumbers:
    rng = np.random.default_rng(outputs)
    return RowNumbers(
        rng.integers(-500, 500, outputs).astype(np.int32),
        rng.integers(2**30, 2**31 - 1, outputs).astype(np.int32),
        np.full(outputs, shift, np.int32),
    )


def windows(channels: int, kernel: int, window: Window = SAME, size: int = 8) -> Windows:
    image = (size, size, channels)
    return Windows(
        window, image, window.output_size((size, size), (kernel, kernel)), (kernel, kernel)
    )


@given(
    outputs=st.integers(1, 9),
    channels=st.sampled_from((16, 20, 40)),
    kernel=st.sampled_from((1, 3)),
    size=st.sampled_from((4, 16)),
    density=st.floats(0, 1),
)
def test_blocks_are_read_back(
    outputs: int, channels: int, kernel: int, size: int, density: float
) -> None:
    rng = np.random.default_rng(outputs)
    matrix = rng.integers(-128, 128, (outputs, kernel * kernel * channels)).astype(np.int8)
    matrix[rng.random(matrix.shape) >= density] = 0
    where = windows(channels, kernel)
    stream = pack_blocks(matrix, numbers(outputs), where, size)
    found = unpack_blocks(stream, outputs, where, size)
    assert np.array_equal(found.weights, matrix)
    assert found.numbers.equals(numbers(outputs))
    assert found.blocks * size >= np.count_nonzero(matrix)


def test_a_block_ends_with_its_run() -> None:
    """The last weights of a run of 20 inputs lie in a block that begins four inputs before those that are left."""
    matrix = np.zeros((1, 20), np.int8)
    matrix[0, [1, 19]] = 5, 6
    blocks = list(windows(20, 1, Window()).blocks_of(matrix[0], 16))
    assert [(place, weights.nonzero()[0].tolist()) for place, weights in blocks] == [
        (1, [0]),
        (4, [15]),
    ]


def test_the_bytes_of_a_stream() -> None:
    """Two words in front; a bias, a count, a multiplier and a shift for each output; 18 bytes for each block of 16, 24 for
    four of 4; runs filled up to whole vectors."""
    matrix = np.zeros((5, 64), np.int8)
    matrix[0, 17], matrix[3] = 1, 1
    where = windows(64, 1, Window())
    assert pack_blocks(matrix, numbers(5), where, 16).nbytes == 8 + 5 * 16 + 5 * 18 + 2
    assert pack_blocks(matrix, numbers(5), where, 4).nbytes == 8 + 5 * 16 + 5 * 24
    assert pack_runs(matrix[:, :54], numbers(5), 3).nbytes == 8 + 5 * (12 + 3 * 32)


def test_what_is_in_front() -> None:
    """Whether all shifts are to the right, and the bytes before the last four rows."""
    matrix = np.ones((6, 16), np.int8)
    assert pack_runs(matrix, numbers(6), 1)[:2].tolist() == [1, 2 * 28]
    assert pack_runs(matrix[:3], numbers(3, shift=0), 1)[:2].tolist() == [0, 0]
    assert pack_blocks(matrix, numbers(6), windows(16, 1, Window()), 16)[1] == 2 * 34


def test_what_is_no_stream() -> None:
    matrix = np.ones((6, 20), np.int8)
    where = windows(20, 1, Window())
    runs, blocks = pack_runs(matrix, numbers(6), 1), pack_blocks(matrix, numbers(6), where, 16)
    for stream in (runs, blocks):
        wrong = stream.copy()
        wrong[1] += 4
        with pytest.raises(ValueError, match="wrong about its shifts, or about its last rows"):
            if stream is runs:
                unpack_runs(wrong, 6, 20, 1)
            else:
                unpack_blocks(wrong, 6, where, 16)
    with pytest.raises(ValueError, match="words are no 5 rows"):
        unpack_runs(runs, 5, 20, 1)
    filled = runs.copy()
    filled[10] = 1
    with pytest.raises(ValueError, match="filled up with something else than zeros"):
        unpack_runs(filled, 6, 20, 1)
    with pytest.raises(ValueError, match="goes on behind 5 rows"):
        unpack_blocks(blocks, 5, where, 16)
    with pytest.raises(ValueError, match="ends in a row"):
        unpack_blocks(blocks[:-2], 6, where, 16)
    with pytest.raises(ValueError, match="no inputs of a window begin at 5"):
        where.row_of([(5, np.ones(16, np.int8))], 16)


def test_a_negative_multiplier() -> None:
    given = numbers(2)
    negative = RowNumbers(given.bias, -given.multiplier, given.shift)
    with pytest.raises(ValueError, match="a multiplier is negative"):
        pack_runs(np.ones((2, 16), np.int8), negative, 1)


@pytest.mark.parametrize(
    ("where", "size", "reason"),
    [
        (windows(5, 3), 16, "blocks of 16 need as many inputs side by side, got 15"),
        (windows(18, 3), 4, "channels of the input must be a multiple of 4, got 18"),
        (windows(400, 3, Window(), 100), 16, "too many for two bytes to tell"),
        (windows(400, 3, Window(), 100), 4, None),
        (windows(6, 3), 16, None),
    ],
)
def test_why_there_are_no_blocks(where: Windows, size: int, reason: str | None) -> None:
    found = where.why_no_blocks(size)
    assert found is None if reason is None else found is not None and reason in found


def test_scratch() -> None:
    """Nothing inside an image; a band of rows at a border, and windows that are packed."""
    assert windows(64, 1, Window()).scratch_of_runs(64) == 4
    assert windows(16, 3).scratch_of_runs(16) == 3 * 10 * 16
    assert windows(3, 3).scratch_of_runs(8) == 3 * 10 * 3 + 4 * 27
    assert windows(16, 3).scratch_of_blocks(16) == 3 * 10 * 16
    assert windows(64, 1, Window()).scratch_of_blocks(4) == 8 * 64
