# SPDX-License-Identifier: Apache-2.0
"""Attention as one operation."""

from xdsl.dialects.builtin import I8, TensorType
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure

from sparsec.ir.attention import verify_attention, verify_products
from sparsec.ir.params import AttentionAttr, MatmulParamsAttr, SoftmaxParamsAttr
from sparsec.quantization.attention import Attention
from sparsec.quantization.matmul import MatmulParams
from sparsec.quantization.params import SoftmaxParams


@irdl_op_definition
class AttentionOp(IRDLOperation):
    """softmax(query * key^T + mask) * value for each head, as `quantization/attention.py` has it, byte for byte `qnn.matmul`,
    `qnn.softmax` and `qnn.matmul`. Heads lie in their tensors where `over` says.

    ```mlir
    %y = qnn.attention %qkv, %qkv, %qkv over <outer = 1, heads = 2, queries = 9, ..> scores <..> softmax <..> values <..>
        : tensor<1x9x48xi8>, tensor<1x9x48xi8>, tensor<1x9x48xi8> -> tensor<1x9x16xi8>
    ```
    """

    name = "qnn.attention"

    query = operand_def(TensorType[I8])
    key = operand_def(TensorType[I8])
    value = operand_def(TensorType[I8])
    mask = opt_operand_def(TensorType[I8])
    over = prop_def(AttentionAttr)
    scores = prop_def(MatmulParamsAttr)
    softmax = prop_def(SoftmaxParamsAttr)
    values = prop_def(MatmulParamsAttr)
    result = result_def(TensorType[I8])

    assembly_format = (
        "$query `,` $key `,` $value (`mask` $mask^ `:` type($mask))? `over` $over `scores` $scores `softmax` $softmax "
        "`values` $values attr-dict `:` type($query) `,` type($key) `,` type($value) "
        "`->` type($result)"
    )

    traits = traits_def(Pure())

    def __init__(
        self,
        operands: tuple[SSAValue, SSAValue, SSAValue, SSAValue | None],
        over: Attention,
        scores: MatmulParams,
        softmax: SoftmaxParams,
        values: MatmulParams,
        result_type: Attribute,
    ):
        super().__init__(
            operands=operands,
            properties={
                "over": AttentionAttr(over),
                "scores": MatmulParamsAttr(scores),
                "softmax": SoftmaxParamsAttr(softmax),
                "values": MatmulParamsAttr(values),
            },
            result_types=[result_type],
        )

    def verify_(self) -> None:
        mask = None if self.mask is None else self.mask.type
        types = self.query.type, self.key.type, self.value.type, mask
        verify_attention(self.over.data, *types, self.result.type)
        verify_products(self.scores.data, self.values.data)
