# SPDX-License-Identifier: Apache-2.0
"""What two layers done at once mean, on memory and row by row, so that a wrong overlap gives wrong bytes."""

from dataclasses import replace

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.interpreters import qnn
from sparsec.interpreters.kernels import GARBAGE, spoil
from sparsec.ir import rt
from sparsec.quantization.window import Window


@register_impls
class FusedFunctions(InterpreterFunctions):
    """The operations of `ir/rt/fused.py`."""

    @impl(rt.PointDepthwiseOp)
    def point_depthwise(
        self, interpreter: Interpreter, op: rt.PointDepthwiseOp, args: PythonValues
    ) -> PythonValues:
        x, point_w, point_b, point_m, point_s, w, b, m, s, output, scratch = args
        window = op.window.data
        above, left, _, right = window.padding
        between, done = np.full(op.between, GARBAGE, np.int8), 0
        for row, (start, stop) in enumerate(op.rows()):
            done = max(done, start)
            if stop > done:
                rows = x[:, done:stop]
                between[:, done:stop] = qnn.convolve(
                    rows, point_w, point_b, point_m, point_s, op.point_requant.data, Window()
                )
                done = stop
            top = min(op.reach, max(0, above - row * window.strides[0]))
            bottom = max(0, op.reach - top - (stop - start))
            part = replace(window, padding=(top, left, bottom, right))
            output[:, row : row + 1] = qnn.depthwise_convolve(
                between[:, start:stop], w, b, m, s, op.requant.data, part
            )
        spoil([scratch])
        return ()
