# SPDX-License-Identifier: Apache-2.0
"""`nn`: the network in floating point, as trained. Activations are NHWC with batch 1.

`nn.quantize` and `nn.dequantize` may stand between the layers: a calibrated network, one trained
with quantization in the loop and an imported Q/DQ graph all take that form before `fold-qdq`.
A layer may carry two discardable attributes: `layer`, the module path it came from, and
`nn.range`, the (lowest, highest) value that calibration saw in its result.
"""

from xdsl.ir import Dialect

from sparsec.ir.nn.activation import ActivationOp, ClampOp, MaskedSoftmaxOp, SoftmaxOp
from sparsec.ir.nn.boundary import DequantizeOp, FromUint8Op, QuantizeOp
from sparsec.ir.nn.constant import ConstantOp
from sparsec.ir.nn.elementwise import AddOp, MaximumOp, MinimumOp, MulOp, PreluOp, SelectOp, SubOp
from sparsec.ir.nn.elementwise import ArithmeticOp as ArithmeticOp
from sparsec.ir.nn.elementwise import ElementwiseOp as ElementwiseOp
from sparsec.ir.nn.elementwise import ExtremeOp as ExtremeOp
from sparsec.ir.nn.matmul import MatmulOp
from sparsec.ir.nn.movement import (
    ConcatOp,
    EmbeddingOp,
    GatherOp,
    PadOp,
    ReshapeOp,
    ResizeNearestOp,
    SliceOp,
    TransposeOp,
)
from sparsec.ir.nn.normalize import NormalizeOp, NormAttr
from sparsec.ir.nn.pool import AvgPool2dOp, MaxPool2dOp
from sparsec.ir.nn.pool import Pool2dOp as Pool2dOp
from sparsec.ir.nn.reduce import ArgMaxOp, ArgMinOp, MeanOp, ReduceMaxOp, ReduceMinOp, SumOp
from sparsec.ir.nn.reduce import ArgOp as ArgOp
from sparsec.ir.nn.reduce import ReduceOp as ReduceOp
from sparsec.ir.nn.resample import ResampleOp
from sparsec.ir.nn.types import KeepsQuantization as KeepsQuantization
from sparsec.ir.nn.types import MovesData as MovesData
from sparsec.ir.nn.types import float_type as float_type
from sparsec.ir.nn.types import index_type as index_type
from sparsec.ir.nn.weighted import (
    BatchNormOp,
    Conv2dOp,
    DepthwiseConv2dOp,
    LinearOp,
    TransposeConv2dOp,
)
from sparsec.ir.nn.weighted import ConvolutionOp as ConvolutionOp
from sparsec.ir.nn.weighted import WeightedOp as WeightedOp
from sparsec.ir.quantization import BoundsAttr, QuantizationAttr
from sparsec.ir.window import BorderAttr, PoolAttr, SliceAttr, WindowAttr

Nn = Dialect(
    "nn",
    [
        ConstantOp,
        Conv2dOp,
        DepthwiseConv2dOp,
        TransposeConv2dOp,
        LinearOp,
        BatchNormOp,
        ClampOp,
        ActivationOp,
        SoftmaxOp,
        MaskedSoftmaxOp,
        MatmulOp,
        AddOp,
        SubOp,
        MulOp,
        MaximumOp,
        MinimumOp,
        PreluOp,
        SelectOp,
        MaxPool2dOp,
        AvgPool2dOp,
        NormalizeOp,
        ResampleOp,
        MeanOp,
        SumOp,
        ReduceMaxOp,
        ReduceMinOp,
        ArgMaxOp,
        ArgMinOp,
        SliceOp,
        ResizeNearestOp,
        GatherOp,
        EmbeddingOp,
        PadOp,
        ReshapeOp,
        TransposeOp,
        ConcatOp,
        QuantizeOp,
        DequantizeOp,
        FromUint8Op,
    ],
    [WindowAttr, PoolAttr, BorderAttr, SliceAttr, BoundsAttr, NormAttr, QuantizationAttr],
)
