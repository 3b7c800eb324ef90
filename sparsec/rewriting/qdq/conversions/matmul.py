# SPDX-License-Identifier: Apache-2.0
"""How products of two matrices that are computed become int8."""

from sparsec.ir import nn, qnn
from sparsec.quantization.matmul import MatmulParams
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Folding


def convert_matmul(f: Folding, op: nn.MatmulOp) -> None:
    lhs, rhs, output = f.input(op, op.lhs), f.input(op, op.rhs), f.output_of(op)
    scale = lhs.quantization.scale * rhs.quantization.scale / output.scale
    params = MatmulParams(
        lhs.quantization.zero_point,
        rhs.quantization.zero_point,
        *quantize_multiplier(scale),
        output.zero_point,
    )
    new = qnn.MatmulOp(lhs.value, rhs.value, op.transposed, params, int8_type(op.result))
    f.finish(op, f.emit(op, new), output)


MATMUL: Conversions = {nn.MatmulOp: convert_matmul}
