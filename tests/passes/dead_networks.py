# SPDX-License-Identifier: Apache-2.0
"""Int8 networks with what `eliminate-dead-channels` looks for planted in them, and their size."""

from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import Operation, SSAValue

from sparsec.analysis.values.weighted_layer import weighted_layer
from sparsec.ir import qnn
from sparsec.ir.qnn.elementwise import ElementwiseOp
from sparsec.ir.shapes import shape_of
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import (
    FULL_RANGE,
    AddParams,
    Clamp,
    MulParams,
    PreluParams,
    Requant,
    Rescale,
)
from sparsec.quantization.window import Border, Pool, Window
from tests.end_to_end.building import Builder
from tests.end_to_end.networks import Drawing, draw_gather, draw_network, draw_resize, draw_slice

Array: TypeAlias = np.ndarray[Any, Any]

ZERO = -3
"""The zero point of every activation, so that a filter of zeros may give what a border reads as."""


class Planting(Drawing):
    """Draws weights with whole filters, whole input channels, or nothing but zeros."""

    def weights(self, shape: tuple[int, ...]) -> SSAValue:
        return self.net.constant(planted(self.draw, self.rng, shape))


def planted(draw: st.DrawFn, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights with zeros along the first and the last axis."""
    w = rng.integers(-128, 128, shape, np.int8)
    for axis in (0, len(shape) - 1):
        share = draw(st.sampled_from([0.0, 0.0, 0.3, 0.6, 0.9]))
        np.moveaxis(w, axis, 0)[rng.random(shape[axis]) < share] = 0
    w[rng.random(shape) < draw(st.sampled_from([0.0, 0.0, 0.5]))] = 0
    return w


def addition(a: SSAValue, b: SSAValue, clamp: Clamp = FULL_RANGE) -> qnn.AddOp:
    """The sum of two values of usual scales."""
    numbers = add_params(0.1, 0.07, 0.12)
    params = AddParams(**numbers, input1_zp=ZERO, input2_zp=ZERO, output_zp=ZERO, clamp=clamp)
    return qnn.AddOp(a, b, params)


class Planter:
    """A network of small images, deep enough that what dies in one layer kills in another."""

    def __init__(self, draw: st.DrawFn):
        self.draw = draw
        self.net = Builder()
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.vectors: dict[int, SSAValue] = {}

    def flip(self) -> bool:
        return self.draw(st.booleans())

    def clamp(self) -> Clamp:
        """Mostly wide, at times so narrow that it lets little through."""
        return self.draw(st.sampled_from([(-128, 127), (-128, 127), (ZERO, 127), (ZERO, 5)]))

    def scales(self, channels: int, multipliers: int) -> tuple[SSAValue, SSAValue, SSAValue]:
        """Bias, multiplier and shift; large biases are beyond what a clamp lets through."""
        bias = self.rng.integers(-4000, 4000, channels)
        bias *= self.rng.choice([0, 1, 100], channels, p=[0.5, 0.3, 0.2])
        shift = self.rng.integers(-11, -6, multipliers)
        return (
            self.net.constant(bias.astype(np.int32)),
            self.net.constant(self.rng.integers(2**30, 2**31, multipliers, np.int32)),
            self.net.constant(shift.astype(np.int32)),
        )

    def weights(self, *shape: int) -> SSAValue:
        return self.net.constant(planted(self.draw, self.rng, shape))

    def window(self) -> tuple[int, Window]:
        """A kernel and a window that fit any image."""
        kernel = self.draw(st.sampled_from([1, 1, 2, 3]))
        before = 0 if kernel == 1 else 1
        after = self.draw(st.integers(max(0, kernel - 2), kernel - 1))
        stride = self.draw(st.sampled_from([1, 1, 2]))
        return kernel, Window((stride, stride), (before, before, after, after))

    def convolution(self, x: SSAValue, depthwise: bool) -> SSAValue:
        _, *size, depth = shape_of(x.type)
        kernel, window = self.window()
        if depthwise:
            channels = depth * self.draw(st.sampled_from([1, 1, 2]))
            weights, make = (1, kernel, kernel, channels), qnn.DepthwiseConv2dOp
        else:
            channels = self.draw(st.integers(1, 6))
            weights, make = (channels, kernel, kernel, depth), qnn.Conv2dOp
        pixels = window.output_size((size[0], size[1]), (kernel, kernel))
        return self.net.layer(
            make(
                x,
                self.weights(*weights),
                *self.scales(channels, channels),
                Requant(ZERO, ZERO, self.clamp()),
                window,
                TensorType(i8, (1, *pixels, channels)),
            )
        )

    def linear(self, x: SSAValue) -> SSAValue:
        *rows, depth = shape_of(x.type)
        features = self.draw(st.integers(1, 6))
        weights = self.weights(features, depth)
        scales = self.scales(features, features if self.flip() else 1)
        requant, type = Requant(ZERO, ZERO, self.clamp()), TensorType(i8, (*rows, features))
        return self.net.layer(qnn.LinearOp(x, weights, *scales, requant, type))

    def add(self, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.net.layer(addition(a, b, self.clamp()))

    def concat(self, a: SSAValue, b: SSAValue, axis: int = -1) -> SSAValue:
        shape = list(shape_of(a.type))
        shape[axis] += shape_of(b.type)[axis]
        return self.net.layer(qnn.ConcatOp([a, b], len(shape) + axis, TensorType(i8, shape)))

    def unary(self, x: SSAValue) -> SSAValue:
        _, *size, channels = shape_of(x.type)
        border = Border((0, 1, 0, 0), (0, 0, 1, self.draw(st.sampled_from([0, 0, 1]))))
        pool = Pool((2, 2), (0, 0, 1, 1), kernel=(2, 2))
        pixels = pool.output_size((size[0], size[1]), pool.kernel)
        type, requant = TensorType(i8, (1, *pixels, channels)), Requant(ZERO, ZERO, self.clamp())
        table = self.net.constant(self.rng.integers(-128, 128, 256).astype(np.int8) // 9)
        rescale = Rescale(ZERO, 2**30 + 12345, 1, ZERO, self.clamp())
        choices: list[Callable[[], Any]] = [
            lambda: qnn.MaxPool2dOp(x, pool, requant, type),
            lambda: qnn.AvgPool2dOp(x, pool, requant, type),
            lambda: qnn.LookupOp(x, table),
            lambda: qnn.RescaleOp(x, rescale),
            lambda: qnn.MeanOp(x, rescale, TensorType(i8, (1, 1, 1, channels))),
            lambda: qnn.ReduceMaxOp(x, TensorType(i8, (1, 1, size[1], channels))),
            lambda: qnn.ReduceMinOp(x, TensorType(i8, (1, *size, 1))),
            lambda: qnn.PadOp(x, self.draw(st.sampled_from([ZERO, 7])), border),
            lambda: draw_slice(self.draw, x),
            lambda: draw_resize(self.draw, self.net, x),
            lambda: draw_gather(self.draw, self.net, x),
        ]
        return self.net.layer(self.draw(st.sampled_from(choices))())

    def other(self, x: SSAValue, values: list[SSAValue]) -> SSAValue:
        """What meets `x`: a value, a vector with numbers that silence channels, or one number."""
        kind = self.draw(st.sampled_from(["value", "vector", "vector", "number", "shared"]))
        channels = shape_of(x.type)[-1]
        if kind == "value":
            return self.draw(st.sampled_from([v for v in values if v.type == x.type]))
        if kind == "shared" and channels in self.vectors:
            return self.vectors[channels]
        shape = () if kind == "number" else (channels,)
        vector = self.rng.integers(-128, 128, shape)
        quiet = self.rng.random(shape) < self.draw(st.sampled_from([0.0, 0.3, 0.6]))
        vector = np.where(quiet, self.rng.choice([ZERO, -128, 127]), vector)
        found = self.net.constant(vector.astype(np.int8))
        if shape:
            self.vectors[channels] = found
        return found

    def pair(self, x: SSAValue, values: list[SSAValue]) -> SSAValue:
        """An element-wise operation of the other kinds than a sum of two tensors."""
        other, clamp = self.other(x, values), self.clamp()
        sums = AddParams(
            **add_params(0.1, 0.07, 0.12),
            input1_zp=ZERO,
            input2_zp=ZERO,
            output_zp=ZERO,
            clamp=clamp,
        )
        product = MulParams(ZERO, ZERO, 2**30 + 99, -5, ZERO, clamp)
        slope = PreluParams(ZERO, ZERO, 2**30, 1, 2**30 + 99, -5, ZERO, clamp)
        a, b = (x, other) if self.flip() else (other, x)
        choices: list[Callable[[], Any]] = [
            lambda: qnn.MulOp(a, b, product, x.type),
            lambda: qnn.SubOp(a, b, sums, x.type),
            lambda: qnn.BroadcastAddOp(a, b, sums, x.type),
            lambda: qnn.MaximumOp(a, b, x.type),
            lambda: qnn.MinimumOp(a, b, x.type),
            lambda: qnn.PreluOp(x, other, slope),
        ]
        return self.net.layer(self.draw(st.sampled_from(choices))())

    def image_layer(self, x: SSAValue, values: list[SSAValue]) -> SSAValue:
        kinds = ["conv"] * 4 + ["depthwise"] * 2 + ["join"] * 2 + ["pair"] * 2 + ["one"]
        kind = self.draw(st.sampled_from(kinds))
        if kind == "pair":
            return self.pair(x, values)
        if kind == "join":
            shape = shape_of(x.type)
            same = [v for v in values if v.type == x.type]
            beside = [v for v in values if shape_of(v.type)[:-1] == shape[:-1]]
            if self.flip():
                return self.add(x, self.draw(st.sampled_from(same)))
            if shape[-1] < 12:
                return self.concat(x, self.draw(st.sampled_from(beside)))
            return self.concat(x, self.draw(st.sampled_from(same)), axis=-2)
        return self.unary(x) if kind == "one" else self.convolution(x, kind == "depthwise")

    def network(self) -> ModuleOp:
        size = self.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
        values = [self.net.input((1, *size, self.draw(st.integers(1, 4))))]
        for _ in range(self.draw(st.integers(2, 7))):
            recent = self.draw(st.sampled_from(values[-2:]))
            values.append(self.image_layer(recent, values))
        x = values[-1]
        if self.flip():
            count = prod(shape_of(x.type))
            x = self.linear(self.net.layer(qnn.ReshapeOp(x, (1, count))))
            values.append(x)
        if self.flip():
            values.append(self.linear(x))
        results = [v for v in values[1:] if not v.uses]
        return self.net.module(results if self.flip() else results[-1:])


@st.composite
def planted_modules(draw: st.DrawFn) -> ModuleOp:
    """A deep network made to die, or one of any operations with planted zeros."""
    if draw(st.integers(0, 3)):
        return Planter(draw).network()
    drawing = Planting(draw)
    return drawing.net.module(draw_network(drawing))


def size_of(module: ModuleOp) -> tuple[int, int]:
    """(weights, MACs) of all layers of a module."""
    layers = [weighted_layer(op) for op in module.walk() if isinstance(op, qnn.WeightedOp)]
    found = [layer for layer in layers if layer is not None]
    assert len(found) == len(layers)
    return sum(layer.weights.size for layer in found), sum(layer.macs for layer in found)


def readers(value: SSAValue) -> list[Operation]:
    """What reads `value`, behind what does the same to every channel or has a number for each."""
    found: list[Operation] = []
    for use in value.uses:
        op = use.operation
        others = [other for other in op.operands if other is not value]
        plain = isinstance(op, qnn.RescaleOp | qnn.LookupOp | ElementwiseOp | qnn.PreluOp)
        if plain and all(isinstance(other.owner, qnn.ConstantOp) for other in others):
            found += readers(op.results[0])
        else:
            found.append(op)
    return found


def unread_channels(module: ModuleOp) -> list[str]:
    """Channels that a convolution or linear layer makes and only zero columns of others read."""
    found: list[str] = []
    for op in module.walk():
        if not isinstance(op, qnn.Conv2dOp | qnn.LinearOp) or shape_of(op.result.type)[-1] == 1:
            continue
        layers = readers(op.result)
        if all(isinstance(layer, qnn.Conv2dOp | qnn.LinearOp) for layer in layers):
            columns = [
                layer.weights.any(axis=(0, 1, 2))
                for reader in layers
                if isinstance(reader, qnn.WeightedOp)
                and (layer := weighted_layer(reader)) is not None
            ]
            found += [f"{op}: {c}" for c in np.flatnonzero(~np.any(columns, axis=0))]
    return found
