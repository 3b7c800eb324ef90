# SPDX-License-Identifier: Apache-2.0
"""What can run a layer: the one list of kernels, and the ways that they give.

The rule: whoever lowers, chooses, orders or counts asks here, and gets the same answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from xdsl.dialects.builtin import StringAttr
from xdsl.ir import Operation

from sparsec.formats import COMMON_FORMATS, Delta8, SparseFormat
from sparsec.ir import qnn
from sparsec.ir.attributes import KERNEL
from sparsec.kernels.attention import Attention, BatchMatmul, MaskedSoftmax
from sparsec.kernels.cmsis_convolution import AnyWindow, Convolve
from sparsec.kernels.cmsis_depthwise import DepthwiseConv
from sparsec.kernels.cmsis_linear import FullyConnected
from sparsec.kernels.convolve_delta8 import ConvolveDelta8
from sparsec.kernels.convolve_packed import ConvolvePacked
from sparsec.kernels.convolve_pixels import ConvolvePixels
from sparsec.kernels.convolve_quads import Convolve1x4, Convolve1x16, ConvolveRuns
from sparsec.kernels.cost import Cost, Costed, cost_of
from sparsec.kernels.decoders import DECODERS, decoder_of
from sparsec.kernels.depthwise_3x3 import Depthwise3x3
from sparsec.kernels.depthwise_delta8 import DepthwiseDelta8
from sparsec.kernels.depthwise_lanes import DepthwiseLanes
from sparsec.kernels.elementwise import (
    ElementwiseAdd,
    ElementwiseMul,
    FromUint8,
    LongSoftmax,
    Lookup,
    Maximum,
    Minimum,
    Mul,
    Prelu,
    Requantize,
    Select,
    Softmax,
    Sum,
)
from sparsec.kernels.kernel import NOT_MINE, Kernel
from sparsec.kernels.layer import Layer
from sparsec.kernels.linear_blocks import FullyConnected1x4, FullyConnected4x1, FullyConnected4x1W16
from sparsec.kernels.linear_dcsr import FullyConnectedDcsr
from sparsec.kernels.linear_decoded import FullyConnectedDecoded
from sparsec.kernels.linear_delta8 import FullyConnectedDelta8
from sparsec.kernels.linear_dense import FullyConnectedDense
from sparsec.kernels.linear_per_channel import FullyConnectedPerChannel
from sparsec.kernels.linear_table import FullyConnectedTable
from sparsec.kernels.linear_vectors import (
    FullyConnected1x16,
    FullyConnectedGather,
    FullyConnectedGather1x4,
)
from sparsec.kernels.loops import Loops
from sparsec.kernels.movement import (
    Concatenate,
    Embedding,
    Gather,
    Pad,
    ResizeNearest,
    Slice,
    Transpose,
)
from sparsec.kernels.normalize import Normalize
from sparsec.kernels.planes import FromChannelMajor, ToChannelMajor
from sparsec.kernels.pooling import AvgPool, MaxPool
from sparsec.kernels.reduce import ArgMax, ArgMin, Mean, ReduceMax, ReduceMin
from sparsec.kernels.resample import Resample
from sparsec.kernels.residual_add import ResidualAdd, ResidualAddRounded
from sparsec.kernels.stored import NOTHING, Stored
from sparsec.kernels.transpose_conv import TransposeConv
from sparsec.kernels.way import Way
from sparsec.kernels.workload import Workload
from sparsec.targets.cpu import Cpu, cpu_named

WITH_WEIGHTS: tuple[Kernel, ...] = (
    FullyConnectedDense(),
    FullyConnected(),
    FullyConnectedPerChannel(),
    Convolve(),
    DepthwiseConv(),
    Depthwise3x3(),
    DepthwiseLanes(),
    TransposeConv(),
    FullyConnectedGather(),
    FullyConnectedGather1x4(),
    FullyConnected1x16(),
    FullyConnectedTable(),
    FullyConnected1x4(),
    FullyConnected4x1(),
    FullyConnected4x1W16(),
    ConvolveRuns(),
    Convolve1x16(),
    Convolve1x4(),
    ConvolvePacked(),
    ConvolvePixels(),
    ConvolveDelta8(),
    DepthwiseDelta8(),
    FullyConnectedDelta8(),
    FullyConnectedDcsr(),
    FullyConnectedDecoded(),
)
WITHOUT_WEIGHTS: tuple[Kernel, ...] = (
    ResidualAdd(),
    ResidualAddRounded(),
    ElementwiseAdd(),
    ElementwiseMul(),
    Mul(),
    Sum(),
    Maximum(),
    Minimum(),
    Prelu(),
    Select(),
    FromUint8(),
    Lookup(),
    Requantize(),
    Softmax(),
    LongSoftmax(),
    BatchMatmul(),
    MaskedSoftmax(),
    Attention(),
    MaxPool(),
    AvgPool(),
    Mean(),
    ReduceMax(),
    ReduceMin(),
    ArgMax(),
    ArgMin(),
    Pad(),
    Transpose(),
    Concatenate(),
    Slice(),
    ResizeNearest(),
    Normalize(),
    Resample(),
    Gather(),
    Embedding(),
)
LIBRARY = (*WITH_WEIGHTS, *WITHOUT_WEIGHTS)
"""In the order of preference where nothing was chosen."""


def _costed() -> Iterator[Costed]:
    yield AnyWindow()
    yield ToChannelMajor()
    yield FromChannelMajor()
    yield from DECODERS
    for kernel in LIBRARY:
        if type(kernel).loops is not Kernel.loops:
            yield kernel
        if kernel.strips is not None:
            yield kernel.strips


COSTED: Mapping[str, Costed] = MappingProxyType({each.function: each for each in _costed()})
"""All whose time is told by a sum of loops, by C function."""


def loops_of(
    cpu: str, function: str, work: Workload, stored: Stored = NOTHING
) -> tuple[str, Loops]:
    """The path that a C function takes for `work` and how often its loops run. Raises ValueError where it or the core is
    unknown."""
    return _costed_named(function, cpu).loops(cpu_named(cpu).vector_unit, work, stored)


def kernel_cost(cpu: str, function: str, work: Workload, stored: Stored = NOTHING) -> Cost:
    """What a C function takes for `work` on a core. Raises ValueError as `loops_of`, and where there is no fit."""
    return cost_of(_costed_named(function, cpu), cpu, work, stored)


def _costed_named(function: str, cpu: str) -> Costed:
    if function not in COSTED:
        raise ValueError(f"there is no cost of {function} on {cpu}, only of: {', '.join(COSTED)}")
    return COSTED[function]


@dataclass(frozen=True)
class NoWay:
    """Why a layer cannot be run with its weights in a format; `for_any` tells whether others of its kind could."""

    reason: str
    for_any: bool


def ways(layer: Layer, cpu: Cpu, format: SparseFormat | None = None) -> list[Way] | NoWay:
    """Every way to run `layer` with weights stored as `format` (None: dense) on `cpu`, the preferred first; only those by
    the kernel that was chosen for it, if one was.

    There may be none of them whose constants can be laid out.
    """
    if layer.flaw is not None:
        return NoWay(layer.flaw, for_any=True)
    found: list[Way] = []
    reasons: list[str] = []
    elsewhere = False
    chosen = chosen_kernel(layer.op)
    if format not in layer.tried:
        layer.tried[format] = tuple(_tried(layer, format))
    for way, against in layer.tried[format]:
        if chosen not in (None, way.kernel.function):
            continue
        if against is None and cpu.vector_unit in way.kernel.units:
            found.append(way)
        elif against is None:
            elsewhere = True
        else:
            reasons.append(against)
    if found:
        return found
    if reasons:
        return NoWay(reasons[0], for_any=True)
    kernel = "no kernel" if chosen is None else f"{chosen} is no kernel"
    where = f"on {cpu.name}" if elsewhere else f"for {layer.op.name} of this shape"
    return NoWay(f"{kernel} {where}", for_any=False)


def chosen_kernel(op: Operation) -> str | None:
    """The C function that was chosen for a layer, None if none was."""
    found = op.attributes.get(KERNEL)
    return found.data if isinstance(found, StringAttr) else None


def fastest(found: Sequence[Way], layer: Layer, cpu: Cpu) -> Way:
    """Of the ways to run a layer without weights that of the fewest cycles, where they are known of all; else the first."""
    costs = [way.cost(layer, cpu) for way in found]
    cycles = [cost.cycles for cost in costs if cost is not None]
    return found[cycles.index(min(cycles))] if len(cycles) == len(found) else found[0]


def _tried(layer: Layer, format: SparseFormat | None) -> Iterator[tuple[Way, str | None]]:
    """Each way to read `format`, and why it does not take the layer."""
    kernels = WITH_WEIGHTS if layer.has_weights else WITHOUT_WEIGHTS
    decoder = None if format is None else decoder_of(format)
    for kernel in kernels:
        if (against := kernel.takes(layer, format)) != NOT_MINE:
            yield Way(kernel, format, decoder if kernel.decodes else None), against
    if decoder is None:
        return
    for kernel in kernels:
        if kernel.reads_decoded and (against := kernel.takes(layer, Delta8())) != NOT_MINE:
            yield Way(kernel, format, decoder), against


def has_sparse_kernel(op: qnn.WeightedOp) -> bool:
    """Whether some core has a kernel that reads the weights of `op` in a sparse format."""
    layer = Layer(op)
    return layer.flaw is None and any(
        against is None for format in COMMON_FORMATS for _, against in _tried(layer, format)
    )
