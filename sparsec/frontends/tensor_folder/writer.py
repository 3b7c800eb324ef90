# SPDX-License-Identifier: Apache-2.0
"""Writing `qnn` layer by layer: what each kind of layer of these networks is there.

The one rule: a layer reads what the one before gives, of the same zero point, and its sizes in bytes are noted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, FunctionType, ModuleOp, TensorType, i8
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from sparsec.frontends.numpy_files import Array
from sparsec.frontends.tensor_folder.tensors import Layer
from sparsec.ir import qnn
from sparsec.ir.attributes import QUANTIZATION
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.quantization.int8 import add_params
from sparsec.quantization.normalization import (
    EXTRA_BITS,
    FRACTION_BITS,
    MAX_SCALED,
    NormalizeParams,
    largest_scaled,
)
from sparsec.quantization.params import AddParams, Requant, Rescale, SoftmaxParams
from sparsec.quantization.scheme import UNIT_INTERVAL, Quantization
from sparsec.quantization.softmax import softmax_params
from sparsec.quantization.window import Pool, Window

UNIT = 128
"""What one standard deviation is in the integers of a layer norm, before they are scaled."""


@dataclass(frozen=True)
class Feature:
    """A value of the network and its zero point."""

    value: SSAValue
    zero_point: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Its axes."""
        return shape_of(self.value.type)

    @property
    def bytes(self) -> int:
        """Its size."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Sizes:
    """What an operation reads and writes, in bytes."""

    layer: str
    read: int | None
    """None for an operation with two inputs."""
    written: int


class Writer:
    """Collects the operations of `main` and the sizes of what they read and write."""

    def __init__(self, shape: Sequence[int], quantization: Quantization):
        self.quantization = quantization
        self.block = Block(arg_types=[TensorType(i8, shape)])
        self.sizes: list[Sizes] = []

    @property
    def image(self) -> Feature:
        """What the network takes."""
        return Feature(self.block.args[0], self.quantization.zero_point)

    def constant(self, array: Array, label: str) -> SSAValue:
        """A constant, named for what it came from."""
        op = qnn.ConstantOp(np.ascontiguousarray(array), label)
        self.block.add_op(op)
        return op.result

    def add(self, layer: Layer, op: Operation, title: str | None = None) -> SSAValue:
        """Append `op`, which computes a layer or a part of it. Raises FrontendError where it is not valid."""
        set_layer(op, layer.title if title is None else title)
        try:
            op.verify()
        except VerifyException as error:
            raise layer.wrong(str(error).splitlines()[0]) from None
        self.block.add_op(op)
        return op.results[0]

    def note_sizes(self, layer: Layer, read: int | None, written: int) -> None:
        """An operation of theirs, in bytes; of one with two inputs it is not known what is read."""
        self.sizes.append(Sizes(layer.title, read, written))

    def note(self, layer: Layer, source: Feature, result: Feature) -> Feature:
        """`result`, after its size has been noted."""
        self.note_sizes(layer, source.bytes, result.bytes)
        return result

    def reads(self, layer: Layer, source: Feature, what: str = "qi") -> int:
        """The zero point with which a layer reads `source`. Raises FrontendError where it is another one."""
        zero_point = layer.zero_point(what)
        if zero_point != source.zero_point:
            raise layer.wrong(
                f"{what}.zero_point is {zero_point}, where what it reads has {source.zero_point}: "
                "the blocks are not in the order they were trained in"
            )
        return zero_point

    def weighted(
        self, layer: Layer, module: str, channels: int, *, per_tensor: bool = False
    ) -> tuple[SSAValue, SSAValue, SSAValue]:
        """The bias of a layer, its multipliers and shifts."""
        if per_tensor:
            multiplier, shift = layer.fixed_point([layer.factor()])
        else:
            multiplier, shift = layer.multipliers(channels)
        return (
            self.constant(layer.bias(module, channels), f"{layer.title}.bias"),
            self.constant(multiplier, f"{layer.title}.multiplier"),
            self.constant(shift, f"{layer.title}.shift"),
        )

    def convolution(
        self, layer: Layer, source: Feature, *, size: int, stride: int = 1, depthwise: bool = False
    ) -> Feature:
        """A convolution of `size` x `size` taps around each pixel."""
        module = "conv_module"
        stored = layer.weights(module, 4)
        channels, depth = stored.shape[:2]
        _, height, width, given = source.shape
        wanted = 1 if depthwise else given
        if depth != wanted or (depthwise and channels != given):
            raise layer.shape_error(
                f"{module}.weight",
                f"that of {given} input channels, which what it reads has",
            )
        if stored.shape[2:] != (size, size):
            raise layer.shape_error(f"{module}.weight", f"{size}x{size} taps")
        weights = stored.transpose(1, 2, 3, 0) if depthwise else stored.transpose(0, 2, 3, 1)
        border = size // 2
        window = Window((stride, stride), (border, border, border, border))
        zero_point = self.reads(layer, source)
        output_zp = layer.zero_point("qo")
        make = qnn.DepthwiseConv2dOp if depthwise else qnn.Conv2dOp
        op = make(
            source.value,
            self.constant(weights, f"{layer.title}.weight"),
            *self.weighted(layer, module, channels),
            Requant(zero_point, output_zp),
            window,
            TensorType(i8, (1, *window.output_size((height, width), (size, size)), channels)),
        )
        return self.note(layer, source, Feature(self.add(layer, op), output_zp))

    def linear(self, layer: Layer, source: Feature) -> Feature:
        """A matrix on each row."""
        module = "fc_module"
        weights = layer.weights(module, 2)
        features, depth = weights.shape
        if depth != source.shape[-1]:
            raise layer.shape_error(f"{module}.weight", f"[{features}, {source.shape[-1]}]")
        zero_point = self.reads(layer, source)
        output_zp = layer.zero_point("qo")
        op = qnn.LinearOp(
            source.value,
            self.constant(weights, f"{layer.title}.weight"),
            *self.weighted(layer, module, features, per_tensor=True),
            Requant(zero_point, output_zp),
            TensorType(i8, (*source.shape[:-1], features)),
        )
        return self.note(layer, source, Feature(self.add(layer, op), output_zp))

    def max_pool(self, layer: Layer, source: Feature) -> Feature:
        """The largest of 3x3 pixels, for every other pixel; scale and zero point stay."""
        zero_point = self.reads(layer, source)
        pool = Pool((2, 2), (1, 1, 1, 1), kernel=(3, 3))
        _, height, width, channels = source.shape
        op = qnn.MaxPool2dOp(
            source.value,
            pool,
            Requant(zero_point, zero_point),
            TensorType(i8, (1, *pool.output_size((height, width), pool.kernel), channels)),
        )
        return self.note(layer, source, Feature(self.add(layer, op), zero_point))

    def mean(self, layer: Layer, source: Feature) -> Feature:
        """The average of the whole image in another scale, with the number of pixels in the multiplier."""
        zero_point, output_zp = self.reads(layer, source), layer.zero_point("qo")
        _, height, width, channels = source.shape
        factor = layer.scale("qi") / layer.scale("qo") / (height * width)
        multiplier, shift = layer.fixed_point([factor])
        op = qnn.MeanOp(
            source.value,
            Rescale(zero_point, int(multiplier[0]), int(shift[0]), output_zp),
            TensorType(i8, (1, 1, 1, channels)),
        )
        return Feature(self.add(layer, op), output_zp)

    def sum(self, layer: Layer, lhs: Feature, rhs: Feature) -> Feature:
        """Both terms, scaled by M1 and M2."""
        if lhs.shape != rhs.shape:
            raise layer.wrong(f"it adds {list(lhs.shape)} to {list(rhs.shape)}")
        zero_points = self.reads(layer, lhs, "qi1"), self.reads(layer, rhs, "qi2")
        output_zp = layer.zero_point("qo")
        try:
            numbers = add_params(layer.factor("M1"), layer.factor("M2"), 1.0)
        except ValueError as error:
            raise layer.wrong(str(error)) from error
        if numbers["output_shift"] > 0:
            raise layer.wrong("M1 or M2 is too large")
        params = AddParams(
            input1_zp=zero_points[0], input2_zp=zero_points[1], output_zp=output_zp, **numbers
        )
        result = Feature(self.add(layer, qnn.AddOp(lhs.value, rhs.value, params)), output_zp)
        self.note_sizes(layer, None, result.bytes)
        return result

    def norm(self, layer: Layer, source: Feature) -> Feature:
        """The layer norm of each row of [1, rows, channels]: `bias` and M are in units of 1 / `UNIT` of a weighted deviation."""
        module, (_, rows, channels) = "layernorm_module", source.shape
        gamma = layer.weights(module, 1)
        if gamma.size != channels:
            raise layer.shape_error(f"{module}.weight", f"[{channels}]")
        factor = layer.factor()
        by_channel = factor * UNIT * gamma.astype(np.float64) * 2.0 ** (EXTRA_BITS - FRACTION_BITS)
        multiplier, shift = layer.fixed_point(np.abs(by_channel).tolist())
        bias = np.round(factor * layer.bias(module, channels).astype(np.float64) * 2.0**EXTRA_BITS)
        if (
            largest_scaled(channels, multiplier, shift) >= MAX_SCALED
            or np.abs(bias).max() >= MAX_SCALED
        ):
            raise layer.wrong("tensor 'M' is too large for what it scales")
        zero_point, output_zp = self.reads(layer, source), layer.zero_point("qo")
        sign = np.where(gamma < 0, -1, 1).astype(np.int32)
        op = qnn.NormalizeOp(
            self.reshaped(layer, source, (1, rows, 1, channels)).value,
            self.constant(bias.astype(np.int32), f"{layer.title}.bias"),
            self.constant(multiplier * sign, f"{layer.title}.multiplier"),
            self.constant(shift, f"{layer.title}.shift"),
            NormalizeParams(zero_point, output_zp),
        )
        image = Feature(self.add(layer, op), output_zp)
        return self.note(layer, source, self.reshaped(layer, image, source.shape))

    def softmax_params(self, layer: Layer) -> SoftmaxParams:
        """The numbers of a softmax."""
        try:
            return SoftmaxParams(**softmax_params(layer.scale("qi")))
        except ValueError as error:
            raise layer.wrong(str(error)) from error

    def softmax(self, layer: Layer, source: Feature) -> Feature:
        """Softmax over the last axis."""
        value = self.add(layer, qnn.SoftmaxOp(source.value, self.softmax_params(layer)))
        return self.note(layer, source, Feature(value, UNIT_INTERVAL.zero_point))

    def reshaped(self, layer: Layer, source: Feature, shape: Sequence[int]) -> Feature:
        """`source` in another shape, row by row."""
        if source.shape == tuple(shape):
            return source
        return Feature(self.add(layer, qnn.ReshapeOp(source.value, shape)), source.zero_point)

    def module(self, result: Feature, quantization: Quantization) -> ModuleOp:
        """The module, with `result` as that of `main`."""
        self.block.add_op(ReturnOp(result.value))
        main = FuncOp(
            "main",
            FunctionType.from_lists(self.block.arg_types, [result.value.type]),
            Region(self.block),
            arg_attrs=ArrayAttr([_attributes(self.quantization)]),
            res_attrs=ArrayAttr([_attributes(quantization)]),
        )
        return ModuleOp([main])


def _attributes(quantization: Quantization) -> DictionaryAttr:
    return DictionaryAttr({QUANTIZATION: QuantizationAttr(quantization)})
