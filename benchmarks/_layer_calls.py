"""Layers as calls of kernels, with random constants: what `_layers.py` puts into an image.

What weights are does not matter to a cost, only which of them are stored.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsec.formats import Block, BlockRle, Delta4, Delta8, Nm, SparseFormat
from sparsec.formats.base import Components
from sparsec.formats.depthwise_rows import pack_depthwise, plane_for
from sparsec.formats.fc_layouts import (
    ColumnBlockLayout,
    DenseLayout,
    FcLayout,
    RowBlockLayout,
    TableLayout,
)
from sparsec.formats.fc_rows import RowNumbers
from sparsec.formats.packed_rows import pack_rows, slab_for
from sparsec.quantization.window import Window
from sparsec.targets.cost import strip_kernel
from sparsec.targets.stored import Stored, stored_as, stored_for_decoder, stored_packed
from sparsec.targets.workload import Workload

SEED = 11
LISTS: dict[str, FcLayout] = {
    "sparsec_fully_connected_table_s8": TableLayout(),
    "sparsec_fully_connected_1x4_s8": RowBlockLayout(),
    "sparsec_fully_connected_4x1_s8": ColumnBlockLayout(),
    "sparsec_fully_connected_4x1_w16_s8": ColumnBlockLayout(weight_bytes=2),
    "sparsec_fully_connected_dense_s8": DenseLayout(),
}

# Names that the C code of `_layers.py` declares.
QUANT, SCRATCH, SUMS = "&quant", "&scratch", "&sums"
INPUT, OUTPUT, WEIGHTS, BIAS = "input", "output", "weights", "bias"
ENTRIES, COUNTS = "entries", "counts"

FC_PARAMS = "&(const cmsis_nn_fc_params){3, 0, -2, {-128, 127}}"
FC_QUANT = "&(const cmsis_nn_per_tensor_quant_params){1518500250, -8}"

STORED_DENSE = Stored()

Argument: TypeAlias = str | NDArray[Any]
"""C, or an array in flash."""


@dataclass(frozen=True)
class Case:
    """A layer to measure by a kernel: `sparsity` is the share of zeros, 0 for a dense kernel.

    `format` is what a decoder reads. The zeros of a format of blocks are whole blocks, those of N:M fill its groups.
    """

    kernel: str
    work: Workload
    sparsity: float = 0.0
    format: SparseFormat | None = None


@dataclass(frozen=True)
class Call:
    """The arguments of a kernel, the bytes of its scratch memory, and what is stored of the weights."""

    arguments: tuple[Argument, ...]
    scratch_bytes: int = 0
    stored: Stored = STORED_DENSE


@lru_cache(maxsize=1024)
def call_of(case: Case) -> Call:
    """The call of a case."""
    match case.kernel:
        case "sparsec_convolve_packed_s8":
            return packed_call(case)
        case "sparsec_depthwise_convolve_delta8_s8":
            return depthwise_call(case)
        case "sparsec_convolve_delta8_s8" | "sparsec_fully_connected_delta8_s8":
            return delta8_call(case)
        case kernel if kernel in LISTS:
            return list_call(case, LISTS[kernel])
        case kernel if (inner := strip_kernel(kernel, case.work)) is not None:
            whole = call_of(replace(case, kernel=inner))
            return replace(whole, arguments=(str(case.work.strip), *whole.arguments))
        case _ if case.format is not None:
            return decoder_call(case, case.format)
        case _:
            return dense_call(case)


def dense_call(case: Case) -> Call:
    """Of CMSIS-NN, and of the runtime's kernel that takes the same weights."""
    work, outputs = case.work, case.work.outputs[2]
    shapes = (dims(1, *work.image), INPUT)
    last = (dims(1, *work.outputs), OUTPUT)
    bias = (dims(1, 1, 1, outputs), BIAS)
    filter_ = dims(work.columns, 1, 1, outputs)
    match case.kernel:
        case "arm_fully_connected_s8":
            rows = dims(work.pixels, 1, 1, work.columns)
            return Call(
                (SUMS, FC_PARAMS, FC_QUANT, rows, INPUT, filter_, WEIGHTS, *bias, *last),
            )
        case "sparsec_fully_connected_per_channel_s8":
            return Call((FC_PARAMS, QUANT, INPUT, filter_, WEIGHTS, BIAS, *last))
        case "arm_depthwise_conv_wrapper_s8":
            params, filter_ = depthwise_params(work), dims(1, *work.kernel, outputs)
            # CMSIS-NN for Helium gathers 124 channels of four windows, other code all of one window as int16.
            size = max(4 * 124, 2 * outputs) * work.taps
        case _:
            params, filter_ = conv_params(work), dims(outputs, *work.kernel, work.image[2])
            size = 4 * (work.columns + 8)
    return Call((SCRATCH, params, QUANT, *shapes, filter_, WEIGHTS, *bias, *last), size)


def delta8_call(case: Case) -> Call:
    """Of both kernels that read the format as it is."""
    work = case.work
    parts = Delta8().pack(random_weights(case))
    arrays = (parts["entries"], parts["counts"], BIAS, dims(1, *work.outputs), OUTPUT)
    stored = Stored(len(parts["entries"]) // 2)
    if work.layer == "fully-connected":
        return Call((FC_PARAMS, QUANT, INPUT, *arrays), 0, stored)
    shapes = (dims(1, *work.image), INPUT, dims(work.outputs[2], *work.kernel, work.image[2]))
    return Call((SCRATCH, conv_params(work), QUANT, *shapes, *arrays), 16 * work.columns, stored)


def packed_call(case: Case) -> Call:
    """Of the packed convolution."""
    work, outputs = case.work, case.work.outputs[2]
    window = Window(work.strides, work.padding)
    weights = random_weights(case)
    slab = slab_for(window, work.outputs[:2], work.kernel, work.image[2])
    numbers = row_numbers(outputs)
    stream = pack_rows(
        weights.reshape(outputs, *work.kernel, work.image[2]),
        *(numbers.bias, numbers.multiplier, numbers.shift, window, slab),
    )
    shapes = (dims(1, *work.image), INPUT, dims(outputs, *work.kernel, work.image[2]))
    last = (dims(1, *work.outputs), OUTPUT)
    arguments = (SCRATCH, conv_params(work), *shapes, stream, *last)
    return Call(arguments, slab.bytes, stored_packed(stream))


def depthwise_call(case: Case) -> Call:
    """Of the sparse depthwise convolution."""
    work, outputs = case.work, case.work.outputs[2]
    window = Window(work.strides, work.padding)
    plane = plane_for(window, work.outputs[:2], work.kernel)
    numbers = row_numbers(outputs)
    weights = random_weights(case)
    taps = np.ascontiguousarray(weights.T).reshape(*work.kernel, outputs)
    stream = pack_depthwise(taps, *(numbers.bias, numbers.multiplier, numbers.shift), window, plane)
    shapes = (dims(1, *work.image), INPUT, dims(1, *work.kernel, outputs))
    last = (dims(1, *work.outputs), OUTPUT)
    stored = Stored(int(np.count_nonzero(weights)), int(np.count_nonzero(weights.any(axis=1))))
    return Call((SCRATCH, depthwise_params(work), *shapes, stream, *last), plane.bytes, stored)


def list_call(case: Case, layout: FcLayout) -> Call:
    """Of a fully connected kernel with a layout of its own."""
    work, outputs = case.work, case.work.outputs[2]
    weights = random_weights(case)
    arrays = layout.pack(weights, row_numbers(outputs))
    stored = STORED_DENSE
    if case.format is not None:
        stored = stored_as(case.format, case.format.pack(weights), weights)
    elif case.sparsity:
        stored = Stored(int(np.count_nonzero(weights)))
    arguments = (
        *(FC_PARAMS, "1", INPUT, dims(work.columns, 1, 1, outputs), *arrays.values()),
        *(dims(1, 1, 1, outputs), OUTPUT),
    )
    return Call(arguments, 0, stored)


def decoder_call(case: Case, encoding: SparseFormat) -> Call:
    """Of a decoder, which writes what the delta8 kernels read."""
    weights = random_weights(case)
    components = encoding.pack(weights)
    numbers = decoder_numbers(encoding, weights.shape, components)
    arguments = (*map(str, numbers), *components.values(), ENTRIES, COUNTS)
    written = len(Delta8().pack(weights)["entries"]) + 2 * len(weights)
    return Call(arguments, written, stored_for_decoder(encoding, components, weights))


def decoder_numbers(
    encoding: SparseFormat, shape: tuple[int, ...], components: Components
) -> tuple[int, ...]:
    """The arguments of a decoder in front of the arrays."""
    match encoding:
        case Delta4():
            return shape[:1]
        case Nm():
            return encoding.n, encoding.m, *shape
        case Block(rows=1):
            return encoding.columns, shape[0]
        case Block():
            return encoding.rows, encoding.columns, *shape
        case BlockRle():
            return encoding.size, *shape, len(components["stream"])
        case _:
            return shape


def dims(*sizes: int) -> str:
    """A cmsis_nn_dims."""
    return f"&(const cmsis_nn_dims){{{', '.join(map(str, sizes))}}}"


def geometry(work: Workload) -> str:
    """Strides and padding, a cmsis_nn_tile each."""
    top, left, _, _ = work.padding
    return f"{{{work.strides[1]}, {work.strides[0]}}}, {{{left}, {top}}}"


def conv_params(work: Workload) -> str:
    """The cmsis_nn_conv_params of a convolution."""
    return f"&(const cmsis_nn_conv_params){{3, -2, {geometry(work)}, {{1, 1}}, {{-128, 127}}}}"


def depthwise_params(work: Workload) -> str:
    """The cmsis_nn_dw_conv_params of a depthwise convolution."""
    return (
        f"&(const cmsis_nn_dw_conv_params){{3, -2, {work.outputs[2] // work.image[2]}, "
        f"{geometry(work)}, {{1, 1}}, {{-128, 127}}}}"
    )


def row_numbers(rows: int) -> RowNumbers:
    """Biases, multipliers and shifts of outputs."""
    rng = np.random.default_rng(SEED)
    return RowNumbers(
        rng.integers(-2000, 2000, rows).astype(np.int32),
        rng.integers(2**30, 2**31, rows).astype(np.int32),
        rng.integers(-9, -6, rows).astype(np.int32),
    )


def random_weights(case: Case) -> NDArray[np.int8]:
    """int8 [outputs, columns] with zeros as `case` says, and sums that trained weights stay within."""
    rows, columns = case.work.outputs[2], case.work.columns
    rng = np.random.default_rng(SEED)
    mask = random_mask(rng, case, rows, columns)
    kept = max(1.0, mask.sum() / rows)
    most = min(127, int(25000 / kept))
    weights = rng.integers(1, most + 1, (rows, columns)) * rng.choice([-1, 1], (rows, columns))
    return (weights * mask).astype(np.int8)


def random_mask(rng: np.random.Generator, case: Case, rows: int, columns: int) -> NDArray[np.bool_]:
    """Which weights are not zero, bool [rows, columns]."""
    match case.format:
        case Nm() as encoding:
            order = rng.random((rows, -(-columns // encoding.m), encoding.m))
            largest = np.argsort(order, axis=2) < encoding.n
            return largest.reshape(rows, -1)[:, :columns]
        case Block() as encoding:
            block = (encoding.rows, encoding.columns)
        case _:
            block = (1, 1)
    blocks = rng.random((-(-rows // block[0]), -(-columns // block[1]))) >= case.sparsity
    return np.kron(blocks, np.ones(block, bool))[:rows, :columns]
