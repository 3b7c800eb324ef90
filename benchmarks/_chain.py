# SPDX-License-Identifier: Apache-2.0
"""A synthetic network of any length: convolutions 1x1 and 3x3 in turn, each with a clamp, ranges already measured."""

import numpy as np
from xdsl.builder import Builder
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.rewriter import InsertPoint

from sparsec.analysis.values.ranges import set_range
from sparsec.ir import nn
from sparsec.ir.layer import set_layer
from sparsec.quantization.scheme import Bounds
from sparsec.quantization.window import Window

CHANNELS = 8
SIZE = 6
_LARGEST = 4.0


def chain(layers: int) -> ModuleOp:
    """`layers` convolutions of CHANNELS channels on an image of SIZE x SIZE, at the level of `nn`."""
    generator = np.random.default_rng(0)
    image = TensorType(f32, (1, SIZE, SIZE, CHANNELS))
    function = FuncOp("main", ((image,), (image,)))
    builder = Builder(InsertPoint.at_end(function.body.block))
    value = function.args[0]
    set_range(value, (-_LARGEST, _LARGEST))
    for number in range(layers):
        kernel = 3 if number % 2 else 1
        shape = (CHANNELS, kernel, kernel, CHANNELS)
        weights = generator.normal(0.0, (kernel * kernel * CHANNELS) ** -0.5, shape)
        bias = generator.normal(0.0, 0.1, CHANNELS)
        pad = kernel // 2
        window = Window(padding=(pad, pad, pad, pad))
        convolution = nn.Conv2dOp(
            value,
            builder.insert(
                nn.ConstantOp(weights.astype(np.float32), f"layers.{number}.weight")
            ).result,
            builder.insert(nn.ConstantOp(bias.astype(np.float32), f"layers.{number}.bias")).result,
            window,
            image,
        )
        clamp = nn.ClampOp(builder.insert(convolution).result, Bounds(min=0.0))
        value = builder.insert(clamp).result
        set_layer(convolution, f"layers.{number}")
        set_layer(clamp, f"layers.{number}.relu")
        set_range(convolution.result, (-_LARGEST, _LARGEST))
        set_range(clamp.result, (0.0, _LARGEST))
    builder.insert(ReturnOp(value))
    module = ModuleOp([function])
    module.verify()
    return module
