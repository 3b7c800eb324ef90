# SPDX-License-Identifier: Apache-2.0
"""Random convolutions of one row, and of images of one channel, which CMSIS-NN has functions of its own for on Helium."""

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType, i8
from xdsl.ir import SSAValue

from sparsec.ir import qnn
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from tests.end_to_end.building import Builder


def rows(rng: np.random.Generator, layers: int) -> ModuleOp:
    """A network of so many layers side by side, each with an input and a result of its own."""
    net = Builder()
    return net.module([_layer(net, rng, depthwise=i % 4 == 3) for i in range(layers)])


def _layer(net: Builder, rng: np.random.Generator, depthwise: bool) -> SSAValue:
    width, stride = int(rng.integers(1, 8)), int(rng.integers(1, 6))
    channels = 1 if depthwise else int(rng.choice([1, 3, 4, 8, 20]))
    outputs = int(rng.integers(2, 19))
    height = int(rng.choice([1, 1, 1, 3]))
    kernel = (1 if height == 1 else int(rng.integers(1, 3)), width)
    left = int(rng.integers(0, width))
    right = min(width - 1, max(0, left + int(rng.integers(-1, 2))))
    # Like frameworks do it, or with unused columns.
    columns = max(
        1, int(rng.integers(1, 9)) * stride + width - left - right + int(rng.choice([0, 0, 1, 2]))
    )
    above = int(rng.choice([0, 0, 0, 1]))
    window = Window((1, stride), (above, left, int(rng.choice([0, above])), right))
    shape = (1, *kernel, outputs) if depthwise else (outputs, *kernel, channels)
    scale = 0.4 / (74 * np.sqrt(np.prod(kernel) * channels)) * rng.uniform(0.5, 2, outputs)
    fractions, exponents = np.frexp(scale)
    numbers = (
        rng.integers(-5000, 5000, outputs).astype(np.int32),
        np.minimum(fractions * 2.0**31, 2**31 - 1).astype(np.int32),
        exponents.astype(np.int32),
    )
    weights = net.constant(rng.integers(-127, 128, shape).astype(np.int8))
    bias, multipliers, shifts = map(net.constant, numbers)
    out = window.output_size((height, columns), kernel)
    kind = qnn.DepthwiseConv2dOp if depthwise else qnn.Conv2dOp
    op = kind(
        net.input((1, height, columns, channels)),
        weights,
        bias,
        multipliers,
        shifts,
        Requant(input_zp=17, output_zp=-9),
        window,
        TensorType(i8, (1, *out, outputs)),
    )
    return net.layer(op)
