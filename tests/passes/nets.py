# SPDX-License-Identifier: Apache-2.0
"""Small float networks for the tests of passes, built layer by layer."""

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue
from xdsl.passes import ModulePass

from sparsec.interpreters.run import interpret
from sparsec.ir import nn
from sparsec.ir.expression import parse
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import BoundsAttr
from sparsec.ir.shapes import shape_of
from sparsec.quantization.scheme import Bounds
from sparsec.quantization.window import Border, Pool, Slice, Window

Array: TypeAlias = np.ndarray[Any, Any]
OpT = TypeVar("OpT", bound=Operation)

TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)


def image_type(size: tuple[int, int], channels: int) -> TensorType[Any]:
    return TensorType(f32, (1, *size, channels))


class Net:
    """Appends layers to a function; every method returns the value of the new layer."""

    def __init__(self, *shapes: Sequence[int], seed: int = 0):
        self.rng = np.random.default_rng(seed)
        self.block = Block(arg_types=[TensorType(f32, shape) for shape in shapes])
        self.inputs = list(self.block.args)
        self.count = 0

    def add_op(self, op: Operation, layer: str | None = None) -> SSAValue:
        self.count += 1
        set_layer(op, layer or f"{op.name.removeprefix('nn.')}{self.count}")
        self.block.add_op(op)
        return op.results[0]

    def constant(self, array: Array, label: str = "c") -> SSAValue:
        op = nn.ConstantOp(array.astype(np.float32), label)
        self.block.add_op(op)
        return op.result

    def indices(self, *numbers: int) -> SSAValue:
        op = nn.ConstantOp(np.array(numbers, np.uint16))
        self.block.add_op(op)
        return op.result

    def random(self, *shape: int) -> SSAValue:
        return self.constant(self.rng.normal(0, 1 / np.sqrt(max(1, np.prod(shape[1:]))), shape))

    def conv(
        self,
        x: SSAValue,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        window: Window | None = None,
        bounds: Bounds | None = None,
    ) -> SSAValue:
        window = window or Window()
        _, height, width, depth = shape_of(x.type)
        result = image_type(window.output_size((height, width), kernel), channels)
        weights, bias = self.random(channels, *kernel, depth), self.random(channels)
        attribute = None if bounds is None else BoundsAttr(bounds)
        return self.add_op(nn.Conv2dOp(x, weights, bias, window, result, attribute))

    def transposed(self, x: SSAValue, channels: int, groups: int = 1) -> SSAValue:
        """Twice as large, by taps of 2x2."""
        _, height, width, depth = shape_of(x.type)
        weights, bias = self.random(channels, 2, 2, depth // groups), self.random(channels)
        result = image_type((2 * height, 2 * width), channels)
        return self.add_op(nn.TransposeConv2dOp(x, weights, bias, Window((2, 2)), result))

    def grouped(self, x: SSAValue, channels: int, groups: int) -> SSAValue:
        _, height, width, depth = shape_of(x.type)
        weights, bias = self.random(channels, 3, 3, depth // groups), self.random(channels)
        result = image_type((height - 2, width - 2), channels)
        return self.add_op(nn.Conv2dOp(x, weights, bias, Window(), result))

    def depthwise(self, x: SSAValue, multiplier: int = 1, window: Window | None = None) -> SSAValue:
        window = window or Window()
        _, height, width, depth = shape_of(x.type)
        channels = depth * multiplier
        result = image_type(window.output_size((height, width), (3, 3)), channels)
        weights, bias = self.random(1, 3, 3, channels), self.random(channels)
        return self.add_op(nn.DepthwiseConv2dOp(x, weights, bias, window, result))

    def linear(self, x: SSAValue, features: int) -> SSAValue:
        *rows, depth = shape_of(x.type)
        result = TensorType(f32, (*rows, features))
        weights, bias = self.random(features, depth), self.random(features)
        return self.add_op(nn.LinearOp(x, weights, bias, result))

    def batch_norm(self, x: SSAValue) -> SSAValue:
        channels = shape_of(x.type)[-1]
        gamma, beta, mean = (self.random(channels) for _ in range(3))
        variance = self.constant(self.rng.uniform(0.1, 2.0, channels))
        return self.add_op(nn.BatchNormOp(x, gamma, beta, mean, variance, 1e-5))

    def clamp(self, x: SSAValue, low: float = 0.0, high: float = np.inf) -> SSAValue:
        return self.add_op(nn.ClampOp(x, Bounds(low, high)))

    def add(self, lhs: SSAValue, rhs: SSAValue) -> SSAValue:
        return self.add_op(nn.AddOp(lhs, rhs))

    def activation(self, x: SSAValue, function: str) -> SSAValue:
        return self.add_op(nn.ActivationOp(parse(function), x))

    def softmax(self, x: SSAValue) -> SSAValue:
        return self.add_op(nn.SoftmaxOp(x))

    def pool(self, x: SSAValue, pool: Pool, average: bool = False) -> SSAValue:
        _, height, width, channels = shape_of(x.type)
        result = image_type(pool.output_size((height, width), pool.kernel), channels)
        make = nn.AvgPool2dOp if average else nn.MaxPool2dOp
        return self.add_op(make(x, pool, result))

    def pad(self, x: SSAValue, pixels: int = 1, value: float = 0.0) -> SSAValue:
        around = (0, pixels, pixels, 0)
        return self.add_op(nn.PadOp(x, value, Border(around, around)))

    def slice(
        self, x: SSAValue, begin: Sequence[int], strides: Sequence[int], sizes: Sequence[int]
    ) -> SSAValue:
        return self.add_op(nn.SliceOp(x, Slice(tuple(begin), tuple(strides)), sizes))

    def reshape(self, x: SSAValue, *shape: int) -> SSAValue:
        return self.add_op(nn.ReshapeOp(x, shape))

    def transpose(self, x: SSAValue, permutation: Sequence[int]) -> SSAValue:
        return self.add_op(nn.TransposeOp(x, permutation))

    def flatten(self, x: SSAValue) -> SSAValue:
        """As torch flattens an image: channels first."""
        features = int(np.prod(shape_of(x.type)))
        return self.reshape(self.transpose(x, TO_NCHW), 1, features)

    def concat(self, *inputs: SSAValue, axis: int = 3) -> SSAValue:
        shape = list(shape_of(inputs[0].type))
        shape[axis] = sum(shape_of(value.type)[axis] for value in inputs)
        return self.add_op(nn.ConcatOp(inputs, axis, TensorType(f32, shape)))

    def done(self, *results: SSAValue) -> ModuleOp:
        """The module with `main` that returns `results`."""
        self.block.add_op(ReturnOp(*results))
        types = [v.type for v in self.inputs], [v.type for v in results]
        module = ModuleOp([FuncOp("main", FunctionType.from_lists(*types), Region(self.block))])
        module.verify()
        return module


def random_inputs(module: ModuleOp, samples: int = 3, seed: int = 1) -> list[Array]:
    """Arrays [samples, ..] for the arguments of `main`."""
    function = module.body.block.first_op
    assert isinstance(function, FuncOp)
    rng = np.random.default_rng(seed)
    return [
        rng.normal(0, 1, (samples, *shape_of(argument.type)[1:])).astype(np.float32)
        for argument in function.args
    ]


def run(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    """`module` after `passes`, verified."""
    for module_pass in passes:
        module_pass.apply(Context(), module)
        module.verify()
    return module


def expect_same_results(module: ModuleOp, *passes: ModulePass) -> ModuleOp:
    """Apply `passes`; the results must stay within 1e-5 of the largest value."""
    inputs = random_inputs(module)
    before = interpret(module, inputs)
    run(module, *passes)
    for old, new in zip(before, interpret(module, inputs), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-5, atol=1e-5 * float(np.abs(old).max()))
    return module


def ops(module: ModuleOp, op_type: type[OpT]) -> list[OpT]:
    """The operations of one type, in order."""
    return [op for op in module.walk() if isinstance(op, op_type)]


def op_names(module: ModuleOp) -> list[str]:
    """The `nn` operations of a module without their dialect, constants left out."""
    names = [op.name.removeprefix("nn.") for op in module.walk() if op.name.startswith("nn.")]
    return [name for name in names if name != "constant"]
