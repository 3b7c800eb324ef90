# SPDX-License-Identifier: Apache-2.0
"""What the decoders mean: the weights that their arrays store, packed as `delta8`, and multiplied where they are passed."""

import numpy as np
from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.formats import Delta8
from sparsec.interpreters.kernels import one_row, spoil, store
from sparsec.ir.rt import decode as rt
from sparsec.ir.rt.decoded import FullyConnectedDcsrOp, FullyConnectedDecodedOp


@register_impls
class DecodeFunctions(InterpreterFunctions):
    """Each by its format."""

    @impl(rt.DecodeDelta4Op)
    def delta4(self, _: Interpreter, op: rt.DecodeDelta4Op, args: PythonValues) -> PythonValues:
        return decode(op, args)

    @impl(rt.DecodeBitmapOp)
    def bitmap(self, _: Interpreter, op: rt.DecodeBitmapOp, args: PythonValues) -> PythonValues:
        return decode(op, args)

    @impl(rt.DecodeCsrOp)
    def csr(self, _: Interpreter, op: rt.DecodeCsrOp, args: PythonValues) -> PythonValues:
        return decode(op, args)

    @impl(rt.DecodeNmOp)
    def nm(self, _: Interpreter, op: rt.DecodeNmOp, args: PythonValues) -> PythonValues:
        return decode(op, args)

    @impl(rt.DecodeRowBlockOp)
    def row_block(
        self, _: Interpreter, op: rt.DecodeRowBlockOp, args: PythonValues
    ) -> PythonValues:
        return decode(op, args)

    @impl(rt.DecodeBlockOp)
    def block(self, _: Interpreter, op: rt.DecodeBlockOp, args: PythonValues) -> PythonValues:
        return decode(op, args)

    @impl(rt.DecodeDcsrOp)
    def dcsr(self, _: Interpreter, op: rt.DecodeDcsrOp, args: PythonValues) -> PythonValues:
        return decode(op, args)

    @impl(rt.DecodeBlockRleOp)
    def block_rle(
        self, _: Interpreter, op: rt.DecodeBlockRleOp, args: PythonValues
    ) -> PythonValues:
        return decode(op, args)

    @impl(FullyConnectedDecodedOp)
    def fully_connected(
        self, _: Interpreter, op: FullyConnectedDecodedOp, args: PythonValues
    ) -> PythonValues:
        *arrays, scratch, x, bias, multiplier, shift, output = args
        components = dict(zip(op.components, arrays, strict=True))
        w = op.encoding.data.unpack(components, op.matrix_shape)
        spoil([scratch])
        for first in range(0, len(w), op.rows.value.data):
            # What does not fit raises.
            packed = Delta8().pack(w[first : first + op.rows.value.data])
            decoded = packed["counts"].tobytes() + packed["entries"].tobytes()
            scratch[: len(decoded)] = np.frombuffer(decoded, np.int8)
        y = one_row(x, w, bias, multiplier, shift, op.requant.data)
        return store(output, y, [scratch])

    @impl(FullyConnectedDcsrOp)
    def fully_connected_dcsr(
        self, _: Interpreter, op: FullyConnectedDcsrOp, args: PythonValues
    ) -> PythonValues:
        *arrays, x, bias, multiplier, shift, output = args
        w = op.FORMAT.unpack(dict(zip(op.components, arrays, strict=True)), op.matrix_shape)
        return store(output, one_row(x, w, bias, multiplier, shift, op.requant.data))


def decode(op: rt.DecodeOp, args: PythonValues) -> PythonValues:
    """Unpack the weights and write their `delta8` arrays."""
    *arrays, entries, counts = args
    components = dict(zip(op.arrays, arrays, strict=True))
    packed = Delta8().pack(op.encoding.data.unpack(components, op.matrix_shape))
    entries[...] = packed["entries"]
    counts[...] = packed["counts"]
    return ()
