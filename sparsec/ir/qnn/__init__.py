# SPDX-License-Identifier: Apache-2.0
"""`qnn`: the network in int8, every multiplier, shift, zero point and clamp explicit.

The arithmetic is that of CMSIS-NN with its default (double) rounding. Arrays that end in flash are
operands, numbers that end in a struct are properties. Entry and results of a function carry their
quantization as the attribute `qnn.quantization`.
"""

from xdsl.ir import Dialect

from sparsec.ir.params import (
    AddParamsAttr,
    AttentionAttr,
    MatmulParamsAttr,
    MulParamsAttr,
    NormalizeParamsAttr,
    PreluParamsAttr,
    RequantAttr,
    RescaleAttr,
    SoftmaxParamsAttr,
)
from sparsec.ir.qnn.activation import FromUint8Op, LookupOp, MaskedSoftmaxOp, RescaleOp, SoftmaxOp
from sparsec.ir.qnn.attention import AttentionOp
from sparsec.ir.qnn.constant import ConstantOp
from sparsec.ir.qnn.elementwise import (
    AddOp,
    BroadcastAddOp,
    MaximumOp,
    MinimumOp,
    MulOp,
    PreluOp,
    SelectOp,
    SubOp,
)
from sparsec.ir.qnn.matmul import MatmulOp
from sparsec.ir.qnn.movement import (
    ConcatOp,
    EmbeddingOp,
    GatherOp,
    PadOp,
    ReshapeOp,
    ResizeNearestOp,
    SliceOp,
    TransposeOp,
)
from sparsec.ir.qnn.normalize import NormalizeOp
from sparsec.ir.qnn.pool import AvgPool2dOp, MaxPool2dOp
from sparsec.ir.qnn.pool import Pool2dOp as Pool2dOp
from sparsec.ir.qnn.reduce import ArgMaxOp, ArgMinOp, MeanOp, ReduceMaxOp, ReduceMinOp
from sparsec.ir.qnn.reduce import ArgOp as ArgOp
from sparsec.ir.qnn.reduce import ReduceExtremeOp as ReduceExtremeOp
from sparsec.ir.qnn.reduce import ReduceOp as ReduceOp
from sparsec.ir.qnn.resample import ResampleOp
from sparsec.ir.qnn.weighted import Conv2dOp, DepthwiseConv2dOp, LinearOp, TransposeConv2dOp
from sparsec.ir.qnn.weighted import ConvolutionOp as ConvolutionOp
from sparsec.ir.qnn.weighted import WeightedOp as WeightedOp

Qnn = Dialect(
    "qnn",
    [
        ConstantOp,
        Conv2dOp,
        DepthwiseConv2dOp,
        TransposeConv2dOp,
        LinearOp,
        FromUint8Op,
        LookupOp,
        RescaleOp,
        SoftmaxOp,
        MaskedSoftmaxOp,
        MatmulOp,
        AttentionOp,
        AddOp,
        MaxPool2dOp,
        AvgPool2dOp,
        PadOp,
        ReshapeOp,
        TransposeOp,
        ConcatOp,
        MulOp,
        SubOp,
        BroadcastAddOp,
        MaximumOp,
        MinimumOp,
        PreluOp,
        SelectOp,
        SliceOp,
        ResizeNearestOp,
        GatherOp,
        NormalizeOp,
        EmbeddingOp,
        ResampleOp,
        MeanOp,
        ReduceMaxOp,
        ReduceMinOp,
        ArgMaxOp,
        ArgMinOp,
    ],
    [
        RequantAttr,
        RescaleAttr,
        AddParamsAttr,
        AttentionAttr,
        MatmulParamsAttr,
        SoftmaxParamsAttr,
        MulParamsAttr,
        PreluParamsAttr,
        NormalizeParamsAttr,
    ],
)
