# SPDX-License-Identifier: Apache-2.0
"""Operators that pick elements: slices, splits, the largest of an image, the nearest pixel.

The one rule: elements are copied as they are stored. Which ones is decided here, as TensorFlow Lite
Micro decides it, and is constant from here on.
"""

from math import floor

import numpy as np
from xdsl.dialects.builtin import TensorType, i8

from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.tflite.arguments import constant, image, one_number
from sparsec.frontends.tflite.builder import Builder
from sparsec.frontends.tflite.model import Array, Operator, Tensor
from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Pool, Slice

_LARGEST_INDEX = np.iinfo(np.uint16).max


def pick(b: Builder, source: Tensor, output: Tensor, slice: Slice, sizes: tuple[int, ...]) -> None:
    """`output` is `slice` of `source`, of `sizes`, whose axes of 1 it may lack."""
    if min(sizes, default=1) < 1:
        raise UnsupportedError(f"its result of shape {sizes} is empty")
    _ = output.quantization  # an error for what is not int8
    value = b.value(source)
    if sizes == source.shape and slice == slice_along([range(n) for n in sizes]):
        b.compute(output, qnn.ReshapeOp(value, output.shape))
    elif sizes == output.shape:
        b.compute(output, qnn.SliceOp(value, slice, sizes))
    else:
        b.compute(output, qnn.ReshapeOp(b.add(qnn.SliceOp(value, slice, sizes)), output.shape))


def numbers_of_axes(b: Builder, op: Operator, position: int, what: str, *dtypes: str) -> list[int]:
    """A constant input with one number for each axis of the first input."""
    data, rank = constant(b, op, position, what, *dtypes), len(b.tensor(op, 0).shape)
    if data.shape != (rank,):
        raise UnsupportedError(f"its {what} must be one number for each of the {rank} axes")
    return [int(n) for n in data]


def bounds(size: int, begin: int | None, end: int | None, stride: int) -> range:
    """The indices along an axis (`StartForAxis` and `StopForAxis`); None is the end of the axis."""
    return range(size)[slice(begin, end, stride)]


def strided_slice(b: Builder, op: Operator) -> None:
    """STRIDED_SLICE. An axis that is shrunk has the one element at its begin."""
    source, output = b.tensor(op, 0), b.output(op)
    for option in ("EllipsisMask", "NewAxisMask", "Offset"):
        if op.number(option):
            raise UnsupportedError(f"its {option} is set, which TensorFlow Lite Micro ignores")
    begins, ends, strides = (
        numbers_of_axes(b, op, 1 + i, what, "INT32")
        for i, what in enumerate(("begin", "end", "strides"))
    )
    if 0 in strides:
        raise UnsupportedError("a stride is 0")
    indices: list[range] = []
    shape: list[int] = []
    for axis, size in enumerate(source.shape):
        begin_mask, end_mask, shrinks = (
            op.number(option) >> axis & 1 for option in ("BeginMask", "EndMask", "ShrinkAxisMask")
        )
        begin = None if begin_mask else begins[axis]
        if not shrinks:
            indices.append(bounds(size, begin, None if end_mask else ends[axis], strides[axis]))
            shape.append(len(indices[-1]))
            continue
        first = bounds(size, begin, None, 1)
        if strides[axis] < 0 or not first:
            raise UnsupportedError(f"axis {axis} is shrunk to an element that does not exist")
        indices.append(first[:1])
    if tuple(shape) != output.shape:
        raise UnsupportedError(f"its result has the shape {tuple(shape)}, not {output.shape}")
    pick(b, source, output, slice_along(indices), tuple(len(found) for found in indices))


def slice_along(indices: list[range]) -> Slice:
    """The slice that takes these indices of each axis; the stride along a single one is 1."""
    return Slice(
        tuple(found.start for found in indices),
        tuple(found.step if len(found) > 1 else 1 for found in indices),
    )


def slice_of(b: Builder, op: Operator) -> None:
    """SLICE; a size of -1 is all that is left."""
    source, output = b.tensor(op, 0), b.output(op)
    begins, sizes = (
        numbers_of_axes(b, op, 1 + i, what, "INT32", "INT64")
        for i, what in enumerate(("begin", "size"))
    )
    taken = [
        n - begin if size == -1 else size
        for n, begin, size in zip(source.shape, begins, sizes, strict=True)
    ]
    if tuple(taken) != output.shape:
        raise UnsupportedError(f"its result has the shape {tuple(taken)}, not {output.shape}")
    pick(b, source, output, Slice(tuple(begins), (1,) * len(begins)), output.shape)


def split(b: Builder, op: Operator) -> None:
    """SPLIT and SPLIT_V: the file tells the sizes of the results, one behind the other."""
    equal = op.name == "SPLIT"
    source, outputs = b.tensor(op, 1 if equal else 0), b.outputs(op)
    axis, rank = one_number(b, op, 0 if equal else 2, "axis"), len(source.shape)
    if not -rank <= axis < rank:
        raise UnsupportedError(f"its axis {axis} does not exist")
    axis %= rank
    if any(len(output.shape) != rank for output in outputs):
        raise UnsupportedError(f"its results must have {rank} axes")
    sizes = [output.shape[axis] for output in outputs]
    if sum(sizes) != source.shape[axis] or (equal and len(set(sizes)) > 1):
        raise UnsupportedError(f"its results of sizes {sizes} do not make up {source.shape[axis]}")
    position = 0
    for index, (output, size) in enumerate(zip(outputs, sizes, strict=True)):
        if index:
            b.enter(op, index)
        begin, taken = [0] * rank, list(source.shape)
        begin[axis], taken[axis] = position, size
        if tuple(taken) != output.shape:
            raise UnsupportedError(f"{output.title} has the shape {output.shape}, not {taken}")
        pick(b, source, output, Slice(tuple(begin), (1,) * rank), output.shape)
        position += size


def reduce_max(b: Builder, op: Operator) -> None:
    """REDUCE_MAX over height, width or both: a max pool with one window along those axes."""
    source, output = b.tensor(op, 0), b.output(op)
    height, width, channels = image(source)
    q = output.quantization
    if source.quantization != q:
        raise UnsupportedError("its input and output must have one scale and zero point")
    axes = {int(axis) for axis in constant(b, op, 1, "axes", "INT32").reshape(-1)}
    if not axes <= {1, 2, -3, -2} or not axes:
        raise UnsupportedError(
            f"it reduces axes {sorted(axes)}, and only height and width are supported"
        )
    kernel = height if axes & {1, -3} else 1, width if axes & {2, -2} else 1
    sizes = (1, height // kernel[0], width // kernel[1], channels)
    same_scale = Requant(q.zero_point, q.zero_point)
    pooled = qnn.MaxPool2dOp(
        b.value(source), Pool(kernel=kernel), same_scale, TensorType(i8, sizes)
    )
    if sizes == output.shape:
        b.finish(op, pooled)
    else:
        b.finish(op, qnn.ReshapeOp(b.add(pooled), output.shape))


def nearest(size: int, output_size: int, align_corners: bool, half_pixel_centers: bool) -> Array:
    """uint16 [output_size]: the index of the source for each of the result (`GetNearestNeighbor`).

    The products are float32, as in TensorFlow Lite.
    """
    align = align_corners and output_size > 1
    scale = np.float32(size - align) / np.float32(output_size - align)
    offset = np.float32(0.5 if half_pixel_centers else 0.0)
    found: list[int] = []
    for index in range(output_size):
        place = float((np.float32(index) + offset) * scale)
        rounded = floor(place + 0.5) if align_corners else floor(place)  # no place is negative
        found.append(min(rounded, size - 1))
    return np.array(found, np.uint16)


def resized(b: Builder, op: Operator) -> tuple[Tensor, tuple[int, int], tuple[int, int]]:
    """Of a resize the image, its height and width, and those of the result."""
    source, output = b.tensor(op, 0), b.output(op)
    height, width, channels = image(source)
    size = constant(b, op, 1, "size", "INT32")
    if size.shape != (2,):
        raise UnsupportedError("its size must be a height and a width")
    rows, columns = (int(n) for n in size)
    if output.shape != (1, rows, columns, channels):
        raise UnsupportedError(f"its size {rows}x{columns} does not fit {output.title}")
    if max(height, width, rows, columns) > _LARGEST_INDEX:
        raise UnsupportedError(f"its images are more than {_LARGEST_INDEX} pixels high or wide")
    return source, (height, width), (rows, columns)


def corners_and_centers(op: Operator) -> tuple[bool, bool]:
    """Whether the corners of both images lie on each other, and whether pixels are where their middle is."""
    return bool(op.number("AlignCorners")), bool(op.number("HalfPixelCenters"))


def resize_nearest(b: Builder, op: Operator) -> None:
    """RESIZE_NEAREST_NEIGHBOR of an image."""
    source, before, after = resized(b, op)
    how = corners_and_centers(op)
    rows, columns = (
        b.constant(nearest(size, output, *how)) for size, output in zip(before, after, strict=True)
    )
    b.finish(op, qnn.ResizeNearestOp(b.value(source), rows, columns))
