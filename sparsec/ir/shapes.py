# SPDX-License-Identifier: Apache-2.0
"""What shapes must agree on: checks shared by the verifiers of `nn` and `qnn`.

Every function raises VerifyException with one sentence about the tensor that is wrong.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import TypeAlias, cast

from xdsl.dialects.builtin import MemRefType, TensorType
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import constant_array
from sparsec.quantization.broadcast import broadcast_shape
from sparsec.quantization.normalization import MAX_SET
from sparsec.quantization.window import Border, Slice, Window


def shape_of(type: Attribute) -> tuple[int, ...]:
    """The shape of a tensor or memref type, which must be static."""
    assert isinstance(type, TensorType | MemRefType)
    shape = type.get_shape()
    if min(shape, default=1) < 0:
        raise VerifyException(f"dynamic shapes are not supported, got {type}")
    return shape


def element_type(type: Attribute) -> Attribute:
    """The type of the elements of a tensor or buffer."""
    # xDSL's isa, which knows the parameters of generic types, takes longer than compiling a layer.
    assert isinstance(type, TensorType | MemRefType)
    return cast(Attribute, type.get_element_type())


def expect_shape(type: Attribute, expected: Sequence[int], what: str) -> None:
    """`type` must have the shape `expected`."""
    if shape_of(type) != tuple(expected):
        raise VerifyException(f"{what} must have shape {'x'.join(map(str, expected))}, got {type}")


def sample_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one of N samples of an input or result of `shape`: an axis of one in front stands for N."""
    return tuple(shape[1:] if shape[:1] == (1,) else shape)


def image_shape(type: Attribute, what: str = "input") -> tuple[int, int, int]:
    """(height, width, channels) of an NHWC tensor with batch 1."""
    shape = shape_of(type)
    if len(shape) != 4 or shape[0] != 1:
        raise VerifyException(f"{what} must have shape 1xHxWxC, got {type}")
    return shape[1], shape[2], shape[3]


def verify_window(
    window: Window, input: Attribute, kernel: tuple[int, int], channels: int, result: Attribute
) -> None:
    """`result` must be what sliding `window` over `input` gives, with `channels` channels."""
    height, width, _ = image_shape(input)
    try:
        size = window.output_size((height, width), kernel)
    except ValueError as error:
        raise VerifyException(str(error)) from error
    expect_shape(result, (1, *size, channels), "result")


def groups_of(input: Attribute, weights: Attribute) -> int:
    """Into how many groups OHWI weights divide the channels of `input`: each has its own outputs."""
    shape = shape_of(weights)
    channels = image_shape(input)[2]
    if len(shape) != 4 or not 0 < shape[3] <= channels or channels % shape[3]:
        raise VerifyException(
            f"weights must have shape OxKHxKWxI, I a divisor of {channels}, got {weights}"
        )
    groups = channels // shape[3]
    if shape[0] % groups:
        raise VerifyException(f"{shape[0]} outputs cannot be divided into {groups} groups")
    return groups


def verify_inputs(input: Attribute, weights: Attribute, grouped: bool) -> None:
    """OHWI weights read all channels of `input`, or if `grouped` those of their group."""
    shape = shape_of(weights)
    channels = image_shape(input)[2]
    if grouped:
        groups_of(input, weights)
    elif len(shape) != 4 or shape[3] != channels:
        raise VerifyException(f"weights must have shape OxKHxKWx{channels}, got {weights}")


def verify_convolution(
    window: Window, input: Attribute, weights: Attribute, result: Attribute, grouped: bool = False
) -> int:
    """Weights are OHWI and fit `input`; returns the number of output channels."""
    verify_inputs(input, weights, grouped)
    shape = shape_of(weights)
    verify_window(window, input, (shape[1], shape[2]), shape[0], result)
    return shape[0]


def verify_depthwise(
    window: Window, input: Attribute, weights: Attribute, result: Attribute
) -> int:
    """Weights are 1xKHxKWx(C*multiplier); returns the number of output channels."""
    shape = shape_of(weights)
    channels = image_shape(input)[2]
    if len(shape) != 4 or shape[0] != 1 or shape[3] == 0 or shape[3] % channels:
        raise VerifyException(
            f"weights must have shape 1xKHxKWxN, N a multiple of {channels}, got {weights}"
        )
    verify_window(window, input, (shape[1], shape[2]), shape[3], result)
    return shape[3]


def verify_transpose_convolution(
    window: Window, input: Attribute, weights: Attribute, result: Attribute, grouped: bool = False
) -> int:
    """Weights are OHWI and fit `input`, which is what sliding `window` over `result` gives; returns
    the number of output channels."""
    verify_inputs(input, weights, grouped)
    shape = shape_of(weights)
    height, width, _ = image_shape(input)
    if window.dilations != (1, 1):
        raise VerifyException("a transposed convolution cannot be dilated")
    out_height, out_width, out_channels = image_shape(result, "result")
    try:
        size = window.output_size((out_height, out_width), (shape[1], shape[2]))
    except ValueError as error:
        raise VerifyException(str(error)) from error
    if size != (height, width):
        raise VerifyException(
            f"a result of {out_height}x{out_width} is that of an input of {size[0]}x{size[1]}, "
            f"got {height}x{width}"
        )
    if out_channels != shape[0]:
        raise VerifyException(f"result must have {shape[0]} channels, got {out_channels}")
    return shape[0]


def verify_linear(input: Attribute, weights: Attribute, result: Attribute) -> int:
    """Weights are OxK for an input of ..xK; returns the number of output features."""
    *rows, depth = shape_of(input)
    shape = shape_of(weights)
    if len(shape) != 2 or shape[1] != depth:
        raise VerifyException(f"weights must have shape Ox{depth}, got {weights}")
    expect_shape(result, (*rows, shape[0]), "result")
    return shape[0]


def verify_matmul(
    lhs: Attribute, rhs: Attribute, transposed: tuple[bool, bool], result: Attribute
) -> None:
    """`result` is the product of each pair of matrices of `lhs` and `rhs`, the last two axes of each, which may lie
    transposed."""
    shapes = [list(shape_of(type)) for type in (lhs, rhs)]
    if min(map(len, shapes)) < 2 or shapes[0][:-2] != shapes[1][:-2]:
        raise VerifyException(f"{lhs} does not have as many matrices as {rhs}")
    for shape, is_transposed in zip(shapes, transposed, strict=True):
        if is_transposed:
            shape[-2:] = shape[:-3:-1]
    if shapes[0][-1] != shapes[1][-2]:
        raise VerifyException(
            f"{shapes[0][-1]} columns of the left matrices do not fit {shapes[1][-2]} rows of the right ones"
        )
    expect_shape(result, (*shapes[0][:-1], shapes[1][-1]), "result")


def verify_mask(input: Attribute, mask: SSAValue) -> None:
    """`mask` broadcasts to `input` and, where it is constant, leaves something of each row."""
    verify_broadcast([input, mask.type], input)
    array = constant_array(mask)
    if array is not None and not array.any(axis=-1).all():
        raise VerifyException("a mask must leave something of each row")


def verify_reshape(input: Attribute, result: Attribute) -> None:
    """A reshape keeps the elements: their type and their number."""
    if element_type(input) != element_type(result):
        raise VerifyException(f"{result} does not have the elements of {input}")
    if prod(shape_of(input)) != prod(shape_of(result)):
        raise VerifyException(f"{input} does not have as many elements as {result}")


def verify_border(border: Border, input: Attribute, result: Attribute) -> None:
    """`result` is `input` with `border` around it."""
    try:
        expected = border.output_shape(shape_of(input))
    except ValueError as error:
        raise VerifyException(str(error)) from error
    expect_shape(result, expected, "result")


def verify_permutation(permutation: Sequence[int], input: Attribute, result: Attribute) -> None:
    """`result` has the axes of `input` in the order `permutation`."""
    shape = shape_of(input)
    if sorted(permutation) != list(range(len(shape))):
        raise VerifyException(f"{list(permutation)} is not a permutation of the axes of {input}")
    expect_shape(result, [shape[axis] for axis in permutation], "result")


def verify_concatenation(axis: int, inputs: Sequence[Attribute], result: Attribute) -> None:
    """`inputs` agree on every axis but `axis`, where their sizes add up to that of `result`."""
    shapes = [shape_of(type) for type in inputs]
    if not shapes or not 0 <= axis < len(shapes[0]):
        raise VerifyException(f"axis {axis} does not exist in the inputs")
    total = list(shapes[0])
    total[axis] = sum(shape[axis] for shape in shapes if len(shape) > axis)
    for type, shape in zip(inputs, shapes, strict=True):
        if len(shape) != len(total) or any(
            n != m for i, (n, m) in enumerate(zip(shape, total, strict=True)) if i != axis
        ):
            raise VerifyException(f"{type} cannot be concatenated with {inputs[0]}")
    expect_shape(result, total, "result")


def without_leading_ones(shape: Sequence[int]) -> tuple[int, ...]:
    """`shape` from its first axis on that is not 1."""
    kept = list(shape)
    while kept and kept[0] == 1:
        kept.pop(0)
    return tuple(kept)


def verify_broadcast(operands: Sequence[Attribute], result: Attribute) -> None:
    """The `operands` fill `result` where axes of one element are repeated, as in numpy."""
    try:
        shape = broadcast_shape(*map(shape_of, operands))
    except ValueError as error:
        raise VerifyException(str(error)) from error
    expect_shape(result, shape, "result")


def verify_slice(slice: Slice, input: Attribute, result: Attribute) -> None:
    """`result` is `slice` of `input`."""
    try:
        slice.check(shape_of(input), shape_of(result))
    except ValueError as error:
        raise VerifyException(str(error)) from error


def verify_gather(axis: int, input: Attribute, indices: Attribute, result: Attribute) -> None:
    """`result` is `input` with an element along `axis` for each of `indices`."""
    shape = list(shape_of(input))
    if not 0 <= axis < len(shape):
        raise VerifyException(f"axis {axis} does not exist in {input}")
    count = shape_of(indices)
    if len(count) != 1:
        raise VerifyException(f"indices must be a list, got {indices}")
    shape[axis] = count[0]
    expect_shape(result, shape, "result")


def verify_embedding(table: Attribute, indices: Attribute, result: Attribute) -> None:
    """`result` has a row of `table` for each of `indices`."""
    rows = shape_of(table)
    if len(rows) != 2 or not rows[0]:
        raise VerifyException(f"a table must have rows, got {table}")
    expect_shape(result, (*shape_of(indices), rows[1]), "result")


def verify_indices(value: SSAValue, size: int, what: str) -> None:
    """Indices that are constant must be those of one of `size` elements."""
    indices = constant_array(value)
    if indices is not None and indices.size and indices.max() >= size:
        raise VerifyException(f"{what} {indices.max()} is not one of {size}")


MAX_MEAN = (2**31 - 1) // 255
"""Values that a mean can have, for the sum of `value - zero point` to be an int32."""


def axes_reduced(input: Attribute, result: Attribute) -> tuple[int, ...]:
    """The axes along which `result` has one element where `input` has more, or less."""
    before, after = shape_of(input), shape_of(result)
    return tuple(axis for axis, (n, m) in enumerate(zip(before, after, strict=True)) if n != m)


def reduction(input: Attribute, result: Attribute) -> tuple[int, int, int]:
    """(outer, count, inner) of a reduction: elements before the reduced axes, along them and behind them."""
    before, after = shape_of(input), shape_of(result)
    if len(before) != len(after) or any(
        m not in (n, 1) for n, m in zip(before, after, strict=True)
    ):
        raise VerifyException(f"{result} is not what {input} is reduced to along some axes")
    axes = axes_reduced(input, result)
    if not axes:
        return prod(before), 1, 1
    first, last = axes[0], axes[-1]
    if any(n != 1 for n in after[first : last + 1]):
        raise VerifyException(f"the axes that are reduced are not next to each other in {input}")
    return prod(before[:first]), prod(before[first : last + 1]), prod(before[last + 1 :])


def verify_reduction(input: Attribute, result: Attribute) -> None:
    """`result` is `input` reduced along axes that are next to each other, to one of some elements."""
    if 0 in shape_of(input):
        raise VerifyException(f"nothing is left to reduce in {input}")
    reduction(input, result)


def verify_count_of_mean(count: int) -> None:
    """A mean is of so many values that an int32 holds their sum."""
    if not 0 < count <= MAX_MEAN:
        raise VerifyException(f"a mean is of 1 to {MAX_MEAN} values, got {count}")


def verify_mean(input: Attribute, result: Attribute) -> None:
    """`result` is the mean of `input` along axes that are next to each other."""
    verify_reduction(input, result)
    verify_count_of_mean(reduction(input, result)[1])


def verify_resize(input: Attribute, rows: Attribute, columns: Attribute, result: Attribute) -> None:
    """`result` is the image `input` with a row for each of `rows`, a column for each of `columns`."""
    height, width, _ = image_shape(result, "result")
    expect_shape(rows, (height,), "rows")
    expect_shape(columns, (width,), "columns")
    expect_shape(result, (1, height, width, image_shape(input)[2]), "result")


Resampled: TypeAlias = tuple[SSAValue, SSAValue]
"""Along an axis: for each element of the result the first one of the input, and the weights of some from there on."""


def verify_resampling(
    input: Attribute, rows: Resampled, columns: Resampled, result: Attribute
) -> None:
    """`result` has a pixel for each of the rows and columns of `input` that are named, with as many weights each."""
    verify_resize(input, rows[0].type, columns[0].type, result)
    for (first, taps), size, what in zip(
        (rows, columns), image_shape(input), ("row", "column"), strict=False
    ):
        shape = shape_of(taps.type)
        if len(shape) != 2 or shape[0] != shape_of(first.type)[0] or not 0 < shape[1] <= size:
            raise VerifyException(
                f"{what} weights must be up to {size} for each {what}, got {taps.type}"
            )
        verify_indices(first, size - shape[1] + 1, what)


def verify_normalization(
    groups: int, input: Attribute, by_channel: Mapping[str, Attribute], result: Attribute
) -> None:
    """`result` is like `input`, 1xHxWxC, of which the values of a row are normalised in `groups` of channels."""
    _, width, channels = image_shape(input)
    if channels % groups:
        raise VerifyException(f"{channels} channels cannot be divided into {groups} groups")
    count = width * channels // groups
    if not 0 < count <= MAX_SET:
        raise VerifyException(f"{count} values cannot be normalised together, at most {MAX_SET}")
    for what, type in by_channel.items():
        expect_shape(type, (channels,), what)
    expect_shape(result, shape_of(input), "result")
