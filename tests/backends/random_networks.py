# SPDX-License-Identifier: Apache-2.0
"""Random int8 networks: every operation of `qnn`, odd shapes, strides, paddings and scales."""

from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import func
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    i8,
)
from xdsl.ir import Block, Operation, Region, SSAValue

from sparsec.ir import qnn
from sparsec.ir.attributes import NAME, QUANTIZATION
from sparsec.ir.layer import set_layer
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.quantization.functions import FUNCTIONS
from sparsec.quantization.int8 import add_params, lookup_table, softmax_params
from sparsec.quantization.params import AddParams, Requant, Rescale, SoftmaxParams
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.quantization.scheme import Quantization
from sparsec.quantization.window import Border, Pool, Window

Array: TypeAlias = np.ndarray[Any, Any]
Layer: TypeAlias = "Callable[[Network, SSAValue], SSAValue | None]"


class Network:
    """A network under construction; every choice comes from `random`."""

    def __init__(self, random: Random):
        self.random = random
        self.numpy = np.random.default_rng(random.getrandbits(32))
        self.block = Block()
        self.layers = 0

    def add(self, op: Operation) -> SSAValue:
        """Append a layer and give it a name."""
        self.layers += 1
        set_layer(op, f"{op.name.removeprefix('qnn.')}{self.layers}")
        self.block.add_op(op)
        return op.results[0]

    def constant(self, array: Array, role: str) -> SSAValue:
        """A constant of the next layer, sometimes without a name."""
        label = f"layer{self.layers + 1}.{role}" if self.random.random() < 0.8 else None
        constant = qnn.ConstantOp(np.ascontiguousarray(array), label)
        self.block.add_op(constant)
        return constant.result

    def zero_point(self) -> int:
        """Any zero point, the extremes often."""
        return self.random.choice([-128, 127, 0, self.random.randint(-128, 127)])

    def clamp(self) -> tuple[int, int]:
        """The whole range half of the time."""
        if self.random.random() < 0.5:
            return (-128, 127)
        low, high = sorted(self.random.randint(-128, 127) for _ in range(2))
        return low, high

    def requant(self) -> Requant:
        """What a layer with weights does around its accumulator."""
        return Requant(self.zero_point(), self.zero_point(), self.clamp())

    def weights(self, shape: tuple[int, ...]) -> SSAValue:
        """Weights, dense or with any share of zeros."""
        w = self.numpy.integers(-128, 128, shape).astype(np.int8)
        w[self.numpy.random(shape) < self.random.choice([0.0, 0.5, 0.8, 0.97, 1.0])] = 0
        return self.constant(w, "weight")

    def scales(self, channels: int, depth: int) -> tuple[SSAValue, SSAValue, SSAValue]:
        """Bias, multiplier and shift of `channels` outputs that sum `depth` products each."""
        bias = self.numpy.integers(-5000, 5000, channels).astype(np.int32)
        typical = 1 / (80 * np.sqrt(depth))
        scales = typical * np.exp(self.numpy.normal(0, 1, channels))
        pairs = [quantize_multiplier(float(scale)) for scale in scales]
        multiplier, shift = np.array(pairs, np.int32).T
        return (
            self.constant(bias, "bias"),
            self.constant(multiplier, "multiplier"),
            self.constant(shift, "shift"),
        )

    def window(self, size: tuple[int, int]) -> tuple[tuple[int, int], Window] | None:
        """A kernel and a window for an image of `size`, None when the draw does not fit."""
        pick = self.random.choice
        kernel = (pick([1, 1, 2, 3, 3, 5]), pick([1, 1, 2, 3, 3, 5]))
        if pick([True, False]):
            kernel = (kernel[0], kernel[0])
        padding = pick(
            [
                (0, 0, 0, 0),
                (1, 1, 1, 1),
                (pick(range(4)), pick(range(4)), pick(range(4)), pick(range(4))),
                (kernel[0] // 2, kernel[1] // 2, kernel[0] // 2, kernel[1] // 2),
            ]
        )
        strides = (pick([1, 1, 2, 3]), pick([1, 1, 2, 3]))
        dilations = (1, 1) if pick([True, True, False]) else (pick([1, 2]), pick([1, 2, 3]))
        window = Window(strides, padding, dilations)
        try:
            window.output_size(size, kernel)
        except ValueError:
            return None
        return kernel, window


def conv2d(net: Network, x: SSAValue) -> SSAValue | None:
    _, height, width, channels = shape_of(x.type)
    drawn = net.window((height, width))
    if drawn is None:
        return None
    kernel, window = drawn
    outputs = net.random.randint(1, 9)
    weights = net.weights((outputs, *kernel, channels))
    scales = net.scales(outputs, channels * kernel[0] * kernel[1])
    type = TensorType(i8, [1, *window.output_size((height, width), kernel), outputs])
    return net.add(qnn.Conv2dOp(x, weights, *scales, net.requant(), window, type))


def depthwise_conv2d(net: Network, x: SSAValue) -> SSAValue | None:
    _, height, width, channels = shape_of(x.type)
    drawn = net.window((height, width))
    if drawn is None:
        return None
    kernel, window = drawn
    outputs = channels * net.random.choice([1, 1, 2, 4])
    weights = net.weights((1, *kernel, outputs))
    scales = net.scales(outputs, kernel[0] * kernel[1])
    type = TensorType(i8, [1, *window.output_size((height, width), kernel), outputs])
    return net.add(qnn.DepthwiseConv2dOp(x, weights, *scales, net.requant(), window, type))


def pool2d(net: Network, x: SSAValue) -> SSAValue | None:
    _, height, width, channels = shape_of(x.type)
    kernel = (net.random.randint(1, 4), net.random.randint(1, 4))
    padding = tuple(net.random.randint(0, kernel[i % 2] - 1) // 2 for i in range(4))
    strides = (net.random.randint(1, 3), net.random.randint(1, 3))
    pool = Pool(strides, (padding[0], padding[1], padding[2], padding[3]), kernel=kernel)
    try:
        size = pool.output_size((height, width), kernel)
    except ValueError:
        return None
    zero_point = net.zero_point()
    requant = Requant(zero_point, zero_point, net.clamp())
    pool_op = net.random.choice([qnn.MaxPool2dOp, qnn.AvgPool2dOp])
    return net.add(pool_op(x, pool, requant, TensorType(i8, [1, *size, channels])))


def linear(net: Network, x: SSAValue) -> SSAValue | None:
    *rows, depth = shape_of(x.type)
    features = net.random.randint(1, 12)
    weights = net.weights((features, depth))
    bias, multiplier, shift = net.scales(features, depth)
    if net.random.random() < 0.5:
        m, s = quantize_multiplier(net.random.uniform(1e-4, 0.05))
        multiplier = net.constant(np.array([m], np.int32), "multiplier")
        shift = net.constant(np.array([s], np.int32), "shift")
    type = TensorType(i8, [*rows, features])
    return net.add(qnn.LinearOp(x, weights, bias, multiplier, shift, net.requant(), type))


def flatten(net: Network, x: SSAValue) -> SSAValue | None:
    return net.add(qnn.ReshapeOp(x, [1, int(np.prod(shape_of(x.type)))]))


def transpose(net: Network, x: SSAValue) -> SSAValue | None:
    rest = list(range(1, len(shape_of(x.type))))
    net.random.shuffle(rest)
    return net.add(qnn.TransposeOp(x, [0, *rest]))


def pad(net: Network, x: SSAValue) -> SSAValue | None:
    rank = len(shape_of(x.type))
    low = (0, *(net.random.randint(0, 2) for _ in range(rank - 1)))
    high = (0, *(net.random.randint(0, 2) for _ in range(rank - 1)))
    return net.add(qnn.PadOp(x, net.zero_point(), Border(low, high)))


def add(net: Network, x: SSAValue) -> SSAValue | None:
    scales = [net.random.uniform(0.01, 0.2) for _ in range(3)]
    params = AddParams(
        input1_zp=net.zero_point(),
        input2_zp=net.zero_point(),
        output_zp=net.zero_point(),
        clamp=net.clamp(),
        **add_params(*scales),
    )
    return net.add(qnn.AddOp(x, other(net, x, shape_of(x.type)), params))


def concat(net: Network, x: SSAValue) -> SSAValue | None:
    shape = shape_of(x.type)
    axis = net.random.randint(1, len(shape) - 1)
    inputs = [x, other(net, x, shape), x][: net.random.randint(1, 3)]
    total = list(shape)
    total[axis] *= len(inputs)
    return net.add(qnn.ConcatOp(inputs, axis, TensorType(i8, total)))


def other(net: Network, x: SSAValue, shape: tuple[int, ...]) -> SSAValue:
    """Some earlier value of `shape`, to give buffers long lives; `x` itself if there is none."""
    values = [*net.block.args, *(r for op in net.block.ops for r in op.results)]
    layers = [
        v for v in values if not isinstance(v.owner, qnn.ConstantOp) and shape_of(v.type) == shape
    ]
    return net.random.choice(layers)


TABLES = ("gelu", "gelu_tanh", "hardsigmoid", "hardswish", "sigmoid", "silu", "tanh")


def lookup(net: Network, x: SSAValue) -> SSAValue | None:
    function = FUNCTIONS[net.random.choice(TABLES)]
    table = lookup_table(function.compute, 0.05, net.zero_point(), 0.02, net.zero_point())
    return net.add(qnn.LookupOp(x, net.constant(table, "table")))


def rescale(net: Network, x: SSAValue) -> SSAValue | None:
    multiplier, shift = quantize_multiplier(net.random.uniform(0.1, 4))
    params = Rescale(net.zero_point(), multiplier, shift, net.zero_point(), net.clamp())
    return net.add(qnn.RescaleOp(x, params))


def softmax(net: Network, x: SSAValue) -> SSAValue | None:
    params = SoftmaxParams(**softmax_params(net.random.uniform(0.01, 0.3)))
    return net.add(qnn.SoftmaxOp(x, params))


IMAGE_LAYERS: tuple[Layer, ...] = (conv2d, conv2d, depthwise_conv2d, depthwise_conv2d, pool2d)
ANY_LAYERS: tuple[Layer, ...] = (
    linear,
    linear,
    transpose,
    pad,
    add,
    concat,
    lookup,
    rescale,
    softmax,
    flatten,
)
LARGEST = 3000


def random_network(random: Random, max_layers: int = 6) -> ModuleOp:
    """A module with one function `main`, of one or two results."""
    net = Network(random)
    shape = [1, *(random.choice([1, 1, 2, 3, 4, 5, 7, 8, 12]) for _ in range(3))]
    x = net.block.insert_arg(TensorType(i8, shape), 0)
    results: list[SSAValue] = []
    value: SSAValue = x
    for _ in range(random.randint(1, max_layers)):
        image = len(shape_of(value.type)) == 4
        layer = random.choice(IMAGE_LAYERS if image and random.random() < 0.6 else ANY_LAYERS)
        before = len(net.block.ops)
        result = layer(net, value)
        if result is None:
            continue
        if int(np.prod(shape_of(result.type))) > LARGEST:
            for op in list(net.block.ops)[before:][::-1]:
                op.detach()
                op.erase()
            continue
        value = result
        results.append(value)
    chosen = [value]
    if len(results) > 1 and random.random() < 0.3:
        chosen.append(random.choice(results))
    net.block.add_op(func.ReturnOp(*chosen))
    types = [v.type for v in chosen]
    quantization = DictionaryAttr(
        {QUANTIZATION: QuantizationAttr(Quantization((random.uniform(0.01, 0.1),), 3))}
    )
    main = func.FuncOp(
        "main",
        ([x.type], types),
        Region([net.block]),
        arg_attrs=ArrayAttr([quantization]),
        res_attrs=ArrayAttr([quantization for _ in types]),
    )
    module = ModuleOp([main])
    module.attributes[NAME] = StringAttr("net")
    return module


def random_inputs(module: ModuleOp, samples: int, seed: int = 0) -> Array:
    """[samples, 1, ..] int8 for the one argument of `module`."""
    main = next(op for op in module.ops if isinstance(op, func.FuncOp))
    shape = shape_of(main.function_type.inputs.data[0])
    values = np.random.default_rng(seed).integers(-128, 128, (samples, *shape)).astype(np.int8)
    values[0], values[-1] = -128, 127
    return values
