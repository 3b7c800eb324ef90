# SPDX-License-Identifier: Apache-2.0
"""What the operations of torch that are more than moves and element by element do to the labels of channels.

The one rule: a channel passes where an operation treats it by itself, and is protected where it does not.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor
from torch.export import ExportedProgram

from sparsec.compress.channels.found import Held, Trace, held
from sparsec.compress.channels.heads import attention, in_front_of_heads
from sparsec.compress.channels.labels import Ties, along
from sparsec.compress.channels.layers import (
    batch_norm,
    convolution,
    embedding,
    group_norm,
    linear,
    matrix_product,
    prelu,
)
from sparsec.compress.channels.trace import TAKE_APART, Args, Operator, Tracer

PER_WINDOW = re.compile(r"(?:adaptive_)?(?:avg|max|lp)_pool([123])d(?:_with_indices)?")
RESIZES = re.compile(r"upsample_[a-z]+([123])d(?:_aa)?")


def trace(program: ExportedProgram, names: Mapping[str, str]) -> Trace:
    """Runs `program` on labels; `names` gives the one name of each parameter and buffer by all names that it has."""
    signature = program.graph_signature
    targets = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    values: list[object] = []
    for node in program.graph.find_nodes(op="placeholder"):
        shape = tuple(getattr(node.meta.get("val"), "shape", ()))
        name = names.get(targets.get(node.name, ""))
        values.append(torch.zeros(shape, dtype=torch.int64) if name is None else held(name, shape))
    waiting = in_front_of_heads(program.graph)
    tracer = Tracer(program.graph_module, operator_named, waiting)
    tracer.run(*values)
    tracer.found.finish()
    return tracer.found


def operator_named(name: str) -> Operator | None:
    """What `name` of aten does, where it is known here."""
    for pattern in (PER_WINDOW, RESIZES):
        if (found := pattern.fullmatch(name)) is not None:
            return partial(_per_channel, axes=int(found[1]))
    if (found := re.fullmatch(r"conv(_transpose)?([123])d", name)) is not None:
        return partial(convolution, spatial=int(found[2]), transposed=found[1] is not None)
    return _OPERATORS.get(name)


def _per_channel(tracer: Tracer, given: Args, axes: int) -> Any:
    """What goes over the last `axes` axes of each channel by itself: pools and resizes."""
    x, axis = tracer.ties.settle(tracer.labels(next(iter(given.values()))))
    if axis is None or axis >= x.ndim - axes:
        tracer.ties.protect(x, "a window lies over several channels")
        return tracer.gives(torch.zeros(tracer.shape, dtype=torch.int64))
    return tracer.gives(along(tracer.ties.line(x, axis, ""), axis, tracer.shape))


def _reduced(tracer: Tracer, given: Args) -> Any:
    """A number for all elements along axes."""
    if "other" in given:
        return tracer.elementwise((given["self"], given["other"]))
    x, axis = tracer.ties.settle(tracer.labels(given.get("self", given.get("input"))))
    axes = _axes(given.get("dim"), x.ndim)
    if axis is None or axis in axes:
        tracer.ties.protect(x, "a sum, mean or the like over channels reads it")
        return tracer.gives(torch.zeros(tracer.shape, dtype=torch.int64))
    return tracer.gives(x.amax(sorted(axes), keepdim=bool(given.get("keepdim"))))


def _normalized(tracer: Tracer, given: Args) -> Any:
    """All elements along axes go into each of them."""
    x = tracer.labels(given.get("self", given.get("input")))
    size = given.get("normalized_shape")
    dims = given.get("dim") if size is None else range(-len(cast(Sequence[int], size)), 0)
    for name in ("weight", "bias"):
        tracer.lock(given.get(name), "")
    _protect_along(
        tracer.ties, x, _axes(dims, x.ndim), "a norm, softmax or the like over channels reads it"
    )
    return tracer.gives(x)


def _axes(dims: object, rank: int) -> set[int]:
    if dims is None or dims == []:
        return set(range(rank))
    each = [dims] if isinstance(dims, int) else cast(Sequence[int], dims)
    return {axis % rank for axis in each}


def _protect_along(ties: Ties, x: Tensor, axes: set[int], reason: str) -> None:
    axis = ties.settle(x)[1]
    if axis is None or axis in axes:
        ties.protect(x, reason)


def _pad(tracer: Tracer, given: Args) -> Tensor:
    """The border of a channel is the channel's; channels that padding adds are nobody's."""
    x = tracer.labels(given["self"] if "self" in given else given["input"])
    pads, mode = given.get("pad", given.get("padding")), given.get("mode", "constant")
    x, axis = tracer.ties.settle(x)
    for number in range(len(pads) // 2):
        along_axis, before, after = x.ndim - 1 - number, pads[2 * number], pads[2 * number + 1]
        if (
            along_axis == axis
            and (before or after)
            and (mode != "constant" or min(before, after) < 0)
        ):
            tracer.ties.protect(x, "channels are padded or cut")
    if axis is None:
        return x.reshape(-1)[0].expand(tracer.shape) if x.numel() else x
    line = tracer.ties.line(x, axis, "")
    number = 2 * (x.ndim - 1 - axis)
    if number < len(pads):
        line = torch.nn.functional.pad(line, list(pads[number : number + 2]))
    return along(line, axis, tracer.shape)


def _taken_apart(tracer: Tracer, given: Args, name: str) -> Any:
    """Pieces along an axis: of equal size they keep their share, and else what stands in front of a cut stays."""
    value = given["self"]
    axis = int(given["dim"] or 0)
    packet: Any = getattr(torch.ops.aten, name)
    if isinstance(value, Held):
        cut: Any = packet(value.elements, *list(given.values())[1:])
        pieces = [cut] if isinstance(cut, Tensor) else list(cut)
        moved = [Held(value.name, value.shape, piece) for piece in pieces]
        return moved[0] if isinstance(cut, Tensor) else moved
    x, along_axis = tracer.ties.settle(cast(Tensor, value))
    places = torch.arange(x.size(axis))
    result: Any = packet(places, *_at(given))
    if along_axis is not None and along_axis == axis % x.ndim:
        pieces = [result] if isinstance(result, Tensor) else list(result)
        sizes = {piece.numel() for piece in pieces} | tracer.sizes_taken(along_axis)
        for piece in pieces:
            _tie_piece(tracer.ties, tracer.ties.line(x, along_axis, ""), piece, len(sizes) == 1)
    return packet(x, *list(given.values())[1:])


def _at(given: Args) -> list[object]:
    """The arguments after the tensor, for a tensor that has only this axis."""
    return [0 if name == "dim" else value for name, value in list(given.items())[1:]]


def _tie_piece(ties: Ties, line: Tensor, piece: Tensor, alike: bool) -> None:
    """What a piece of an axis, by its places, asks of the channels along it; `alike`: all pieces have this size."""
    places = cast(list[int], piece.reshape(-1).tolist())
    size, many = len(line), len(places)
    if many in (0, size):
        return
    step = places[1] - places[0] if many > 1 else 1
    first, end = places[0], places[-1] + 1
    assumed = "it takes channels apart in equal shares"
    if step == 1 and alike and many > 1 and size % many == 0 and first % many == 0:
        ties.tie(line.reshape(-1, many), line[:many], assumed=assumed)
    elif step > 1 and size == step * many:
        rows = line.reshape(many, step)
        ties.tie(rows, rows[:, :1], assumed=assumed)
    elif step == 1:
        ties.protect(
            line[: end if end < size else first], "channels are taken apart at a fixed place"
        )
    else:
        ties.protect(line, "channels are taken by number")


def _by_number(tracer: Tracer, given: Args) -> Any:
    """Elements picked or turned along an axis by numbers, which channels that go would shift."""
    x = tracer.labels(given["self"])
    axes = _axes(given.get("dim", given.get("dims")), x.ndim)
    _protect_along(tracer.ties, x, axes, "channels are taken by number")
    rest = {name: value for name, value in given.items() if name != "self"}
    for each in rest.values():
        tracer.lock(each, "")
    x, axis = tracer.ties.settle(x)
    if axis is None or axis in axes:
        return torch.zeros(tracer.shape, dtype=torch.int64)
    return along(tracer.ties.line(x, axis, ""), axis, tracer.shape)


def _channel_shuffle(tracer: Tracer, given: Args) -> Tensor:
    x, groups = tracer.labels(given["self"]), int(given["groups"])
    split, _ = tracer.ties.settle(x.reshape(x.size(0), groups, -1, *x.shape[2:]))
    return split.transpose(1, 2).reshape(x.shape)


def _glu(tracer: Tracer, given: Args) -> Tensor:
    x, axis = tracer.labels(given["self"]), int(given["dim"])
    one, other = x.chunk(2, axis)
    return tracer.ties.join(one, other)


_OPERATORS: dict[str, Operator] = {
    "linear": linear,
    "matmul": matrix_product,
    "mm": partial(matrix_product, second="mat2"),
    "addmm": lambda tracer, given: matrix_product(
        tracer, {"bias": given["self"], **given}, "mat1", "mat2"
    ),
    "scaled_dot_product_attention": attention,
    "embedding": embedding,
    "batch_norm": batch_norm,
    "instance_norm": batch_norm,
    "group_norm": group_norm,
    "prelu": prelu,
    "pad": _pad,
    "constant_pad_nd": _pad,
    **dict.fromkeys(("reflection_pad1d", "reflection_pad2d", "replication_pad1d"), _pad),
    **dict.fromkeys(("replication_pad2d", "replication_pad3d", "reflection_pad3d"), _pad),
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min", "var", "std", "prod"), _reduced),
    **dict.fromkeys(("logsumexp", "linalg_vector_norm", "norm", "any", "all"), _reduced),
    **dict.fromkeys(("argmax", "argmin", "var_mean", "std_mean"), _reduced),
    **dict.fromkeys(("softmax", "log_softmax", "_softmax", "_log_softmax"), _normalized),
    **dict.fromkeys(("layer_norm", "rms_norm", "cumsum", "cumprod"), _normalized),
    **{name: partial(_taken_apart, name=name) for name in TAKE_APART},
    **dict.fromkeys(("index_select", "roll"), _by_number),
    "channel_shuffle": _channel_shuffle,
    "glu": _glu,
}
