# SPDX-License-Identifier: Apache-2.0
"""How pools become int8."""

from sparsec.ir import nn, qnn
from sparsec.quantization.params import Requant
from sparsec.rewriting.qdq.conversions.signature import Conversions, int8_type
from sparsec.rewriting.qdq.folding import Folding, integer_clamp


def convert_pool(f: Folding, op: nn.MaxPool2dOp | nn.AvgPool2dOp) -> None:
    source = f.input(op, op.input)
    q = source.quantization
    bounds = op.bounds.data if op.bounds is not None else None
    requant = Requant(q.zero_point, q.zero_point, integer_clamp(bounds, q))
    make = qnn.MaxPool2dOp if isinstance(op, nn.MaxPool2dOp) else qnn.AvgPool2dOp
    new = make(source.value, op.pool.data, requant, int8_type(op.result))
    f.finish(op, f.emit(op, new), q)


POOL: Conversions = {
    nn.MaxPool2dOp: convert_pool,
    nn.AvgPool2dOp: convert_pool,
}
