# SPDX-License-Identifier: Apache-2.0
"""What the decoders mean: the weights that their arrays store, packed as `delta8`."""

from xdsl.interpreter import Interpreter, InterpreterFunctions, PythonValues, impl, register_impls

from sparsec.formats import Delta8
from sparsec.ir.rt import decode as rt


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


def decode(op: rt.DecodeOp, args: PythonValues) -> PythonValues:
    """Unpack the weights and write their `delta8` arrays."""
    *arrays, entries, counts = args
    components = dict(zip(op.arrays, arrays, strict=True))
    packed = Delta8().pack(op.encoding.data.unpack(components, op.matrix_shape))
    entries[...] = packed["entries"]
    counts[...] = packed["counts"]
    return ()
