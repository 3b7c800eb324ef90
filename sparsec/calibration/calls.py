# SPDX-License-Identifier: Apache-2.0
"""Layers as calls of one kernel each, measured in few images: what the cost model is fitted to and held to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue
from xdsl.irdl import irdl_op_definition

from sparsec.calibration.cases import SEED, Case, random_weights, row_numbers
from sparsec.calibration.image import KernelImage, in_parts
from sparsec.formats import Dcsr, Delta8
from sparsec.ir import cmsis, rt
from sparsec.ir.cmsis.convolution import FullConvolutionOp
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.kernel import KernelOp
from sparsec.ir.rt.decode import decoder_of
from sparsec.ir.rt.quads import QuadConvolutionOp
from sparsec.ir.rt.sparse_fc import FullyConnectedVectorsOp, SparseFullyConnectedOp
from sparsec.ir.rt.strips import STRIPS, in_strips
from sparsec.kernels.convolve_delta8 import scratch_bytes
from sparsec.kernels.convolve_quads import windows_of_work
from sparsec.kernels.depthwise_3x3 import stored_3x3
from sparsec.kernels.depthwise_delta8 import stored_depthwise
from sparsec.kernels.depthwise_lanes import stored_lanes
from sparsec.kernels.linear_decoded import decoded_bytes, rows_at_once
from sparsec.kernels.planes import left_by, read_by
from sparsec.kernels.stored import (
    Stored,
    stored_as,
    stored_for_decoder,
    stored_in_groups,
    stored_in_vectors,
    stored_packed,
)
from sparsec.kernels.workload import Workload
from sparsec.layouts.activations import ChannelMajor
from sparsec.layouts.depthwise_3x3 import SHIFT as DEPTHWISE_3X3_SHIFT
from sparsec.layouts.depthwise_3x3 import pack_depthwise_3x3, unpack_depthwise_3x3
from sparsec.layouts.depthwise_3x3 import scratch_bytes as scratch_of_3x3
from sparsec.layouts.depthwise_lanes import pack_depthwise_lanes
from sparsec.layouts.depthwise_lanes import scratch_bytes as scratch_of_lanes
from sparsec.layouts.depthwise_rows import pack_depthwise, plane_for
from sparsec.layouts.linear_rows import RowNumbers, is_saturating
from sparsec.layouts.packed_rows import pack_rows, slab_for
from sparsec.layouts.pixel_rows import pack_pixel_rows, taps_of
from sparsec.layouts.quads import pack_blocks, pack_runs, unpack_blocks
from sparsec.quantization.params import AddParams, Requant
from sparsec.quantization.rounded_add import rounded
from sparsec.quantization.short_add import shorten
from sparsec.quantization.window import Window
from sparsec.run.profile.profile import Cost
from sparsec.targets import scratch
from sparsec.targets.cpu import VectorUnit, cpu_named

MOST_WEIGHTS = 1_000_000
"""Of the layers of one image, stored or not: flash has room for them."""

PLAIN_ROWS = 8
"""Every so many of the rows that `sparsec_depthwise_convolve_3x3_s8` does not do quickly are plain in a slow layer."""

REQUANT = Requant(input_zp=-3, output_zp=-2)
SUM = AddParams(-128, 2**30, 0, 11, 1432136202, -1, 20, -128, 1529241330, -18)
"""Every kernel of a sum takes it."""


@irdl_op_definition
class AnyConvolveOp(FullConvolutionOp):
    """`arm_convolve_s8`, which strips call whatever their shape. No network calls it itself."""

    name = "cmsis.convolve_s8"
    C_FUNCTION: ClassVar[str] = "arm_convolve_s8"


CONVOLUTIONS = {
    kernel.C_FUNCTION: kernel for kernel in (cmsis.ConvolveOp, cmsis.DepthwiseConvOp, AnyConvolveOp)
}
LISTS: dict[str, type[SparseFullyConnectedOp]] = {
    kernel.C_FUNCTION: kernel
    for kernel in (
        rt.FullyConnectedTableOp,
        rt.FullyConnected1x4Op,
        rt.FullyConnected4x1Op,
        rt.FullyConnected4x1W16Op,
        rt.FullyConnectedDenseOp,
        rt.FullyConnectedGatherOp,
        rt.FullyConnectedGather1x4Op,
        rt.FullyConnected1x16Op,
    )
}
SUMS = {
    kernel.C_FUNCTION: kernel
    for kernel in (cmsis.ElementwiseAddOp, rt.ResidualAddOp, rt.ResidualAddRoundedOp)
}
QUAD_BLOCKS = {kernel.C_FUNCTION: kernel for kernel in (rt.Convolve1x16Op, rt.Convolve1x4Op)}
WHOLE = {strips.C_FUNCTION: whole.C_FUNCTION for whole, strips in STRIPS.items()}
"""What does at once what a kernel does in strips."""


class CaseImage(KernelImage):
    """An image of cases for a core with `unit`. Layers of one shape read one input."""

    def __init__(self, unit: VectorUnit):
        super().__init__()
        self.unit: VectorUnit = unit
        self.images: dict[tuple[int, ...], SSAValue] = {}

    def add(self, case: Case, layer: str) -> Stored:
        """Add the call of a case; what is stored of its weights."""
        op, stored = call_of(self, case)
        self.call(op, layer)
        return stored

    def image(self, *shape: int) -> SSAValue:
        """An input of this shape."""
        if shape not in self.images:
            rng = np.random.default_rng(SEED)
            self.images[shape] = self.input(rng.integers(-128, 128, shape).astype(np.int8))
        return self.images[shape]

    def planes(self, shape: tuple[int, ...], layout: ChannelMajor) -> SSAValue:
        """An input of this shape that lies as `layout` says."""
        return self.shown(self.image(layout.bytes(shape)), shape, layout)

    def numbers(self, case: Case) -> tuple[SSAValue, SSAValue, SSAValue]:
        """Bias, multiplier and shift."""
        given = numbers_of(case)
        bias, multiplier = self.constant(given.bias), self.constant(given.multiplier)
        return bias, multiplier, self.constant(given.shift)

    def delta8(self, weights: NDArray[np.int8]) -> tuple[SSAValue, SSAValue]:
        """Entries and counts."""
        arrays = Delta8().pack(weights)
        return self.constant(arrays["entries"]), self.constant(arrays["counts"])


def numbers_of(case: Case) -> RowNumbers:
    """Those of the outputs of a layer."""
    return row_numbers(case.work.outputs[2], case.slow, case.left)


def left(case: Case) -> int:
    """How many of its sums are shifted to the left."""
    return case.work.outputs[2] * case.left


def call_of(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """The call of a case on buffers of `image`, and what is stored of its weights."""
    match case.kernel:
        case kernel if kernel in CONVOLUTIONS:
            return convolution(image, case)
        case kernel if kernel in LISTS:
            return listed(image, case, LISTS[kernel])
        case kernel if kernel in WHOLE:
            op, stored = call_of(image, replace(case, kernel=WHOLE[kernel]))
            return in_strips(op, case.work.strip), stored
        case cmsis.FullyConnectedOp.C_FUNCTION:
            return per_tensor(image, case)
        case rt.FullyConnectedPerChannelOp.C_FUNCTION:
            return per_channel(image, case)
        case rt.FullyConnectedDelta8Op.C_FUNCTION:
            return linear_delta8(image, case)
        case rt.FullyConnectedDcsrOp.C_FUNCTION:
            return linear_dcsr(image, case)
        case rt.FullyConnectedDecodedOp.C_FUNCTION:
            return linear_decoded(image, case)
        case rt.ConvolveDelta8Op.C_FUNCTION:
            return convolve_delta8(image, case)
        case rt.ConvolvePixelsOp.C_FUNCTION:
            return pixels(image, case)
        case rt.ToChannelMajorOp.C_FUNCTION | rt.FromChannelMajorOp.C_FUNCTION:
            return moved(image, case), Stored()
        case rt.ConvolvePackedOp.C_FUNCTION:
            return packed(image, case)
        case rt.ConvolveRunsOp.C_FUNCTION:
            return runs(image, case)
        case kernel if kernel in QUAD_BLOCKS:
            return blocks(image, case)
        case rt.DepthwiseConvolveDelta8Op.C_FUNCTION:
            return depthwise(image, case)
        case rt.DepthwiseConvolve3x3Op.C_FUNCTION:
            return depthwise_3x3(image, case)
        case rt.DepthwiseConvolveLanesOp.C_FUNCTION:
            return depthwise_lanes(image, case)
        case kernel if kernel in SUMS:
            return whole_sum(image, case), Stored()
        case _:
            return decoder(image, case)


def convolution(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """By CMSIS-NN, depthwise or not."""
    work, outputs = case.work, case.work.outputs[2]
    window, input = window_of(work), (1, *work.image)
    matrix = random_weights(case)
    if work.layer == "depthwise":
        weights = np.ascontiguousarray(matrix.T).reshape(1, *work.kernel, outputs)
        size = scratch.depthwise_convolve(image.unit, window, input, weights.shape)
    else:
        weights = matrix.reshape(outputs, *work.kernel, work.image[2])
        # Of a row of pixels the wrapper would ask for none, because it calls another function.
        rows = (1, 2, *work.image[1:]) if case.kernel == AnyConvolveOp.C_FUNCTION else input
        size = scratch.convolve(image.unit, window, rows, weights.shape)
    op = CONVOLUTIONS[case.kernel](
        image.image(*input),
        image.constant(weights),
        *image.numbers(case),
        image.buffer((1, *work.outputs)),
        image.scratch(size),
        REQUANT,
        window,
    )
    return op, Stored(left=left(case))


def per_tensor(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`arm_fully_connected_s8`."""
    outputs = case.work.outputs[2]
    numbers = numbers_of(case)
    op = cmsis.FullyConnectedOp(
        image.image(1, case.work.columns),
        image.constant(random_weights(case)),
        image.constant(numbers.bias),
        image.buffer((1, outputs)),
        REQUANT,
        int(numbers.multiplier[0]),
        int(numbers.shift[0]),
    )
    return op, Stored(left=left(case))


def per_channel(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_fully_connected_per_channel_s8`."""
    outputs = case.work.outputs[2]
    op = rt.FullyConnectedPerChannelOp(
        image.image(1, case.work.columns),
        image.constant(random_weights(case)),
        *image.numbers(case),
        image.buffer((1, outputs)),
        REQUANT,
    )
    return op, Stored(left=left(case))


def listed(
    image: CaseImage, case: Case, kernel: type[SparseFullyConnectedOp]
) -> tuple[KernelOp, Stored]:
    """A fully connected kernel with a layout of its own."""
    weights, numbers = random_weights(case), numbers_of(case)
    arrays = kernel.LAYOUT.pack(weights, numbers)
    saturating = is_saturating(weights, numbers, REQUANT.clamp)
    values = {name: image.constant(array) for name, array in arrays.items()}
    if kernel is rt.FullyConnectedGather1x4Op:
        memory = image.scratch(case.work.columns)
        assert memory is not None
        values["scratch"] = memory
    op = kernel(
        image.image(1, case.work.columns),
        values,
        image.buffer((1, len(weights))),
        REQUANT,
        saturating,
    )
    stored = Stored(int(np.count_nonzero(weights))) if case.sparsity else Stored()
    if case.format is not None:
        stored = stored_as(case.format, case.format.pack(weights), weights)
    if issubclass(kernel, FullyConnectedVectorsOp):
        stored = stored_in_vectors(arrays["rows"], len(weights), kernel.LAYOUT.group)
    return op, replace(stored, slow=0 if saturating else len(weights))


def linear_delta8(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_fully_connected_delta8_s8`."""
    outputs = case.work.outputs[2]
    weights = random_weights(case)
    op = rt.FullyConnectedDelta8Op(
        image.image(1, case.work.columns),
        *image.delta8(weights),
        *image.numbers(case),
        image.buffer((1, outputs)),
        REQUANT,
    )
    stored = stored_as(Delta8(), Delta8().pack(weights), weights)
    return op, replace(stored, left=left(case))


def linear_dcsr(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_fully_connected_dcsr_s8`."""
    components = Dcsr().pack(random_weights(case))
    op = rt.FullyConnectedDcsrOp(
        image.image(1, case.work.columns),
        [image.constant(array) for array in components.values()],
        *image.numbers(case),
        image.buffer((1, case.work.outputs[2])),
        REQUANT,
    )
    return op, stored_in_groups(components)


def linear_decoded(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_fully_connected_decoded_s8`."""
    outputs, encoding = case.work.outputs[2], case.format
    assert encoding is not None
    weights = random_weights(case)
    delta8 = Delta8().pack(weights)
    memory = image.scratch(decoded_bytes(delta8["counts"]))
    assert memory is not None
    op = rt.FullyConnectedDecodedOp(
        image.image(1, case.work.columns),
        encoding,
        [image.constant(array) for array in encoding.pack(weights).values()],
        *image.numbers(case),
        image.buffer((1, outputs)),
        memory,
        REQUANT,
        rows_at_once(int(delta8["counts"].sum()), outputs),
    )
    return op, replace(stored_as(Delta8(), delta8, weights), left=left(case))


def convolve_delta8(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_convolve_delta8_s8`."""
    work, input = case.work, (1, *case.work.image)
    weights = random_weights(case)
    memory = image.scratch(scratch_bytes(work.columns))
    assert memory is not None
    op = rt.ConvolveDelta8Op(
        image.image(*input),
        *image.delta8(weights),
        *image.numbers(case),
        image.buffer((1, *work.outputs)),
        memory,
        REQUANT,
        window_of(work),
        work.kernel,
    )
    stored = stored_as(Delta8(), Delta8().pack(weights), weights)
    slow = work.outputs[2] * case.slow
    return op, replace(stored, slow=slow, left=slow)


def planes_of(work: Workload) -> tuple[ChannelMajor, ChannelMajor]:
    """Layouts of the input and of the output of a layer."""
    read = read_by(window_of(work), REQUANT.input_zp)
    return read, left_by(read, work.image, work.outputs, 0, REQUANT.output_zp)


def moved(image: CaseImage, case: Case) -> KernelOp:
    """The input of a layer to its layout, or the output from its."""
    read, left = planes_of(case.work)
    if case.kernel == rt.ToChannelMajorOp.C_FUNCTION:
        shape = (1, *case.work.image)
        return rt.ToChannelMajorOp(image.image(*shape), image.laid_out(shape, read))
    shape = (1, *case.work.outputs)
    return rt.FromChannelMajorOp(image.planes(shape, left), image.buffer(shape))


def pixels(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_convolve_pixels_s8`."""
    work, outputs, input = case.work, case.work.outputs[2], (1, *case.work.image)
    read, left = planes_of(work)
    weights = random_weights(case).reshape(outputs, *work.kernel, work.image[2])
    arrays = pack_pixel_rows(weights, numbers_of(case), taps_of(read, input, work.kernel))
    op = rt.ConvolvePixelsOp(
        image.planes(input, read),
        image.constant(arrays["rows"]),
        image.constant(arrays["steps"]),
        image.constant(arrays["values"]),
        image.laid_out((1, *work.outputs), left),
        REQUANT,
        window_of(work),
        work.kernel,
    )
    return op, Stored(len(arrays["values"]), slow=outputs * case.slow)


def packed(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_convolve_packed_s8`."""
    work, outputs, channels = case.work, case.work.outputs[2], case.work.image[2]
    window = window_of(work)
    slab = slab_for(window, work.outputs[:2], work.kernel, channels)
    weights = random_weights(case).reshape(outputs, *work.kernel, channels)
    given = numbers_of(case)
    rows = pack_rows(weights, given.bias, given.multiplier, given.shift, window, slab)
    memory = image.scratch(slab.bytes)
    assert memory is not None
    op = rt.ConvolvePackedOp(
        image.image(1, *work.image),
        image.constant(rows),
        image.buffer((1, *work.outputs)),
        memory,
        REQUANT,
        window,
        work.kernel,
    )
    return op, stored_packed(rows)


def runs(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_convolve_runs_s8`."""
    windows, outputs = windows_of_work(case.work), case.work.outputs[2]
    count = 1 if windows.packs(outputs) else windows.runs[0]
    rows = pack_runs(random_weights(case), numbers_of(replace(case, slow=False)), count)
    op = quads(image, case, rt.ConvolveRunsOp, rows, windows.scratch_of_runs(outputs))
    return op, Stored(slow=outputs * case.slow, left=left(case))


def blocks(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_convolve_1x16_s8` and `sparsec_convolve_1x4_s8`."""
    windows, outputs = windows_of_work(case.work), case.work.outputs[2]
    kernel = QUAD_BLOCKS[case.kernel]
    numbers = numbers_of(replace(case, slow=False))
    rows = pack_blocks(random_weights(case), numbers, windows, kernel.SIZE)
    op = quads(image, case, kernel, rows, windows.scratch_of_blocks(kernel.SIZE))
    count = unpack_blocks(rows, outputs, windows, kernel.SIZE).blocks
    return op, Stored(kernel.SIZE * count, count, slow=outputs * case.slow, left=left(case))


def quads(
    image: CaseImage,
    case: Case,
    kernel: type[QuadConvolutionOp],
    rows: NDArray[np.int32],
    size: int,
) -> KernelOp:
    """A convolution that takes four pixels at a time, by a stream of rows; `size` is that of its scratch memory. The
    outputs of a slow layer are clamped."""
    memory = image.scratch(size)
    assert memory is not None
    requant = replace(REQUANT, clamp=(-100, 100)) if case.slow else REQUANT
    return kernel(
        image.image(1, *case.work.image),
        image.constant(rows),
        image.buffer((1, *case.work.outputs)),
        memory,
        requant,
        window_of(case.work),
        case.work.kernel,
    )


def depthwise(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_depthwise_convolve_delta8_s8`."""
    work, outputs = case.work, case.work.outputs[2]
    window = window_of(work)
    plane = plane_for(window, work.outputs[:2], work.kernel)
    weights = random_weights(case)
    taps = np.ascontiguousarray(weights.T).reshape(*work.kernel, outputs)
    given = row_numbers(outputs, case.slow)
    rows = pack_depthwise(taps, given.bias, given.multiplier, given.shift, window, plane)
    memory = image.scratch(plane.bytes)
    assert memory is not None
    op = rt.DepthwiseConvolveDelta8Op(
        image.image(1, *work.image),
        image.constant(rows),
        image.buffer((1, *work.outputs)),
        memory,
        REQUANT,
        window,
        work.kernel,
    )
    return op, stored_depthwise(rows, outputs)


def depthwise_3x3(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_depthwise_convolve_3x3_s8`: of its rows `case.sparsity` are not quick, and of those some plain if it is slow."""
    work, outputs = case.work, case.work.outputs[2]
    requant, window = replace(REQUANT, output_zp=REQUANT.clamp[0]), window_of(work)
    weights = np.ascontiguousarray(random_weights(replace(case, sparsity=0.0)).T)
    given = row_numbers(outputs)
    shift = given.shift.copy()
    slow = np.random.default_rng(SEED).permutation(outputs)[: round(case.sparsity * outputs)]
    shift[slow] = -DEPTHWISE_3X3_SHIFT
    if case.slow:
        shift[slow[::PLAIN_ROWS]] = 0
    taps = weights.reshape(*work.kernel, outputs)
    rows = pack_depthwise_3x3(taps, given.bias, given.multiplier, shift, requant)
    memory = image.scratch(scratch_of_3x3(window, work.image[:2], work.outputs[:2]))
    assert memory is not None
    op = rt.DepthwiseConvolve3x3Op(
        image.image(1, *work.image),
        image.constant(rows),
        image.buffer((1, *work.outputs)),
        memory,
        requant,
        window,
    )
    return op, stored_3x3(unpack_depthwise_3x3(rows, outputs).kinds.tolist())


def depthwise_lanes(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """`sparsec_depthwise_convolve_lanes_s8`: of a slow layer no sum is shifted to the right; `case.sparsity`, which is 0 or
    1, tells whether negative sums must be rounded."""
    work, outputs = case.work, case.work.outputs[2]
    window = window_of(work)
    requant = REQUANT if case.sparsity else replace(REQUANT, output_zp=REQUANT.clamp[0])
    weights = np.ascontiguousarray(random_weights(replace(case, sparsity=0.0)).T)
    given = row_numbers(outputs, case.slow)
    rows = pack_depthwise_lanes(
        weights.reshape(*work.kernel, outputs), given.bias, given.multiplier, given.shift
    )
    memory = image.scratch(scratch_of_lanes(window, work.kernel, work.outputs[1]))
    assert memory is not None
    op = rt.DepthwiseConvolveLanesOp(
        image.image(1, *work.image),
        image.constant(rows),
        image.buffer((1, *work.outputs)),
        memory,
        requant,
        window,
        work.kernel,
    )
    return op, stored_lanes(given.shift, not case.sparsity)


def whole_sum(image: CaseImage, case: Case) -> KernelOp:
    """A sum of two tensors."""
    shape = (1, *case.work.outputs)
    input, output = image.image(*shape), image.buffer(shape)
    short, sum = shorten(SUM), rounded(SUM)
    assert short is not None and sum is not None
    match case.kernel:
        case rt.ResidualAddOp.C_FUNCTION:
            return rt.ResidualAddOp(input, input, output, short)
        case rt.ResidualAddRoundedOp.C_FUNCTION:
            return rt.ResidualAddRoundedOp(input, input, output, sum.numbers)
        case _:
            return cmsis.ElementwiseAddOp(input, input, output, SUM)


def decoder(image: CaseImage, case: Case) -> tuple[KernelOp, Stored]:
    """A decoder, which writes what the delta8 kernels read."""
    encoding = case.format
    assert encoding is not None
    kernel = decoder_of(encoding)
    assert kernel is not None and kernel.C_FUNCTION == case.kernel
    weights = random_weights(case)
    components = encoding.pack(weights)
    op = kernel(
        encoding,
        weights.shape[1],
        {name: image.constant(array) for name, array in components.items()},
        image.buffer((len(Delta8().pack(weights)["entries"]),), ui8),
        image.buffer((len(weights),), ui16),
    )
    return op, stored_for_decoder(encoding, components, weights)


def window_of(work: Workload) -> Window:
    """How the weights of a layer slide."""
    return Window(work.strides, work.padding)


@dataclass(frozen=True)
class MeasuredCase:
    """A case, what is stored of its weights, and what it takes."""

    case: Case
    stored: Stored
    cost: Cost


def measure(core: str, cases: Sequence[Case]) -> list[MeasuredCase]:
    """Build images of all cases for `core` and profile them: exact instructions, estimated cycles.

    Raises RunError as `KernelImage.measure` does.
    """
    found: list[MeasuredCase] = []
    sizes = [case.work.outputs[2] * case.work.columns for case in cases]
    for part in in_parts(sizes, MOST_WEIGHTS):
        image = CaseImage(cpu_named(core).vector_unit)
        stored = {case: image.add(case, str(i)) for i, case in enumerate(cases[part])}
        costs, _ = image.measure(core)
        found += [
            MeasuredCase(case, stored[case], costs[str(i)].cost)
            for i, case in enumerate(cases[part])
        ]
    return found
