# SPDX-License-Identifier: Apache-2.0
"""Which channels of a `qnn` network nobody reads, and which of them can go together.

A channel is an index of the last axis. An element is read if a result of the network depends on it
through weights that are not zero; a channel is dead if none of its elements is read. Channels that
must have the same fate, those before and after a pool, or on both sides of an addition, are one
class, and go only if all of the class are dead. The rule: what is not known here is read and stays.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from xdsl.ir import Block, Operation, SSAValue
from xdsl.utils.disjoint_set import IntDisjointSet

from sparsec.analysis.values.elementwise import PairOp, operands_of, reads
from sparsec.analysis.values.intervals import is_activation
from sparsec.analysis.values.movement import channels_read, elements_read
from sparsec.analysis.values.weighted_layer import (
    Mask,
    crop_image,
    pad_image,
    weighted_layer,
    window_places,
)
from sparsec.ir import qnn
from sparsec.ir.qnn.elementwise import ElementwiseOp
from sparsec.ir.shapes import shape_of

Masks: TypeAlias = dict[SSAValue, Mask]
Indices: TypeAlias = npt.NDArray[np.int64]
Tie: TypeAlias = tuple[SSAValue, Indices, SSAValue, Indices]
"""Channels of one value, and as many of another, with the same fate each."""


def channels_of(value: SSAValue) -> int:
    """How many channels an int8 tensor has: one without axes."""
    return prod(shape_of(value.type)[-1:])


def activation_operands(op: Operation) -> list[SSAValue]:
    """The int8 operands of `op` but for its weights and tables."""
    if isinstance(op, qnn.WeightedOp | qnn.LookupOp):
        return [op.input]
    return [value for value in op.operands if is_activation(value)]


def _activations(block: Block) -> Iterator[tuple[SSAValue, bool]]:
    """The activations of a function, and whether they are an array that serves as weights too."""
    for value in block.args:
        yield value, False
    for op in block.ops:
        for value in op.results:
            if not isinstance(op, qnn.ConstantOp):
                yield value, False
                continue
            uses = [value in activation_operands(use.operation) for use in value.uses]
            if any(uses):
                yield value, not all(uses)


def read_elements(block: Block) -> Masks:
    """For each activation of a function, constant ones included, the elements that someone reads."""
    read = {
        value: np.full(shape_of(value.type), pinned)
        for value, pinned in _activations(block)
        if is_activation(value)
    }
    for op in reversed(list(block.ops)):
        for value, mask in _reads(op, read):
            read[value] |= mask.reshape(read[value].shape)
    return read


def dead_channels(read: Mask) -> Mask:
    """[C]: channels without an element that is read."""
    return np.logical_not(read.reshape(-1, prod(read.shape[-1:])).any(axis=0))


def _reads(op: Operation, read: Masks) -> Iterator[tuple[SSAValue, Mask]]:
    """What of each operand `op` reads, for the elements of its result that are read."""
    match op:
        case _ if not any(map(is_activation, op.results)):  # what gives integers counts as read
            for value in op.operands:
                if value in read:
                    yield value, np.ones_like(read[value])
        case qnn.WeightedOp() if (layer := weighted_layer(op)) is not None:
            yield op.input, layer.reads(read[op.result].reshape(layer.output_size))
        case qnn.LookupOp() | qnn.RescaleOp() | qnn.ReshapeOp():
            yield op.input, read[op.result]
        case qnn.AddOp() | ElementwiseOp() | qnn.PreluOp():
            for value in operands_of(op):
                yield value, reads(op, value, read[op.result])
        case qnn.SoftmaxOp():
            rows = read[op.result].any(axis=-1, keepdims=True)
            yield op.input, np.broadcast_to(rows, read[op.result].shape)
        case qnn.ReduceOp():
            yield op.input, np.broadcast_to(read[op.result], shape_of(op.input.type))
        case qnn.Pool2dOp():
            yield op.input, _pool_reads(op, read[op.result])
        case qnn.PadOp():
            shape = shape_of(op.input.type)
            inside = zip(op.border.data.low, shape, strict=True)
            yield op.input, read[op.result][tuple(slice(low, low + n) for low, n in inside)]
        case qnn.TransposeOp():
            yield op.input, read[op.result].transpose(np.argsort(op.permutation.get_values()))
        case qnn.SliceOp() | qnn.ResizeNearestOp() | qnn.GatherOp():
            yield op.input, elements_read(op, read[op.result])
        case qnn.ConcatOp():
            axis = op.axis.value.data
            ends = np.cumsum([shape_of(value.type)[axis] for value in op.inputs])[:-1]
            yield from zip(op.inputs, np.split(read[op.result], ends, axis), strict=True)
        case _:
            for value in op.operands:
                if value in read:
                    yield value, np.ones_like(read[value])


def _pool_reads(op: qnn.Pool2dOp, wanted: Mask) -> Mask:
    pool = op.pool.data
    _, *size = shape_of(op.input.type)
    padded = pad_image(np.zeros(size, np.bool_), pool)
    _, height, width, _ = wanted.shape
    for _, _, places in window_places(pool, pool.kernel, (height, width)):
        padded[places] |= wanted[0]
    return crop_image(padded, pool)


def _span(start: int, count: int) -> Indices:
    return np.arange(start, start + count)


def _ties(op: Operation) -> Iterator[Tie] | None:
    """The channels that `op` ties together; None if it needs all of its channels."""
    match op:
        case qnn.ConstantOp():
            return iter(())
        case _ if not any(map(is_activation, op.results)):
            return None
        case qnn.Conv2dOp() | qnn.TransposeConv2dOp() | qnn.LinearOp() if (
            weighted_layer(op) is not None
        ):
            return iter(())
        case qnn.DepthwiseConv2dOp() if weighted_layer(op) is not None:
            outputs = _span(0, channels_of(op.result))
            inputs = outputs // (len(outputs) // channels_of(op.input))
            return iter([(op.input, inputs, op.result, outputs)])
        case qnn.AddOp() | ElementwiseOp() | qnn.PreluOp():
            return _pair_ties(op)
        case qnn.ReduceOp() if channels_of(op.input) != channels_of(op.result):
            return None
        case qnn.LookupOp() | qnn.RescaleOp() | qnn.Pool2dOp() | qnn.ReduceOp():
            same = _span(0, channels_of(op.result))
            return ((value, same, op.result, same) for value in activation_operands(op))
        case qnn.PadOp():
            inputs = _span(0, channels_of(op.input))
            return iter([(op.input, inputs, op.result, inputs + op.border.data.low[-1])])
        case qnn.ReshapeOp():
            return iter([_reshape_tie(op)])
        case qnn.TransposeOp():
            last = len(op.permutation.get_values()) - 1
            same = _span(0, channels_of(op.result))
            if op.permutation.get_values()[last] != last:
                return None
            return iter([(op.input, same, op.result, same)])
        case qnn.SliceOp() | qnn.ResizeNearestOp() | qnn.GatherOp():
            inputs = channels_read(op)
            if inputs is None:
                return None
            return iter([(op.input, inputs, op.result, _span(0, len(inputs)))])
        case qnn.ConcatOp():
            return _concat_ties(op)
        case _:
            return None


def _reshape_tie(op: qnn.ReshapeOp) -> Tie:
    """Removing a class from both shapes leaves the same elements in the same order."""
    elements = _span(0, int(np.prod(shape_of(op.input.type))))
    pairs = np.stack([elements % channels_of(op.input), elements % channels_of(op.result)])
    inputs, outputs = np.unique(pairs, axis=1)
    return op.input, inputs, op.result, outputs


def _pair_ties(op: PairOp) -> Iterator[Tie]:
    same = _span(0, channels_of(op.result))
    for value in operands_of(op):
        if channels_of(value) == len(same):  # else it is one number for all channels
            yield value, same, op.result, same


def _concat_ties(op: qnn.ConcatOp) -> Iterator[Tie]:
    start = 0
    for value in op.inputs:
        channels = _span(0, channels_of(value))
        yield value, channels, op.result, channels + start
        if joins_channels(op):
            start += len(channels)


def joins_channels(op: Operation) -> bool:
    """Whether `op` is a concatenation along the channels."""
    return isinstance(op, qnn.ConcatOp) and op.axis.value.data == len(shape_of(op.result.type)) - 1


class ChannelClasses:
    """The channels of all int8 tensors of a function, in classes of one fate."""

    def __init__(self, block: Block, values: Sequence[SSAValue]):
        sizes = [channels_of(value) for value in values]
        starts = [0, *np.cumsum(sizes).tolist()]
        self.start: dict[SSAValue, int] = dict(zip(values, starts, strict=False))
        sets = IntDisjointSet(size=starts[-1])
        stays = [
            *block.args,
            *(v for op in block.ops if _ties(op) is None for v in (*op.operands, *op.results)),
        ]
        for op in block.ops:
            for a, first, b, second in _ties(op) or ():
                pairs = zip(first + self.start[a], second + self.start[b], strict=True)
                for one, other in pairs:
                    sets.union(int(one), int(other))
        self.root = np.array([sets[node] for node in range(starts[-1])], np.int64)
        self.stays = np.zeros(starts[-1], np.bool_)
        for value in stays:
            if value in self.start:
                self.stays[self.roots(value)] = True

    def roots(self, value: SSAValue) -> Indices:
        """The class of each channel of `value`."""
        start = self.start[value]
        return self.root[start : start + channels_of(value)]


def removable_channels(
    block: Block, read: Masks, groups: Mapping[SSAValue, int] = MappingProxyType({})
) -> Masks:
    """[C] for each int8 tensor that can lose channels: those that can go, all at once.

    A tensor loses all of them only if the operation that makes it, and all that read it, can go. Those of `groups` lose so
    many channels that are beside each other, from a multiple of that on, or none of them.
    """
    values = list(read)
    classes = ChannelClasses(block, values)
    stays = classes.stays
    for value in values:
        stays[classes.roots(value)[~dead_channels(read[value])]] = True
    while True:
        _keep_whole_groups(classes, groups)
        gone = {value: ~stays[classes.roots(value)] for value in values}
        emptied = (value for value in values if gone[value].all())
        kept = next((value for value in emptied if not _can_vanish(value, gone)), None)
        if kept is None:
            return {value: mask for value, mask in gone.items() if mask.any()}
        stays[classes.roots(kept)[0]] = True


def _keep_whole_groups(classes: ChannelClasses, groups: Mapping[SSAValue, int]) -> None:
    """Where one channel of a group stays, all do."""
    changed = True
    while changed:
        changed = False
        for value, size in groups.items():
            roots = classes.roots(value)
            stays = classes.stays[roots]
            starts = np.arange(0, len(roots), size)
            whole = np.repeat(np.logical_or.reduceat(stays, starts), size)[: len(roots)]
            classes.stays[roots[whole]] = True
            changed |= bool((whole & ~stays).any())


def _can_vanish(value: SSAValue, gone: Masks) -> bool:
    """Whether everything that reads `value` goes too, or can do without it."""
    users = [use.operation for use in value.uses]
    return all(joins_channels(u) or all(gone[result].all() for result in u.results) for u in users)
