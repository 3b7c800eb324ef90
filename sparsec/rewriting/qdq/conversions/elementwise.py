# SPDX-License-Identifier: Apache-2.0
"""How functions of two tensors become int8."""

from sparsec.ir import nn, qnn
from sparsec.quantization.int8 import add_params
from sparsec.quantization.params import AddParams
from sparsec.rewriting.qdq.conversions.signature import Conversions
from sparsec.rewriting.qdq.folding import Folding, integer_clamp


def convert_add(f: Folding, op: nn.AddOp) -> None:
    lhs, rhs = f.input(op, op.lhs), f.input(op, op.rhs)
    output = f.output_of(op)
    params = AddParams(
        input1_zp=lhs.quantization.zero_point,
        input2_zp=rhs.quantization.zero_point,
        output_zp=output.zero_point,
        clamp=integer_clamp(op.bounds.data if op.bounds is not None else None, output),
        **add_params(lhs.quantization.scale, rhs.quantization.scale, output.scale),
    )
    f.finish(op, f.emit(op, qnn.AddOp(lhs.value, rhs.value, params)), output)


ELEMENTWISE: Conversions = {
    nn.AddOp: convert_add,
}
