"""The kernels that read sparse weights: which formats, layers and cores each takes, and what it lays out.

The rule: `KERNELS` is the one table, a row for each way to run a layer, and the first row that takes a layer in a format
is how the backend lowers it; a test compares kernels, flash and scratch memory with what is lowered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sparsec.analysis.choice.sparse_layer import SparseLayer, sparse_layer
from sparsec.formats import COMMON_FORMATS, Block, Delta8, Nm, SparseFormat
from sparsec.formats.fc_layouts import (
    ColumnBlockLayout,
    FcLayout,
    RowBlockLayout,
    TableLayout,
)
from sparsec.ir import qnn
from sparsec.ir.rt.decode import decoder_of
from sparsec.targets import scratch
from sparsec.targets.cpu import VectorUnit
from sparsec.targets.stored import Stored, stored_as

Arrays: TypeAlias = list[NDArray[Any]]

EVERY_UNIT: tuple[VectorUnit, ...] = ("scalar", "dsp", "mve")


@dataclass(frozen=True)
class SparseKernel:
    """One way to run a layer.

    `function` is the C function, `units` the cores that have it. `lay_out` gives the arrays in flash, biases and
    multipliers included, or raises ValueError; `scratch` the bytes of scratch memory; `stored` what is stored of the
    weights, padding included, which is what the cost depends on, and `least` the least that it can be, told without
    laying the format out. A kernel of `delta8` that `decodes` runs behind a decoder, which writes the weights to scratch
    memory. One with `one_layout` has the same arrays whatever the format.
    """

    function: str
    units: tuple[VectorUnit, ...]
    takes: Callable[[SparseFormat, SparseLayer], bool]
    lay_out: Callable[[SparseFormat, SparseLayer], Arrays]
    scratch: Callable[[SparseLayer], int]
    stored: Callable[[SparseFormat, SparseLayer], Stored]
    least: Callable[[SparseLayer], Stored]
    decodes: bool = False
    one_layout: bool = False


def kernel_for(encoding: SparseFormat, layer: SparseLayer, unit: VectorUnit) -> SparseKernel | None:
    """The kernel that runs `layer` stored as `encoding`, None if there is none."""
    for kernel in KERNELS:
        if unit in kernel.units and kernel.takes(encoding, layer):
            return kernel
    return None


def has_kernel(op: qnn.WeightedOp) -> bool:
    """Whether some core has a kernel that reads the weights of `op` in a sparse format."""
    layer = sparse_layer(op)
    return layer is not None and any(
        kernel.takes(encoding, layer) for kernel in KERNELS for encoding in COMMON_FORMATS
    )


def decoder_function(encoding: SparseFormat) -> str | None:
    """The C function that decodes weights stored as `encoding` to `delta8`, None if there is none."""
    decoder = decoder_of(encoding)
    return None if decoder is None else decoder.C_FUNCTION


def _is_row(layer: SparseLayer) -> bool:
    return layer.kind == "linear" and layer.pixels == 1


def _is_image(layer: SparseLayer) -> bool:
    return layer.kind == "conv2d" or (layer.kind == "linear" and layer.pixels > 1)


def _single_row(wanted: SparseFormat, function: str, layout: FcLayout) -> SparseKernel:
    """A fully connected kernel of one format, with a layout of its own."""

    def takes(encoding: SparseFormat, layer: SparseLayer) -> bool:
        if encoding != wanted or not _is_row(layer):
            return False
        try:
            layout.check(layer.matrix.shape)
        except ValueError:
            return False
        return True

    def lay_out(encoding: SparseFormat, layer: SparseLayer) -> Arrays:
        return list(layout.pack(layer.matrix, layer.numbers).values())

    return SparseKernel(
        function, EVERY_UNIT, takes, lay_out, lambda layer: 0, _stored_row, _nonzeros
    )


def _stored_row(encoding: SparseFormat, layer: SparseLayer) -> Stored:
    """Weights in stored blocks, or the weights that are not zero."""
    if isinstance(encoding, Block):
        return stored_as(encoding, layer.components(encoding), layer.matrix)
    return _nonzeros(layer)


def _nonzeros(layer: SparseLayer) -> Stored:
    return Stored(int(np.count_nonzero(layer.matrix)))


def _takes_packed(encoding: SparseFormat, layer: SparseLayer) -> bool:
    by_rows = isinstance(encoding, Delta8 | Nm) or (
        isinstance(encoding, Block) and encoding.rows == 1
    )
    return by_rows and layer.kind in ("conv2d", "linear")


def _packed_layout(encoding: SparseFormat, layer: SparseLayer) -> Arrays:
    layer.components(encoding)  # raises where the format cannot hold the weights
    return [layer.packed_rows]


def _packed_scratch(layer: SparseLayer) -> int:
    output = (1, *layer.data.output_size)
    channels = layer.data.input_size[2]
    return scratch.convolve_packed(layer.window, output, layer.kernel_size, channels)


def _stored_packed(encoding: SparseFormat, layer: SparseLayer) -> Stored:
    return layer.packed_stored


def _components(encoding: SparseFormat, layer: SparseLayer) -> Arrays:
    numbers = layer.numbers
    arrays = layer.components(encoding).values()
    return [*arrays, numbers.bias, numbers.multiplier, numbers.shift]


def _convolve_delta8_scratch(layer: SparseLayer) -> int:
    return scratch.convolve_delta8((1, *layer.data.input_size), layer.kernel_size)


def _stored_delta8(encoding: SparseFormat, layer: SparseLayer) -> Stored:
    return _entries(layer)


def _entries(layer: SparseLayer) -> Stored:
    """As `delta8`."""
    return Stored(len(layer.components(Delta8())["entries"]) // 2)


def _decoded_bytes(layer: SparseLayer) -> int:
    return sum(array.nbytes for array in layer.components(Delta8()).values())


def _depthwise_layout(encoding: SparseFormat, layer: SparseLayer) -> Arrays:
    return [layer.depthwise_rows]


def _stored_depthwise(encoding: SparseFormat, layer: SparseLayer) -> Stored:
    return _used(layer)


def _used(layer: SparseLayer) -> Stored:
    """The weights that are not zero; its blocks are the channels that have one."""
    used = np.count_nonzero(layer.matrix, axis=1)
    return Stored(int(used.sum()), int(np.count_nonzero(used)))


def _depthwise_scratch(layer: SparseLayer) -> int:
    output = (1, *layer.data.output_size)
    return scratch.depthwise_convolve_delta8(layer.window, output, layer.kernel_size)


KERNELS: tuple[SparseKernel, ...] = (
    _single_row(Delta8(), "sparsec_fully_connected_table_s8", TableLayout()),
    _single_row(Block(1, 4), "sparsec_fully_connected_1x4_s8", RowBlockLayout()),
    _single_row(Block(4, 1), "sparsec_fully_connected_4x1_s8", ColumnBlockLayout()),
    _single_row(Block(4, 1, 16), "sparsec_fully_connected_4x1_w16_s8", ColumnBlockLayout(2)),
    SparseKernel(
        "sparsec_convolve_packed_s8",
        ("dsp",),
        _takes_packed,
        _packed_layout,
        _packed_scratch,
        _stored_packed,
        lambda layer: layer.packed_stored,
        one_layout=True,
    ),
    SparseKernel(
        "sparsec_convolve_delta8_s8",
        EVERY_UNIT,
        lambda encoding, layer: encoding == Delta8() and _is_image(layer),
        _components,
        _convolve_delta8_scratch,
        _stored_delta8,
        _entries,
    ),
    SparseKernel(
        "sparsec_depthwise_convolve_delta8_s8",
        EVERY_UNIT,
        lambda encoding, layer: encoding == Delta8() and layer.kind == "depthwise_conv2d",
        _depthwise_layout,
        _depthwise_scratch,
        _stored_depthwise,
        _used,
    ),
    SparseKernel(
        "sparsec_fully_connected_delta8_s8",
        EVERY_UNIT,
        lambda encoding, layer: encoding == Delta8() and _is_row(layer),
        _components,
        lambda layer: 0,
        _stored_delta8,
        _entries,
    ),
    SparseKernel(
        "sparsec_convolve_delta8_s8",
        EVERY_UNIT,
        lambda encoding, layer: decoder_of(encoding) is not None and _is_image(layer),
        _components,
        lambda layer: _convolve_delta8_scratch(layer) + _decoded_bytes(layer),
        _stored_delta8,
        _entries,
        decodes=True,
    ),
    SparseKernel(
        "sparsec_fully_connected_delta8_s8",
        EVERY_UNIT,
        lambda encoding, layer: decoder_of(encoding) is not None and _is_row(layer),
        _components,
        _decoded_bytes,
        _stored_delta8,
        _entries,
        decodes=True,
    ),
)
"""In the order of preference."""
