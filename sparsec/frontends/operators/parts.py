# SPDX-License-Identifier: Apache-2.0
"""Parts of a tensor along its axes: slices, splits and what is turned round."""

from collections.abc import Collection, Mapping, Sequence
from itertools import accumulate, pairwise

from sparsec.frontends.builder import Builder
from sparsec.frontends.call import Call
from sparsec.frontends.errors import UnsupportedError
from sparsec.frontends.operators.elementwise import X, applied, product
from sparsec.frontends.operators.shape import without_axes
from sparsec.frontends.operators.signature import Operator
from sparsec.frontends.tensors import Activation, Parameter, Tensor
from sparsec.ir import nn
from sparsec.ir.expression import apply
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.window import Slice


def axis_of(call: Call, value: Tensor) -> int:
    """The axis that a call names, counted from the front."""
    rank, axis = len(value.shape), call.integer("dim", 0)
    if not -rank <= axis < rank:
        raise UnsupportedError(f"a tensor of {rank} dimensions has no dimension {axis}")
    return axis % rank


def not_the_batch(value: Tensor, axes: Collection[int], what: str) -> None:
    """Refuse what would mix the samples."""
    if 0 in axes and isinstance(value, Activation) and value.shape[0] == 1:
        raise UnsupportedError(f"it {what} the batch")


def part(builder: Builder, value: Tensor, indices: Mapping[int, range]) -> Tensor:
    """Of each axis in `indices` the elements at these, and all of the others."""
    found = [indices.get(axis, range(n)) for axis, n in enumerate(value.shape)]
    if not all(found):
        raise UnsupportedError("it takes a part without elements")
    if all(along == range(n) for along, n in zip(found, value.shape, strict=True)):
        return value
    if isinstance(value, Parameter):
        return part_of_constant(value, found)
    stored = [found[axis] for axis in value.order]
    where = Slice(
        tuple(along.start for along in stored),
        tuple(along.step if len(along) > 1 else 1 for along in stored),
    )
    op = nn.SliceOp(value.ssa, where, [len(along) for along in stored])
    return builder.add(op, value.order)


def part_of_constant(value: Parameter, indices: Sequence[range]) -> Parameter:
    """The same of a constant, with the scales of what is left."""
    array, scheme = value.array, value.quantization
    for axis, along in enumerate(indices):
        array = array.take(along, axis)
    if scheme is not None and scheme.axis is not None:
        scales = tuple(scheme.scales[i] for i in indices[scheme.axis])
        scheme = Quantization(scales, scheme.zero_point, scheme.axis)
    return Parameter(value.name, array, scheme)


def sliced(builder: Builder, call: Call) -> Tensor:
    """Every `step`-th element of an axis from `start` on, before `end`."""
    value = call.tensor("self")
    axis, step = axis_of(call, value), call.integer("step", 1)
    start = call.integer("start") if call.given("start") else None
    end = call.integer("end") if call.given("end") else None
    if step < 1:
        raise UnsupportedError("the step of a slice is not positive")
    return part(builder, value, {axis: range(value.shape[axis])[start:end:step]})


def narrow(builder: Builder, call: Call) -> Tensor:
    """`length` elements of an axis from `start` on."""
    value = call.tensor("self")
    axis, length = axis_of(call, value), call.integer("length")
    size, start = value.shape[axis], call.integer("start")
    start += size if start < 0 else 0
    if not 0 <= start <= start + length <= size:
        raise UnsupportedError(f"{length} elements from {start} on are not among {size}")
    return part(builder, value, {axis: range(start, start + length)})


def select(builder: Builder, call: Call) -> Tensor:
    """One element of an axis, which goes."""
    value = call.tensor("self")
    axis, index = axis_of(call, value), call.integer("index")
    return selected(builder, value, axis, index)


def selected(builder: Builder, value: Tensor, axis: int, index: int) -> Tensor:
    """The element `index` of `axis`, from the end if negative."""
    size = value.shape[axis]
    if not -size <= index < size:
        raise UnsupportedError(f"there is no element {index} among {size}")
    index %= size
    return without_axes(builder, part(builder, value, {axis: range(index, index + 1)}), {axis})


def unbind(builder: Builder, call: Call) -> object:
    """Each element of an axis, which goes."""
    value = call.tensor("self")
    axis = axis_of(call, value)
    return [selected(builder, value, axis, index) for index in range(value.shape[axis])]


def parts(builder: Builder, value: Tensor, axis: int, ends: Sequence[int]) -> object:
    """An axis cut before each of `ends`, the last of which is its end."""
    cuts = pairwise([0, *ends])
    return [part(builder, value, {axis: range(start, end)}) for start, end in cuts]


def gated(builder: Builder, call: Call) -> Tensor:
    """glu: the first half of an axis times the sigmoid of the second one."""
    value = call.tensor("self")
    axis = call.integer("dim", -1) % len(value.shape)
    size = value.shape[axis]
    if size % 2:
        raise UnsupportedError(f"{size} elements have no halves")
    first, second = (
        part(builder, value, {axis: along}) for along in (range(size // 2), range(size // 2, size))
    )
    return product(builder, first, applied(builder, second, apply("sigmoid", X)))


def split(builder: Builder, call: Call) -> object:
    """Parts of one size, of which the last may be shorter, or of the sizes given."""
    value = call.tensor("self")
    axis = axis_of(call, value)
    size = value.shape[axis]
    names = ("split_size", "split_sizes")
    sizes = call.integers(next(name for name in names if call.given(name)))
    if isinstance(call.arguments.get("split_size"), int):
        if sizes[0] < 1:
            raise UnsupportedError("the size of a part is not positive")
        return parts(builder, value, axis, [*range(sizes[0], size, sizes[0]), size])
    if sum(sizes) != size:
        raise UnsupportedError(f"parts of sizes {sizes} do not make up {size}")
    return parts(builder, value, axis, list(accumulate(sizes)))


def chunk(builder: Builder, call: Call) -> object:
    """As many parts of one size as asked for, or fewer; the last may be shorter."""
    value = call.tensor("self")
    axis = axis_of(call, value)
    size = value.shape[axis]
    each = -(-size // call.integer("chunks"))
    return parts(builder, value, axis, [*range(each, size, each), size])


def tensor_split(builder: Builder, call: Call) -> object:
    """As many parts as asked for, the first ones larger by one; or cut at the indices given."""
    value = call.tensor("self")
    axis = axis_of(call, value)
    size = value.shape[axis]
    if call.given("indices"):
        return parts(builder, value, axis, [*call.integers("indices"), size])
    count = call.integer("sections")
    least, more = divmod(size, count)
    sizes = [least + 1] * more + [least] * (count - more)
    return parts(builder, value, axis, list(accumulate(sizes)))


def flip(builder: Builder, call: Call) -> Tensor:
    """Some axes from their end to their start."""
    value = call.tensor("self")
    rank = len(value.shape)
    axes = {axis % rank for axis in call.integers("dims")}
    not_the_batch(value, axes, "reverses")
    return part(builder, value, {axis: range(value.shape[axis])[::-1] for axis in axes})


def fliplr(builder: Builder, call: Call) -> Tensor:
    """The second axis from its end to its start."""
    value = call.tensor("self")
    return part(builder, value, {1: range(value.shape[1])[::-1]})


PARTS: Mapping[str, Operator] = {
    "aten.glu": gated,
    "aten.slice": sliced,
    "aten.narrow": narrow,
    "aten.select": select,
    "aten.unbind": unbind,
    "aten.split": split,
    "aten.split_with_sizes": split,
    "aten.chunk": chunk,
    "aten.tensor_split": tensor_split,
    "aten.unsafe_split": split,
    "aten.unsafe_split_with_sizes": split,
    "aten.unsafe_chunk": chunk,
    "aten.flip": flip,
    "aten.fliplr": fliplr,
}
