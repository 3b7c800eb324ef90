# SPDX-License-Identifier: Apache-2.0
"""`rt`: one operation is one call of our runtime, `rt.X` is `sparsec_X`."""

from xdsl.ir import Dialect

from sparsec.ir.layouts import ChannelMajorAttr
from sparsec.ir.rt.attention import AttentionOp, BatchMatmulOp, MaskedSoftmaxOp
from sparsec.ir.rt.decode import DECODERS
from sparsec.ir.rt.decoded import FullyConnectedDcsrOp, FullyConnectedDecodedOp
from sparsec.ir.rt.delta8 import ConvolveDelta8Op, FullyConnectedDelta8Op
from sparsec.ir.rt.depthwise_3x3 import DepthwiseConvolve3x3Op
from sparsec.ir.rt.depthwise_lanes import DepthwiseConvolveLanesOp
from sparsec.ir.rt.elementwise import AddOp, MaximumOp, MinimumOp, MulOp, PreluOp, SelectOp
from sparsec.ir.rt.fully_connected import FullyConnectedPerChannelOp
from sparsec.ir.rt.fused import PointDepthwiseOp
from sparsec.ir.rt.lookup import FromUint8Op, LookupOp, RequantizeOp
from sparsec.ir.rt.movement import (
    ConcatenateOp,
    EmbeddingOp,
    GatherOp,
    PadOp,
    ResizeNearestOp,
    SliceOp,
    TransposeOp,
)
from sparsec.ir.rt.normalize import NormalizeOp
from sparsec.ir.rt.packed import ConvolvePackedOp, DepthwiseConvolveDelta8Op
from sparsec.ir.rt.planes import ConvolvePixelsOp, FromChannelMajorOp, ToChannelMajorOp
from sparsec.ir.rt.quads import Convolve1x4Op, Convolve1x16Op, ConvolveRunsOp
from sparsec.ir.rt.reduce import ArgMaxOp, ArgMinOp, MeanOp, ReduceMaxOp, ReduceMinOp
from sparsec.ir.rt.resample import ResampleOp
from sparsec.ir.rt.residual_add import (
    ResidualAddOp,
    ResidualAddRoundedOp,
    RoundedAddAttr,
    ShortAddAttr,
)
from sparsec.ir.rt.softmax import SoftmaxOp
from sparsec.ir.rt.sparse_fc import (
    FullyConnected1x4Op,
    FullyConnected1x16Op,
    FullyConnected4x1Op,
    FullyConnected4x1W16Op,
    FullyConnectedDenseOp,
    FullyConnectedGather1x4Op,
    FullyConnectedGatherOp,
    FullyConnectedTableOp,
)
from sparsec.ir.rt.strips import (
    ConvolveDelta8StripsOp,
    ConvolvePackedStripsOp,
    ConvolveStripsOp,
    DepthwiseConvStripsOp,
)
from sparsec.ir.rt.transpose_conv import TransposeConvOp

Rt = Dialect(
    "rt",
    [
        AttentionOp,
        BatchMatmulOp,
        MaskedSoftmaxOp,
        ConvolveDelta8Op,
        ConvolvePackedOp,
        ConvolveRunsOp,
        Convolve1x16Op,
        Convolve1x4Op,
        DepthwiseConvolveDelta8Op,
        DepthwiseConvolve3x3Op,
        DepthwiseConvolveLanesOp,
        FullyConnectedDelta8Op,
        FullyConnectedDecodedOp,
        FullyConnectedDcsrOp,
        FullyConnectedPerChannelOp,
        FullyConnectedTableOp,
        FullyConnected1x4Op,
        FullyConnected4x1Op,
        FullyConnected4x1W16Op,
        FullyConnectedDenseOp,
        FullyConnectedGatherOp,
        FullyConnectedGather1x4Op,
        FullyConnected1x16Op,
        FromUint8Op,
        LookupOp,
        RequantizeOp,
        SoftmaxOp,
        PadOp,
        TransposeOp,
        ConcatenateOp,
        MulOp,
        AddOp,
        ResidualAddOp,
        ResidualAddRoundedOp,
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
        TransposeConvOp,
        PointDepthwiseOp,
        ToChannelMajorOp,
        FromChannelMajorOp,
        ConvolvePixelsOp,
        ConvolveStripsOp,
        DepthwiseConvStripsOp,
        ConvolvePackedStripsOp,
        ConvolveDelta8StripsOp,
        *DECODERS,
    ],
    [ShortAddAttr, RoundedAddAttr, ChannelMajorAttr],
)
