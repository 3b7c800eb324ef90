# SPDX-License-Identifier: Apache-2.0
"""Networks of sparse convolutions, built layer by layer."""

import numpy as np
from xdsl.dialects.builtin import TensorType, i8
from xdsl.ir import SSAValue

from sparsec.ir import qnn
from sparsec.ir.shapes import shape_of
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Pool, Window
from tests.end_to_end.building import Builder

SAME = Window(padding=(1, 1, 1, 1))


class SparseNet(Builder):
    """Convolutions of 80 % zeros."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)

    def conv(
        self, x: SSAValue, zps: tuple[int, int], outputs: int, kernel: int, window: Window
    ) -> SSAValue:
        """`zps` are the zero points of the input and of the output."""
        _, height, width, channels = shape_of(x.type)
        shape = (outputs, kernel, kernel, channels)
        weights = self.rng.integers(-128, 128, shape).astype(np.int8)
        weights[self.rng.random(shape) < 0.8] = 0
        bias = self.rng.integers(-2000, 2000, outputs, np.int32)
        multiplier = self.rng.integers(2**30, 2**31, outputs, np.int32)
        size = window.output_size((height, width), (kernel, kernel))
        op = qnn.Conv2dOp(
            x,
            self.constant(weights),
            self.constant(bias),
            self.constant(multiplier),
            self.constant(np.full(outputs, -8, np.int32)),
            Requant(input_zp=zps[0], output_zp=zps[1]),
            window,
            TensorType(i8, (1, *size, outputs)),
        )
        return self.layer(op)

    def linear(self, x: SSAValue, zps: tuple[int, int], outputs: int) -> SSAValue:
        """A layer of rows, which kernels see as an image of one column."""
        *rows, inputs = shape_of(x.type)
        weights = self.rng.integers(-128, 128, (outputs, inputs)).astype(np.int8)
        weights[self.rng.random(weights.shape) < 0.8] = 0
        op = qnn.LinearOp(
            x,
            self.constant(weights),
            self.constant(self.rng.integers(-2000, 2000, outputs, np.int32)),
            self.constant(self.rng.integers(2**30, 2**31, outputs, np.int32)),
            self.constant(np.full(outputs, -7, np.int32)),
            Requant(input_zp=zps[0], output_zp=zps[1]),
            TensorType(i8, (*rows, outputs)),
        )
        return self.layer(op)

    def max_pool(self, x: SSAValue, pool: Pool) -> SSAValue:
        """Of the size that the pool gives."""
        _, height, width, channels = shape_of(x.type)
        size = pool.output_size((height, width), pool.kernel)
        return self.layer(qnn.MaxPool2dOp(x, pool, Requant(), TensorType(i8, (1, *size, channels))))
