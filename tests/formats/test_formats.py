# SPDX-License-Identifier: Apache-2.0
"""What holds for every format: it gives back the matrix it stored, in the layout it describes."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparsec.formats import COMMON_FORMATS, FORMATS, SparseFormat
from sparsec.formats.base import Components
from tests.formats.decoders import DECODERS, decode
from tests.formats.support import ALL_FORMATS, Matrix, fitting, row_with_gaps, sparse_matrices

EVERY_FORMAT = pytest.mark.parametrize("sparse_format", ALL_FORMATS, ids=lambda f: f.label)


def assert_round_trip(sparse_format: SparseFormat, dense: Matrix) -> None:
    components = sparse_format.pack(dense)
    np.testing.assert_array_equal(
        sparse_format.unpack(components, dense.shape), dense, sparse_format.label, strict=True
    )
    stored = sum(array.nbytes for array in components.values())
    assert sparse_format.stored_bytes(dense) == stored, sparse_format.label
    assert all(array.flags.c_contiguous for array in components.values())
    types = {name: array.dtype for name, array in components.items()}
    assert types == sparse_format.element_types(dense.shape)
    assert list(types) == list(sparse_format.element_types(dense.shape))


def assert_all_round_trip(dense: Matrix) -> None:
    for sparse_format in ALL_FORMATS:
        assert_round_trip(sparse_format, fitting(sparse_format, dense))


@given(dense=sparse_matrices())
@settings(max_examples=60)
def test_random_clustered_and_empty_rows(dense: Matrix) -> None:
    assert_all_round_trip(dense)


@given(dense=hnp.arrays(np.int8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12)))
@settings(max_examples=60)
def test_small_matrices_of_any_content(dense: Matrix) -> None:
    assert_all_round_trip(dense)


GAPS = [
    *(1, 2, 14, 15, 16, 17, 29, 30, 31, 32, 45, 46),
    *(253, 254, 255, 256, 257, 258, 509, 510, 511, 512, 765, 766),
]


@given(gaps=st.lists(st.sampled_from(GAPS), min_size=1, max_size=30))
@example(gaps=[1] * 40 + [257] + [1] * 40)
@example(gaps=[1] * 15 + [256])  # the last lane of a group of dcsr lies far from the others
@settings(max_examples=20)
def test_gaps_about_the_longest_step(gaps: list[int]) -> None:
    row = row_with_gaps(gaps, 4_000)
    assert_all_round_trip(row)
    assert_all_round_trip(np.concatenate([row[:, :2_000], row[:, ::-1][:, :2_000]]))


@pytest.mark.parametrize("gap", [65_281, 65_535])
def test_gaps_of_16_bits(gap: int) -> None:
    assert_all_round_trip(row_with_gaps([1, gap], 65_536))


@given(dense=sparse_matrices(max_rows=40, max_columns=60))
@settings(max_examples=30)
def test_a_kernel_that_follows_the_docstring_reads_the_matrix(dense: Matrix) -> None:
    for sparse_format in ALL_FORMATS:
        held = fitting(sparse_format, dense)
        read = decode(sparse_format, sparse_format.pack(held), held.shape)
        np.testing.assert_array_equal(read, held, sparse_format.label)


@given(gaps=st.lists(st.sampled_from(GAPS), min_size=1, max_size=30))
@settings(max_examples=10)
def test_a_kernel_that_follows_the_docstring_reads_long_gaps(gaps: list[int]) -> None:
    for sparse_format in ALL_FORMATS:
        held = fitting(sparse_format, row_with_gaps(gaps, 3_000))
        read = decode(sparse_format, sparse_format.pack(held), held.shape)
        np.testing.assert_array_equal(read, held, sparse_format.label)


@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 1), (300, 1), (1, 10_000), (3, 10_000), (4, 256), (1, 257)], ids=str
)
@pytest.mark.parametrize("fill", [0, -128, 127])
def test_constant_matrices(shape: tuple[int, int], fill: int) -> None:
    assert_all_round_trip(np.full(shape, fill, np.int8))


@pytest.mark.parametrize("shape", [(256, 2_304), (16, 10_000)], ids=str)
@pytest.mark.parametrize("sparsity", [0.5, 0.9, 0.99])
def test_layers_as_large_as_they_get(shape: tuple[int, int], sparsity: float) -> None:
    rng = np.random.default_rng(7)
    dense = rng.integers(-128, 128, shape).astype(np.int8)
    dense[rng.random(shape) < sparsity] = 0
    for sparse_format in COMMON_FORMATS:
        assert_round_trip(sparse_format, fitting(sparse_format, dense))


@EVERY_FORMAT
def test_a_transposed_view_is_stored_like_its_copy(sparse_format: SparseFormat) -> None:
    dense = fitting(sparse_format, np.arange(-60, 60, dtype=np.int8).reshape(12, 10))
    view = np.asfortranarray(dense)
    assert_round_trip(sparse_format, view)
    for name, array in sparse_format.pack(view).items():
        np.testing.assert_array_equal(array, sparse_format.pack(dense)[name])


@EVERY_FORMAT
@pytest.mark.parametrize("shape", [(), (4,), (2, 3, 4), (0, 4), (4, 0)], ids=str)
def test_a_shape_that_is_no_matrix_is_refused(
    sparse_format: SparseFormat, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="stores a matrix"):
        sparse_format.check(shape)
    with pytest.raises(ValueError, match="stores a matrix"):
        sparse_format.pack(np.zeros(shape, np.int8))
    with pytest.raises(ValueError, match="stores a matrix"):
        sparse_format.unpack({}, shape)


@EVERY_FORMAT
def test_other_element_types_are_refused(sparse_format: SparseFormat) -> None:
    wide = np.zeros((2, 2), np.int16)
    with pytest.raises(ValueError, match="stores int8 values, not int16"):
        sparse_format.pack(wide)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="stores int8 values, not int16"):
        sparse_format.stored_bytes(wide)  # pyright: ignore[reportArgumentType]


def assert_refused_or_of_another(
    sparse_format: SparseFormat, components: Components, original: Matrix
) -> None:
    """Only what `pack` gives for some matrix is taken: nothing wrong can be read unnoticed."""
    try:
        read = sparse_format.unpack(components, original.shape)
    except ValueError:
        return
    assert not np.array_equal(read, original), sparse_format.label
    for name, array in sparse_format.pack(read).items():
        np.testing.assert_array_equal(array, components[name], sparse_format.label, strict=True)


@given(dense=sparse_matrices(max_rows=6, max_columns=80), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_changed_bytes(dense: Matrix, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for sparse_format in ALL_FORMATS:
        held = fitting(sparse_format, dense)
        components = sparse_format.pack(held)
        for name, array in components.items():
            if array.size:
                raw = bytearray(array.tobytes())
                raw[rng.integers(len(raw))] ^= int(rng.integers(1, 256))
                changed = {**components, name: np.frombuffer(raw, array.dtype)}
                assert_refused_or_of_another(sparse_format, changed, held)


@EVERY_FORMAT
@pytest.mark.parametrize("density", [0, 0.3])
def test_components_of_another_length(sparse_format: SparseFormat, density: float) -> None:
    dense = fitting(sparse_format, random_matrix(density))
    components = sparse_format.pack(dense)
    for name, array in components.items():
        longer = np.append(array, array[:1] if len(array) else np.ones(1, array.dtype))
        for changed in (longer, np.append(longer, longer), array[:-1], array[1:], array[:0]):
            if len(changed) != len(array):
                changed_components = {**components, name: changed}
                assert_refused_or_of_another(sparse_format, changed_components, dense)


@EVERY_FORMAT
def test_components_of_another_type_or_name(sparse_format: SparseFormat) -> None:
    dense = fitting(sparse_format, random_matrix(0.3))
    components = sparse_format.pack(dense)
    for name, array in components.items():
        for changed in (array.astype(np.int64), array.reshape(1, -1)):
            with pytest.raises(ValueError, match=f"{name} of .* is a list of {array.dtype}"):
                sparse_format.unpack({**components, name: changed}, dense.shape)
        fewer = {other: components[other] for other in components if other != name}
        with pytest.raises(ValueError, match=f"has the components {', '.join(components)}"):
            sparse_format.unpack(fewer, dense.shape)
    with pytest.raises(ValueError, match="has the components"):
        sparse_format.unpack({**components, "more": np.zeros(1, np.int8)}, dense.shape)


@EVERY_FORMAT
@pytest.mark.parametrize("shape", [(4, 37), (6, 37), (5, 19), (37, 5)], ids=str)
def test_components_of_a_matrix_of_another_shape(
    sparse_format: SparseFormat, shape: tuple[int, int]
) -> None:
    components = sparse_format.pack(fitting(sparse_format, np.ones((5, 37), np.int8)))
    assert_refused_or_of_another(sparse_format, components, np.zeros(shape, np.int8))


def random_matrix(density: float) -> Matrix:
    """5 x 37, always the same."""
    rng = np.random.default_rng(3)
    return (rng.integers(1, 128, (5, 37)) * (rng.random((5, 37)) < density)).astype(np.int8)


def test_names() -> None:
    assert list(FORMATS) == [
        *("delta8", "delta4", "bitmap", "csr", "nm", "block", "dcsr", "block-rle")
    ]
    assert {type(sparse_format) for sparse_format in COMMON_FORMATS} == set(FORMATS.values())
    assert set(DECODERS) == set(FORMATS.values())
    labels = [sparse_format.label for sparse_format in COMMON_FORMATS]
    assert len(set(labels)) == len(labels)
    assert {"delta8", "nm(2:4)", "block(4x1)", "block-rle(1)"} < set(labels)
