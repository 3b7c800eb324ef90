"""Every format gives back the matrix it stored; delta8 also keeps the layout its kernels read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from sparsec.formats import FORMATS, Delta8, SparseFormat

Matrix = NDArray[np.int8]

EVERY_FORMAT = pytest.mark.parametrize(
    "sparse_format", [format_class() for format_class in FORMATS.values()], ids=str
)


def assert_round_trip(sparse_format: SparseFormat, dense: Matrix) -> None:
    components = sparse_format.pack(dense)
    np.testing.assert_array_equal(sparse_format.unpack(components, dense.shape), dense, strict=True)
    assert sparse_format.stored_bytes(dense) == sum(array.nbytes for array in components.values())
    assert all(array.flags.c_contiguous for array in components.values())


def row_with_gaps(gaps: list[int], columns: int) -> Matrix:
    """One row whose nonzero columns are the running sums of `gaps`, minus one, as far as they fit."""
    dense = np.zeros((1, columns), np.int8)
    positions = np.cumsum(gaps) - 1
    positions = positions[positions < columns]
    dense[0, positions] = np.where(np.arange(len(positions)) % 2, -128, 127)
    return dense


@st.composite
def sparse_matrices(draw: st.DrawFn) -> Matrix:
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 700)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dense = rng.integers(-128, 128, shape).astype(np.int8)
    dense[rng.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))] = 0
    if draw(st.booleans()):  # clustered: whole runs of columns empty
        dense[:, (np.arange(shape[1]) // draw(st.integers(1, 300))) % 2 == 1] = 0
    dense[rng.random(shape[0]) < draw(st.sampled_from([0.0, 0.5]))] = 0
    return dense


@EVERY_FORMAT
@given(dense=sparse_matrices())
def test_random_clustered_and_empty_rows(sparse_format: SparseFormat, dense: Matrix) -> None:
    assert_round_trip(sparse_format, dense)


@EVERY_FORMAT
@given(dense=hnp.arrays(np.int8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_small_matrices_of_any_content(sparse_format: SparseFormat, dense: Matrix) -> None:
    assert_round_trip(sparse_format, dense)


@EVERY_FORMAT
@given(
    gaps=st.lists(
        st.sampled_from([1, 2, 254, 255, 256, 257, 509, 510, 511, 512, 765, 766]),
        min_size=1,
        max_size=12,
    )
)
def test_gaps_about_the_longest_step(sparse_format: SparseFormat, gaps: list[int]) -> None:
    assert_round_trip(sparse_format, row_with_gaps(gaps, 10_000))


@EVERY_FORMAT
@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (1, 10_000), (3, 10_000), (4, 256)], ids=str)
@pytest.mark.parametrize("fill", [0, -128, 127])
def test_constant_matrices(sparse_format: SparseFormat, shape: tuple[int, int], fill: int) -> None:
    assert_round_trip(sparse_format, np.full(shape, fill, np.int8))


@EVERY_FORMAT
def test_a_transposed_view_is_stored_like_its_copy(sparse_format: SparseFormat) -> None:
    view = np.arange(-60, 60, dtype=np.int8).reshape(10, 12).T
    assert_round_trip(sparse_format, view)


@EVERY_FORMAT
@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4), (0, 4), (4, 0)], ids=str)
def test_a_shape_that_is_no_matrix_is_refused(
    sparse_format: SparseFormat, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="stores a matrix"):
        sparse_format.check(shape)
    with pytest.raises(ValueError, match="stores a matrix"):
        sparse_format.pack(np.zeros(shape, np.int8))


def test_delta8_layout() -> None:
    dense = np.zeros((3, 600), np.int8)
    dense[0, [0, 1, 256, 512]] = [1, -1, 127, -128]  # steps 0, 1, 255 and 256 = 255 + 1
    dense[2, 599] = 5  # 599 = 255 + 255 + 89
    components = Delta8().pack(dense)
    assert list(components) == ["entries", "counts"]
    assert components["entries"].dtype == np.uint8
    assert components["counts"].dtype == np.uint16
    assert components["counts"].tolist() == [5, 0, 3]
    assert components["entries"].reshape(-1, 2).tolist() == [
        [0, 1], [1, 255], [255, 127], [255, 0], [1, 128], [255, 0], [255, 0], [89, 5]
    ]  # fmt: skip
    assert Delta8().stored_bytes(dense) == 2 * 8 + 2 * 3


@pytest.mark.parametrize(("gap", "entries"), [(254, 1), (255, 1), (256, 2), (510, 2), (511, 3)])
def test_delta8_bridges_a_gap_with_as_few_entries_as_it_can(gap: int, entries: int) -> None:
    dense = np.zeros((1, 600), np.int8)
    dense[0, gap] = 3
    assert Delta8().pack(dense)["counts"].tolist() == [entries]


def test_delta8_refuses_a_row_whose_count_does_not_fit() -> None:
    dense = np.zeros((2, 65_536), np.int8)
    dense[1, :65_535] = 1
    assert_round_trip(Delta8(), dense)
    dense[1, 65_535] = 1
    with pytest.raises(ValueError, match="row 1 needs 65536 delta8 entries"):
        Delta8().pack(dense)


def test_delta8_refuses_other_element_types() -> None:
    with pytest.raises(ValueError, match="int8"):
        Delta8().pack(np.ones((2, 2), np.int16))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("entries", "counts", "message"),
    [
        ([0, 1], [1], "do not make a matrix"),
        ([0, 1], [1, 1], "do not make a matrix"),
        ([9, 1], [1, 0], "reaches column 9 of 8"),
        ([1, 1, 0, 2], [2, 0], "names a column twice"),
    ],
)
def test_delta8_refuses_components_of_another_matrix(
    entries: list[int], counts: list[int], message: str
) -> None:
    components = {"entries": np.array(entries, np.uint8), "counts": np.array(counts, np.uint16)}
    with pytest.raises(ValueError, match=message):
        Delta8().unpack(components, (2, 8))
