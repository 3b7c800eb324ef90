# SPDX-License-Identifier: Apache-2.0
"""What kernel calls mean: the arithmetic of `qnn`, on memory.

Buffers are numpy views, those of a planned function of one arena, so that a wrong plan gives wrong
bytes. A kernel may use its scratch memory as it likes: here it fills it with garbage, before and
after.
"""

from math import prod
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import (
    DenseIntOrFPElementsAttr,
    IntegerAttr,
    ModuleOp,
    UnrealizedConversionCastOp,
)
from xdsl.interpreter import (
    Interpreter,
    InterpreterFunctions,
    PythonValues,
    impl,
    register_impls,
)
from xdsl.ir import Attribute

from sparsec.formats import Delta8
from sparsec.interpreters import qnn
from sparsec.ir import cmsis, rt
from sparsec.ir.constant import array_of
from sparsec.ir.kernel import byte_count, element_dtype
from sparsec.ir.layouts import layout_of
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import view_offset
from sparsec.layouts.packed_rows import unpack_layer
from sparsec.layouts.remembered import remembered
from sparsec.quantization import int8
from sparsec.quantization.params import Requant

Array: TypeAlias = np.ndarray[Any, Any]

GARBAGE = -91
"""What memory holds before anything is written."""


def _globals(module: ModuleOp) -> dict[str, Array]:
    return {
        op.sym_name.data: array_of(op.initial_value)
        for op in module.ops
        if isinstance(op, memref.GlobalOp)
        and isinstance(op.initial_value, DenseIntOrFPElementsAttr)
    }


@register_impls
class MemoryFunctions(InterpreterFunctions):
    """Buffers: where they come from and how they are seen."""

    @impl(memref.AllocOp)
    def alloc(self, _: Interpreter, op: memref.AllocOp, args: PythonValues) -> PythonValues:
        memory = np.full(byte_count(op.memref.type), GARBAGE, np.int8)
        return (see_as(memory, op.memref.type),)

    @impl(memref.GetGlobalOp)
    def get_global(
        self, interpreter: Interpreter, op: memref.GetGlobalOp, args: PythonValues
    ) -> PythonValues:
        # xDSL looks a symbol up by walking over all of them.
        arrays = interpreter.get_data(
            MemoryFunctions, "globals", lambda: _globals(interpreter.module)
        )
        return (arrays[op.name_.string_value()],)

    @impl(memref.ReinterpretCastOp)
    def reinterpret_cast(
        self, _: Interpreter, op: memref.ReinterpretCastOp, args: PythonValues
    ) -> PythonValues:
        if layout_of(op.result.type) is not None:
            return (args[0],)  # its flat memory
        return (see(args[0], view_offset(op), shape_of(op.result.type)),)

    @impl(memref.ViewOp)
    def view(self, _: Interpreter, op: memref.ViewOp, args: PythonValues) -> PythonValues:
        arena, offset = args
        type = op.result.type
        return (see_as(arena[offset : offset + byte_count(type)], type),)

    @impl(arith.ConstantOp)
    def constant(self, _: Interpreter, op: arith.ConstantOp, args: PythonValues) -> PythonValues:
        assert isinstance(op.value, IntegerAttr)
        return (op.value.value.data,)

    @impl(UnrealizedConversionCastOp)
    def cast(
        self, _: Interpreter, op: UnrealizedConversionCastOp, args: PythonValues
    ) -> PythonValues:
        return args


@register_impls
class KernelFunctions(InterpreterFunctions):
    """The operations of `cmsis` and `rt`."""

    @impl(cmsis.ConvolveOp)
    def convolve(self, _: Interpreter, op: cmsis.ConvolveOp, args: PythonValues) -> PythonValues:
        x, w, bias, multiplier, shift, output, *scratch = args
        spoil(scratch)
        y = qnn.convolve(x, w, bias, multiplier, shift, op.requant.data, op.window.data)
        return store(output, y, scratch)

    @impl(cmsis.DepthwiseConvOp)
    def depthwise(
        self, _: Interpreter, op: cmsis.DepthwiseConvOp, args: PythonValues
    ) -> PythonValues:
        x, w, bias, multiplier, shift, output, *scratch = args
        spoil(scratch)
        y = qnn.depthwise_convolve(x, w, bias, multiplier, shift, op.requant.data, op.window.data)
        return store(output, y, scratch)

    @impl(cmsis.FullyConnectedOp)
    def fully_connected(
        self, _: Interpreter, op: cmsis.FullyConnectedOp, args: PythonValues
    ) -> PythonValues:
        x, w, bias, output = args
        multiplier, shift = np.array([op.multiplier.value.data]), np.array([op.shift.value.data])
        return store(output, qnn.fully_connected(x, w, bias, multiplier, shift, op.requant.data))

    @impl(cmsis.ElementwiseAddOp)
    def add(self, _: Interpreter, op: cmsis.ElementwiseAddOp, args: PythonValues) -> PythonValues:
        lhs, rhs, output = args
        return store(output, qnn.add(lhs, rhs, op.params.data))

    @impl(cmsis.MaxPoolOp)
    def max_pool(self, _: Interpreter, op: cmsis.MaxPoolOp, args: PythonValues) -> PythonValues:
        x, output, *scratch = args
        spoil(scratch)
        return store(output, qnn.max_pool(x, op.pool.data, op.requant.data), scratch)

    @impl(cmsis.AvgPoolOp)
    def avg_pool(self, _: Interpreter, op: cmsis.AvgPoolOp, args: PythonValues) -> PythonValues:
        x, output, *scratch = args
        spoil(scratch)
        return store(output, qnn.avg_pool(x, op.pool.data, op.requant.data), scratch)

    @impl(cmsis.SoftmaxOp)
    def softmax(self, _: Interpreter, op: cmsis.SoftmaxOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, qnn.softmax(x, op.params.data))

    @impl(rt.SoftmaxOp)
    def long_softmax(self, _: Interpreter, op: rt.SoftmaxOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, qnn.softmax(x, op.params.data))

    @impl(rt.ConvolveDelta8Op)
    def convolve_delta8(
        self, _: Interpreter, op: rt.ConvolveDelta8Op, args: PythonValues
    ) -> PythonValues:
        entries, counts, scratch, x, bias, multiplier, shift, output = args
        spoil([scratch])
        shape = (len(counts), *op.kernel_size, x.shape[3])
        w = unpack(entries, counts, int(np.prod(shape[1:]))).reshape(shape)
        bias = unfold(bias, w, op.requant.data)
        y = qnn.convolve(x, w, bias, multiplier, shift, op.requant.data, op.window.data)
        return store(output, y, [scratch])

    @impl(rt.ConvolvePackedOp)
    def convolve_packed(
        self, _: Interpreter, op: rt.ConvolvePackedOp, args: PythonValues
    ) -> PythonValues:
        x, rows, output, scratch = args
        spoil([scratch])
        layer = unpack_layer(rows, output.shape[3], op.window.data, op.slab)
        bias = unfold(layer.bias, layer.weights, op.requant.data)
        numbers = (bias, layer.multipliers, layer.shifts)
        y = qnn.convolve(x, layer.weights, *numbers, op.requant.data, op.window.data)
        return store(output, y, [scratch])

    @impl(rt.FullyConnectedDelta8Op)
    def fully_connected_delta8(
        self, _: Interpreter, op: rt.FullyConnectedDelta8Op, args: PythonValues
    ) -> PythonValues:
        entries, counts, x, bias, multiplier, shift, output = args
        w = unpack(entries, counts, x.size)
        return store(output, one_row(x, w, bias, multiplier, shift, op.requant.data))

    @impl(rt.FullyConnectedPerChannelOp)
    def fully_connected_per_channel(
        self, _: Interpreter, op: rt.FullyConnectedPerChannelOp, args: PythonValues
    ) -> PythonValues:
        w, x, bias, multiplier, shift, output = args
        return store(output, one_row(x, w, bias, multiplier, shift, op.requant.data))

    @impl(rt.LookupOp)
    def lookup(self, _: Interpreter, op: rt.LookupOp, args: PythonValues) -> PythonValues:
        x, table, output = args
        return store(output, int8.lookup(x, table))

    @impl(rt.FromUint8Op)
    def from_uint8(self, _: Interpreter, op: rt.FromUint8Op, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, int8.from_uint8(x))

    @impl(rt.RequantizeOp)
    def requantize(self, _: Interpreter, op: rt.RequantizeOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, qnn.rescale(x, op.params.data))

    @impl(rt.PadOp)
    def pad(self, _: Interpreter, op: rt.PadOp, args: PythonValues) -> PythonValues:
        x, output = args
        border = op.border.data
        widths = list(zip(border.low, border.high, strict=True))
        return store(output, np.pad(x, widths, constant_values=op.value.value.data))

    @impl(rt.TransposeOp)
    def transpose(self, _: Interpreter, op: rt.TransposeOp, args: PythonValues) -> PythonValues:
        x, output = args
        return store(output, x.transpose(op.permutation.get_values()).copy())

    @impl(rt.ConcatenateOp)
    def concatenate(self, _: Interpreter, op: rt.ConcatenateOp, args: PythonValues) -> PythonValues:
        x, output = args
        axis, position = op.axis.value.data, op.position.value.data
        index = [slice(None)] * output.ndim
        index[axis] = slice(position, position + x.shape[axis])
        output[tuple(index)] = x
        return ()


def see(buffer: Array, offset: int, shape: tuple[int, ...]) -> Array:
    """The same memory, from element `offset` on, in another shape."""
    view = buffer.reshape(-1)[offset : offset + prod(shape)].reshape(shape)
    assert np.shares_memory(view, buffer) or not buffer.size
    return view


def see_as(memory: Array, type: Attribute) -> Array:
    """The int8 `memory` as a buffer of `type`."""
    return see(memory.view(element_dtype(type)), 0, shape_of(type))


def spoil(scratch: list[Array]) -> None:
    """Whatever scratch memory held is lost."""
    for buffer in scratch:
        buffer.fill(GARBAGE)


def store(output: Array, value: Array, scratch: list[Array] | None = None) -> PythonValues:
    """Write a result, and garbage to scratch memory, as a kernel does along the way."""
    output[...] = value.reshape(output.shape)
    spoil(scratch or [])
    return ()


@remembered(128)
def unpack(entries: Array, counts: Array, columns: int) -> Array:
    """The int8 matrix that two `delta8` arrays store."""
    return Delta8().unpack({"entries": entries, "counts": counts}, (len(counts), columns))


def unfold(bias: Array, w: Array, p: Requant) -> Array:
    """The bias of the layer, without the folded -input_zp * (sum of the weights)."""
    sums = w.reshape(len(w), -1).astype(np.int64).sum(axis=1)
    return bias + p.input_zp * sums


def one_row(x: Array, w: Array, bias: Array, multiplier: Array, shift: Array, p: Requant) -> Array:
    """A fully connected layer with a folded bias."""
    return qnn.fully_connected(x.reshape(1, -1), w, unfold(bias, w, p), multiplier, shift, p)
