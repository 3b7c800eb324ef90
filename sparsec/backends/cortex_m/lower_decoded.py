"""Sparse weights as `delta8`: in flash, or decoded into memory by a call in front of the layer's.

A decoded format saves flash and costs its decoding once per inference, and memory for the entries. Their
number is known here, so that they are planned like any buffer.
"""

from collections.abc import Sequence
from math import prod
from typing import TypeAlias

from xdsl.dialects import memref
from xdsl.ir import Attribute, SSAValue

from sparsec.backends.cortex_m.lowering import Lowering
from sparsec.backends.cortex_m.weights import (
    components,
    folded_bias,
    no_kernel,
    packed,
    per_channel,
)
from sparsec.formats import Delta8, SparseFormat
from sparsec.ir import qnn, rt
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.rt.decode import DecodeOp, decoder_of
from sparsec.ir.shapes import shape_of
from sparsec.ir.sparse import matrix_shape
from sparsec.quantization.window import Window
from sparsec.targets import scratch

Layer: TypeAlias = qnn.Conv2dOp | qnn.LinearOp
Delta8Arrays: TypeAlias = tuple[SSAValue, SSAValue]
"""The buffers of the entries and of the counts."""


def lower_conv2d(op: qnn.Conv2dOp, low: Lowering, encoding: SparseFormat) -> SSAValue:
    """Insert the calls for a convolution; its output."""
    arrays = delta8_arrays(op, low, encoding)
    output = low.output()
    shapes = (shape_of(op.input.type), shape_of(op.weights.type), shape_of(op.results[0].type))
    convolve(op, low, arrays, *shapes, op.window.data, output)
    return output


def lower_linear(op: qnn.LinearOp, low: Lowering, encoding: SparseFormat) -> SSAValue:
    """Insert the calls for a linear layer, of which several rows are pixels of a 1x1 convolution; its output."""
    features, depth = shape_of(op.weights.type)
    rows = prod(shape_of(op.input.type)[:-1])
    arrays = delta8_arrays(op, low, encoding)
    output = low.output()
    if rows > 1:
        shapes = ((1, rows, 1, depth), (features, 1, 1, depth), (1, rows, 1, features))
        convolve(op, low, arrays, *shapes, Window(), output)
        return output
    low.call(
        rt.FullyConnectedDelta8Op(
            low.buffer(op.input),
            *arrays,
            folded_bias(low, op),
            per_channel(low, op, op.multiplier),
            per_channel(low, op, op.shift),
            output,
            op.requant.data,
        )
    )
    return output


def convolve(
    op: Layer,
    low: Lowering,
    arrays: Delta8Arrays,
    input: Sequence[int],
    weights: Sequence[int],
    output: Sequence[int],
    window: Window,
    buffer: SSAValue,
) -> None:
    """The call that writes `buffer`, for NHWC and OHWI shapes."""
    _, height, width, _ = weights
    memory = low.scratch(scratch.convolve_delta8(input, (height, width)))
    assert memory is not None
    low.call(
        rt.ConvolveDelta8Op(
            low.buffer(op.input, input),
            *arrays,
            folded_bias(low, op),
            per_channel(low, op, op.multiplier),
            per_channel(low, op, op.shift),
            low.reshape(buffer, output),
            memory,
            op.requant.data,
            window,
            (height, width),
        )
    )


def delta8_arrays(op: Layer, low: Lowering, encoding: SparseFormat) -> Delta8Arrays:
    """The constants themselves, or the memory into which an inserted call decodes them."""
    if isinstance(encoding, Delta8):
        entries, counts = components(low, op, encoding)
        return entries, counts
    decoder = decoder_of(encoding)
    if decoder is None:
        raise no_kernel(op, encoding)
    return decode(op, low, encoding, decoder)


def decode(
    op: Layer, low: Lowering, encoding: SparseFormat, decoder: type[DecodeOp]
) -> Delta8Arrays:
    """Insert the call of `decoder`; the memory it writes."""
    entry_bytes = len(packed(op, Delta8())["entries"])
    arrays = components(low, op, encoding)
    rows, columns = matrix_shape(op.weights.type)
    names = encoding.element_types((rows, columns))
    entries, counts = allocate(low, ui8, entry_bytes), allocate(low, ui16, rows)
    operands = dict(zip(names, arrays, strict=True))
    low.call(decoder(encoding, columns, operands, entries, counts))
    return entries, counts


def allocate(low: Lowering, element: Attribute, length: int) -> SSAValue:
    """A new buffer."""
    alloc = memref.AllocOp.get(element, None, [length])
    low.rewriter.insert(alloc)
    return alloc.memref
