# SPDX-License-Identifier: Apache-2.0
"""`fold-qdq`: a layer between dequantize and quantize becomes one int8 operation.

    nn.dequantize -> nn.conv2d -> nn.quantize        becomes        qnn.conv2d

The numbers come from the scales on both sides, whoever chose them: calibration, training with
quantization in the loop, or an imported Q/DQ graph.
"""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from sparsec.ir import nn
from sparsec.rewriting.qdq.conversions import CONVERSIONS
from sparsec.rewriting.qdq.function import fold_function


@dataclass(frozen=True)
class FoldQdqPass(ModulePass):
    """Replaces every layer and its Q/DQ neighbours by one operation of `qnn`.

    PassFailedException, naming the layer, where a value is not quantized.
    """

    name = "fold-qdq"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        for function in op.ops:
            if isinstance(function, func.FuncOp) and any(
                type(inner) in CONVERSIONS or isinstance(inner, nn.BatchNormOp)
                for inner in function.body.walk()
            ):
                fold_function(function)
