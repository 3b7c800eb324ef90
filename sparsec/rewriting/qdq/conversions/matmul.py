# SPDX-License-Identifier: Apache-2.0
"""How products of two matrices that are computed become int8."""

from sparsec.ir import nn, qnn
from sparsec.ir.constant import constant_array
from sparsec.ir.layer import layer_of
from sparsec.quantization.matmul import MatmulParams, quantize_addend
from sparsec.quantization.requantize import quantize_multiplier
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Folding, fail


def convert_matmul(f: Folding, op: nn.MatmulOp) -> None:
    lhs, rhs, output = f.input(op, op.lhs), f.input(op, op.rhs), f.output_of(op)
    scale = lhs.quantization.scale * rhs.quantization.scale / output.scale
    addend, factor = None, 0
    if op.addend is not None:
        array = constant_array(op.addend)
        if array is None:
            raise fail(op, "what it adds is not constant")
        stored, factor = quantize_addend(array, lhs.quantization.scale * rhs.quantization.scale)
        addend = f.constant(op, stored, f"{layer_of(op)}.bias")
    params = MatmulParams(
        lhs.quantization.zero_point,
        rhs.quantization.zero_point,
        *quantize_multiplier(scale),
        output.zero_point,
        addend_factor=factor,
    )
    new = qnn.MatmulOp(lhs.value, rhs.value, op.transposed, params, int8_type(op.result), addend)
    f.finish(op, f.emit(op, new), output)


MATMUL: Conversions = {nn.MatmulOp: convert_matmul}
