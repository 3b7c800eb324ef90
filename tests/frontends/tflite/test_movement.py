# SPDX-License-Identifier: Apache-2.0
"""Operators that pick elements: TensorFlow Lite Micro, interpreter, calls and C give the same bytes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import numpy as np
import pytest

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite import import_tflite
from sparsec.frontends.tflite.movement import nearest
from tests.frontends.tflite.support import (
    OperatorSpec,
    Spec,
    TensorSpec,
    oracle,
    side_by_side,
)
from tests.frontends.tflite.support import differing_bytes as differing_from_oracle

Quantization = tuple[list[float], int]
SEEDS = range(12)


def quantization(rng: np.random.Generator) -> Quantization:
    return [float(np.float32(2.0 ** rng.uniform(-9, 3)))], int(rng.integers(-128, 128))


def numbers(
    name: str, values: int | Sequence[int] | Sequence[Sequence[int]], dtype: str = "INT32"
) -> TensorSpec:
    data = np.array(values, np.int64 if dtype == "INT64" else np.int32)
    return TensorSpec(name, data.shape, dtype=dtype, data=data)


def image_shape(rng: np.random.Generator, low: int = 1, high: int = 9) -> tuple[int, ...]:
    return (1, *(int(n) for n in rng.integers(low, high, 3)))


def sliced(
    shape: Sequence[int],
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int],
    q: Quantization = ([0.5], 3),
    result: Sequence[int] | None = None,
    masks: Mapping[str, int] | None = None,
) -> Spec:
    """A STRIDED_SLICE; the shape of its result is numpy's unless given."""
    masks = masks or {}
    index: list[slice | int] = []
    for axis, numbers_of_axis in enumerate(zip(begin, end, strides, strict=True)):
        first, last, stride = numbers_of_axis
        begins, ends, shrinks = (
            masks.get(f"{what}Mask", 0) >> axis & 1 for what in ("Begin", "End", "ShrinkAxis")
        )
        start, stop = None if begins else first, None if ends else last
        index.append((start or 0) if shrinks else slice(start, stop, stride))
    if result is None:
        result = np.zeros(shape)[tuple(index)].shape
    tensors = [
        TensorSpec("x", shape, *q),
        numbers("begin", begin),
        numbers("end", end),
        numbers("strides", strides),
        TensorSpec("y", result, *q),
    ]
    operator = OperatorSpec("STRIDED_SLICE", [0, 1, 2, 3], [4], "StridedSliceOptions", masks)
    return tensors, operator


def strided_slice(rng: np.random.Generator) -> Spec:
    """Backwards along some axes, with ends counted from both sides and any masks."""
    shape = image_shape(rng)
    begin, end, strides = [0], [1], [1]
    for n in shape[1:]:
        first, last = sorted(int(i) for i in rng.integers(0, n, 2))
        stride = int(rng.integers(1, 4))
        if rng.integers(0, 2):
            # Backwards, to before `first`; what lies beyond the end of the axis is cut off.
            first, last, stride = last + int(rng.integers(0, 2)) * n, first - 1, -stride
            last -= n if last < 0 else 0
        else:
            last += 1
            first, last = (i - n if rng.integers(0, 3) == 0 else i for i in (first, last))
            last = last or n
        begin.append(first)
        end.append(last)
        strides.append(stride)
    forward = sum(1 << axis for axis in range(1, 4) if strides[axis] > 0)
    shrunk = int(rng.integers(0, 16)) & forward if rng.integers(0, 2) else 0
    begins, ends = (int(n) for n in rng.integers(0, 16, 2))
    masks = {"BeginMask": begins, "EndMask": ends, "ShrinkAxisMask": shrunk}
    return sliced(shape, begin, end, strides, quantization(rng), masks=masks)


def slice_of(rng: np.random.Generator) -> Spec:
    shape, q = image_shape(rng), quantization(rng)
    begin = [int(rng.integers(0, n)) for n in shape]
    result = [int(rng.integers(1, n - first + 1)) for n, first in zip(shape, begin, strict=True)]
    size = [-1 if i + n == whole else n for i, n, whole in zip(begin, result, shape, strict=True)]
    dtype = "INT64" if rng.integers(0, 2) else "INT32"
    tensors = [
        TensorSpec("x", shape, *q),
        numbers("begin", begin, dtype),
        numbers("size", size, dtype),
        TensorSpec("y", result, *q),
    ]
    return tensors, OperatorSpec("SLICE", [0, 1, 2], [3])


def split(rng: np.random.Generator, equal: bool) -> Spec:
    axis, count = int(rng.integers(1, 4)), int(rng.integers(1, 5))
    parts = [int(rng.integers(1, 5))] * count if equal else [int(n) for n in rng.integers(1, 6, 3)]
    shape, q = [1, 3, 4, 5], quantization(rng)
    shape[axis] = sum(parts)
    source = TensorSpec("x", tuple(shape), *q)
    where = numbers("axis", axis if equal else [axis - 4])
    tensors = [where, source] if equal else [source, numbers("sizes", parts), where]
    operands, first = range(len(tensors)), len(tensors)
    for index, part in enumerate(parts):
        shape[axis] = part
        tensors.append(TensorSpec(f"y{index}", tuple(shape), *q))
    results = range(first, len(tensors))
    name, kind = ("SPLIT", "SplitOptions") if equal else ("SPLIT_V", "SplitVOptions")
    return tensors, OperatorSpec(name, operands, results, kind, {"NumSplits": len(parts)})


def reduce_max(rng: np.random.Generator) -> Spec:
    shape, q = image_shape(rng), quantization(rng)
    axes: tuple[int, ...] = ((1, 2), (2, 1), (-3, -2), (1,), (-2,))[int(rng.integers(0, 5))]
    keep = bool(rng.integers(0, 2))
    result = np.zeros(shape).max(axes, keepdims=keep).shape
    tensors = [TensorSpec("x", shape, *q), numbers("axes", axes), TensorSpec("y", result, *q)]
    options = {"KeepDims": keep}
    return tensors, OperatorSpec("REDUCE_MAX", [0, 1], [2], "ReducerOptions", options)


def resized(
    shape: Sequence[int],
    size: Sequence[int],
    q: Quantization,
    how: int,
    name: str = "RESIZE_NEAREST_NEIGHBOR",
) -> Spec:
    """`how`: bit 0 aligns the corners, bit 1 takes the centers of pixels."""
    tensors = [
        TensorSpec("x", shape, *q),
        numbers("size", size),
        TensorSpec("y", (1, *size, shape[3]), *q),
    ]
    options = {"AlignCorners": how & 1, "HalfPixelCenters": how >> 1}
    kind = {"RESIZE_BILINEAR": "ResizeBilinearOptions"}.get(name, "ResizeNearestNeighborOptions")
    return tensors, OperatorSpec(name, [0, 1], [2], kind, options)


def resize_nearest(rng: np.random.Generator) -> Spec:
    size = [int(n) for n in rng.integers(1, 20, 2)]
    return resized(image_shape(rng), size, quantization(rng), int(rng.integers(0, 4)))


def resize_bilinear(rng: np.random.Generator) -> Spec:
    """TFLite refuses both ways at once."""
    size = [int(n) for n in rng.integers(1, 20, 2)]
    how = int(rng.integers(0, 3))
    return resized(image_shape(rng), size, quantization(rng), how, "RESIZE_BILINEAR")


def concatenation(scale: float, zero_point: int) -> Spec:
    """Of two inputs, the second of `scale` and `zero_point`."""
    tensors = [
        TensorSpec("a", (1, 4), [0.5]),
        TensorSpec("b", (1, 4), [scale], zero_point),
        TensorSpec("y", (1, 8), [0.5]),
    ]
    operator = OperatorSpec("CONCATENATION", [0, 1], [2], "ConcatenationOptions", {"Axis": 1})
    return tensors, operator


def padded(
    scale: float = 0.5, zero_point: int = 3, values: Sequence[int] = (17,), rank: int = 2
) -> Spec:
    """PADV2 of a tensor of scale 0.5 and zero point 3."""
    data = np.array(values, np.int8)
    tensors = [
        TensorSpec("x", (1,) * (rank - 1) + (4,), [0.5], 3),
        numbers("widths", [[0, 0]] * (rank - 1) + [[1, 2]]),
        TensorSpec("value", data.shape, [scale], zero_point, data=data),
        TensorSpec("y", (1,) * (rank - 1) + (7,), [0.5], 3),
    ]
    return tensors, OperatorSpec("PADV2", [0, 1, 2], [3], "PadV2Options")


OPERATORS: dict[str, Callable[[np.random.Generator], Spec]] = {
    "STRIDED_SLICE": strided_slice,
    "SLICE": slice_of,
    "SPLIT": lambda rng: split(rng, equal=True),
    "SPLIT_V": lambda rng: split(rng, equal=False),
    "REDUCE_MAX": reduce_max,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest,
    "RESIZE_BILINEAR": resize_bilinear,
}


@pytest.mark.parametrize("name", OPERATORS)
def test_interpreter_gives_the_bytes_of_tflite_micro(name: str) -> None:
    for seed in SEEDS:
        content = side_by_side(OPERATORS[name](np.random.default_rng(seed)))
        assert differing_from_oracle(content, 100) == 0, f"seed {seed}"


SHRUNK: dict[str, dict[str, int]] = {
    "from the end": {"begin": -2},
    "before the start": {"begin": -9},
    "with a stride": {"begin": 1, "stride": 3},
    "with a mask of begin": {"begin": 3, "mask": 2},
    "the batch too": {"begin": 1, "shrunk": 3},
}


@pytest.mark.parametrize("case", SHRUNK)
def test_a_shrunk_axis_has_the_element_at_its_begin(case: str) -> None:
    how = SHRUNK[case]
    begin, shrunk = how["begin"], how.get("shrunk", 2)
    masks = {"ShrinkAxisMask": shrunk, "BeginMask": how.get("mask", 0)}
    result = (2,) if shrunk == 3 else (1, 2)
    spec = sliced(
        (1, 4, 2),
        (0, begin, 0),
        (1, 0, 2),
        (1, how.get("stride", 1), 1),
        result=result,
        masks=masks,
    )
    assert differing_from_oracle(side_by_side(spec), 20) == 0


@pytest.mark.parametrize("how", range(4))
def test_the_source_of_a_resize_is_a_product_of_float32(how: int) -> None:
    """Every index of sizes among which a product of float64 would be another pixel."""
    align, center, other = bool(how & 1), 0.5 * (how >> 1), 0
    for size in (2, 3, 7, 25, 100, 127):
        for output_size in (1, 2, 3, 41, 82, 83, 84, 127):
            spec = resized((1, size, 1, 1), (output_size, 1), ([0.5], 3), how)
            numbered = np.arange(size, dtype=np.int8).reshape(1, size, 1, 1)
            [expected] = oracle(side_by_side(spec), [numbered])
            found = nearest(size, output_size, align, bool(how >> 1))
            assert np.array_equal(found, expected.reshape(-1)), (size, output_size)
            ends = align and output_size > 1
            places = (np.arange(output_size) + center) * ((size - ends) / (output_size - ends))
            doubles = np.minimum(np.floor(places + 0.5 * align), size - 1)
            other += int(np.count_nonzero(found != doubles))
    assert other > 0


def test_a_slice_of_everything_is_no_copy() -> None:
    text = str(import_tflite(side_by_side(sliced((1, 2, 3), (0, 0, 0), (1, 2, 3), (1, 1, 1)))))
    assert "qnn.slice" not in text


def test_each_result_of_a_split_has_its_name() -> None:
    text = str(import_tflite(side_by_side(split(np.random.default_rng(3), equal=False))))
    assert all(f'layer = "y{index}"' in text for index in range(3))


def refused(spec: Spec) -> bool:
    """Whether TensorFlow Lite Micro does not run a model."""
    runtime = pytest.importorskip("tflite_micro").runtime
    try:
        interpreter = runtime.Interpreter.from_bytes(side_by_side(spec), arena_size=1 << 16)
        interpreter.invoke()
    except RuntimeError:
        return True
    return False


SLICE = ((1, 4, 4), (0, 0, 0), (1, 2, 2), (1, 1, 1))
BOTH_REFUSE = {
    "a stride of 0": (sliced(*SLICE[:3], (1, 0, 1), result=(1, 2, 2)), "stride is 0"),
    "another shape": (sliced(*SLICE, result=(1, 2, 3)), r"shape \(1, 2, 2\), not \(1, 2, 3\)"),
    "concatenation of two scales": (concatenation(0.25, 0), "one scale and zero point"),
    "concatenation of two zero points": (concatenation(0.5, 1), "one scale and zero point"),
    "padding of another scale": (padded(scale=0.25), "quantization of its result"),
    "padding of another zero point": (padded(zero_point=0), "quantization of its result"),
    "two values of padding": (padded(values=(1, 2)), "must be a scalar"),
}
WE_REFUSE = {
    "an ellipsis": (sliced(*SLICE, masks={"EllipsisMask": 2}), "EllipsisMask is set"),
    "a new axis": (sliced(*SLICE, masks={"NewAxisMask": 1}), "NewAxisMask is set"),
    "an offset": (sliced(*SLICE, masks={"Offset": 1}), "Offset is set"),
    "a shrunk axis backwards": (
        sliced(*SLICE[:3], (1, -1, 1), masks={"ShrinkAxisMask": 2}),
        "an element that does not exist",
    ),
}


@pytest.mark.parametrize("case", {**BOTH_REFUSE, **WE_REFUSE})
def test_refused(case: str) -> None:
    spec, message = {**BOTH_REFUSE, **WE_REFUSE}[case]
    with pytest.raises(FrontendError, match=message):
        import_tflite(side_by_side(spec))


@pytest.mark.parametrize("case", BOTH_REFUSE)
def test_refused_by_tflite_micro_too(case: str) -> None:
    assert refused(BOTH_REFUSE[case][0])


def test_padv2_with_the_quantization_of_its_result_is_not_refused() -> None:
    assert not refused(padded())
    assert differing_from_oracle(side_by_side(padded()), 20) == 0


def test_reduce_max_wants_one_quantization() -> None:
    tensors = [
        TensorSpec("x", (1, 4, 4, 2), [0.5]),
        numbers("axes", (1, 2)),
        TensorSpec("y", (1, 2), [0.25]),
    ]
    spec = tensors, OperatorSpec("REDUCE_MAX", [0, 1], [2], "ReducerOptions")
    with pytest.raises(FrontendError, match="one scale and zero point"):
        import_tflite(side_by_side(spec))
    assert refused(spec)


def test_reduce_max_keeps_the_channels() -> None:
    tensors = [
        TensorSpec("x", (1, 4, 4, 2), [0.5]),
        numbers("axes", (1, 3)),
        TensorSpec("y", (1, 4), [0.5]),
    ]
    with pytest.raises(FrontendError, match="only height and width"):
        import_tflite(
            side_by_side((tensors, OperatorSpec("REDUCE_MAX", [0, 1], [2], "ReducerOptions")))
        )


@pytest.mark.parametrize("name", OPERATORS)
def test_a_damaged_file_is_read_or_refused(name: str) -> None:
    rng = np.random.default_rng(1)
    content = side_by_side(OPERATORS[name](rng))
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        places = rng.integers(0, len(content), 3)
        damaged[places] = rng.choice([0, 1, 127, 128, 255], 3)
        with suppress(FrontendError):
            import_tflite(damaged.tobytes()).verify()
