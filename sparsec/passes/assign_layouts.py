# SPDX-License-Identifier: Apache-2.0
"""`assign-layouts`: activations lie as it is best for all calls together, and are converted only where that is not the same.

    rt.convolve_pixels_s8 %a, .. into %b
    rt.from_channel_major_s8 %b into %y
    rt.to_channel_major_s8 %y into %c
    rt.convolve_pixels_s8 %c, .. into %d
becomes
    rt.convolve_pixels_s8 %a, .. into %b
    rt.convolve_pixels_s8 %b, .. into %d

Layouts are chosen for the fewest cycles, by `analysis/choice/layout_choice.py`. Calls that make each byte of one in its place
take part. Weights whose order hangs on the layout of the input are laid out anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import MemRefType, ModuleOp, StringAttr, i8
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import InsertPoint, Rewriter
from xdsl.utils.exceptions import PassFailedException

from sparsec.analysis.choice.layout_choice import (
    Image,
    LayoutChoice,
    choose_layouts,
    constant_of,
    wants,
)
from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.ir import qnn, rt
from sparsec.ir.attributes import OP
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layer import copy_layer
from sparsec.ir.layouts import laid_out, layout_of
from sparsec.ir.rt.planes import ConversionOp
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import memory_of, reshaped
from sparsec.layouts.activations import ChannelMajor, Layout
from sparsec.layouts.pixel_rows import pack_pixel_rows, taps_of, unpack_pixel_rows
from sparsec.rewriting.constants_to_globals import Globals
from sparsec.targets.cpu import cpu_named


@dataclass(frozen=True)
class AssignLayoutsPass(ModulePass):
    """Choose the layouts of all activations of a bufferized module."""

    name = "assign-layouts"
    target: str = "cortex-m55"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        try:
            cpu = cpu_named(self.target)
        except ValueError as error:
            raise PassFailedException(str(error)) from error
        if planned_function(op) is not None:
            return  # Its buffers have their places.
        for function in [f for f in op.ops if isinstance(f, func.FuncOp)]:
            types = function.function_type.inputs
            if not types.data or not all(isinstance(type, MemRefType) for type in types):
                continue
            if not any(isinstance(each, ConversionOp) for each in function.walk()):
                continue
            try:
                choice = choose_layouts(function, cpu.name)
            except ValueError as error:
                raise PassFailedException(str(error)) from error
            assign(op, function, choice)


def assign(module: ModuleOp, function: func.FuncOp, choice: LayoutChoice) -> None:
    """Rewrite one function."""
    before = {op: layout_of(op.input.type) for op in pixels_of(function)}
    for image in choice.images.all():
        if not image.is_reshaped and any(
            op in choice.chosen for op in (*image.writers, *image.readers)
        ):
            convert(image, choice)
    table = Globals(module)
    for op, layout in before.items():
        if (after := layout_of(op.input.type)) != layout:
            assert layout is not None and after is not None
            lay_out_anew(table, op, layout, after)
    remove_unused(module, function)


def pixels_of(function: func.FuncOp) -> list[rt.ConvolvePixelsOp]:
    """The calls whose weights hang on layouts."""
    return [op for op in function.walk() if isinstance(op, rt.ConvolvePixelsOp)]


def convert(image: Image, choice: LayoutChoice) -> None:
    """Give an image its layouts, and its calls the buffers that have them."""
    memories = set(image.memories)
    operands = [
        (op, value, choice.layout(op, value))
        for op in dict.fromkeys((*image.writers, *image.readers))
        if op in choice.chosen
        for value in op.laid_out()
        if memory_of(value) in memories
    ]
    if not operands:
        return  # constants
    left, missing = wants(image, operands)
    buffers = Buffers(image, operands)
    for conversion in image.conversions:
        Rewriter.erase_op(conversion)
    for op, value, layout in operands:
        op.operands = [buffers[layout] if each is value else each for each in op.operands]
    if left is not None and missing:
        first = [
            op
            for op in image.readers
            if op not in choice.chosen or _reads_other(op, image, buffers, left)
        ]
        outside = image.is_outside and image.writers
        place = InsertPoint.after(image.writers[0]) if outside else InsertPoint.before(first[0])
        _insert(
            place,
            [] if outside else first,
            rt.FromChannelMajorOp(buffers[left], buffers[None]),
            image,
        )
    for layout in missing:
        if layout is not None:
            readers = [op for op in image.readers if buffers[layout] in op.operands]
            place = InsertPoint.before(readers[0])
            _insert(place, readers, rt.ToChannelMajorOp(buffers[None], buffers[layout]), image)


def _reads_other(op: KernelOp, image: Image, buffers: "Buffers", left: Layout) -> bool:
    """Whether `op` reads an image in another layout than that in which it is written."""
    own = [value for layout, value in buffers.items() if layout != left]
    return any(value in op.operands for value in own)


def _insert(
    place: InsertPoint, readers: Sequence[KernelOp], op: ConversionOp, image: Image
) -> None:
    """A conversion counts to the layer that reads first, or to that which wrote."""
    of = readers[0] if readers else image.writers[0]
    copy_layer(of, op)
    if OP in of.attributes:
        op.attributes[OP] = of.attributes[OP]
    Rewriter.insert_op(op, place)


class Buffers(dict[Layout, SSAValue]):
    """The buffers of an image, by their layout; there is one for NHWC."""

    def __init__(self, image: Image, operands: Sequence[tuple[KernelOp, SSAValue, Layout]]) -> None:
        super().__init__()
        first = image.writers[0] if image.writers else image.readers[0]
        conversion = image.conversions[0] if image.conversions else None
        self.place = InsertPoint.before(first)
        if conversion is not None and not image.writers and conversion.is_before_in_block(first):
            self.place = InsertPoint.before(conversion)
        self[None] = self._nhwc(image, operands)
        for _, _, layout in operands:
            if layout is not None and layout not in self:
                self[layout] = self._new(image.shape, layout)

    def _nhwc(
        self, image: Image, operands: Sequence[tuple[KernelOp, SSAValue, Layout]]
    ) -> SSAValue:
        shown = [value for conversion in image.conversions for value in conversion.operands]
        shown += [value for _, value, _ in operands]
        memory = memory_of(next(value for value in shown if layout_of(value.type) is None))
        if shape_of(memory.type) == image.shape:
            return memory
        # Seen from the start: who reads it now may stand in front of who showed it so before.
        view = reshaped(memory, image.shape)
        place = (
            InsertPoint.after(memory.owner)
            if isinstance(memory.owner, Operation)
            else InsertPoint.at_start(memory.owner)
        )
        Rewriter.insert_op(view, place)
        return view.result

    def _new(self, shape: tuple[int, ...], layout: ChannelMajor) -> SSAValue:
        memory = memref.AllocOp.get(i8, None, [layout.bytes(shape)])
        view = laid_out(memory.memref, shape, layout)
        for op in (memory, view):
            Rewriter.insert_op(op, self.place)
        return view.result


def lay_out_anew(
    table: Globals, op: rt.ConvolvePixelsOp, before: ChannelMajor, after: ChannelMajor
) -> None:
    """The weights of a call whose input lies otherwise than they were laid out for."""
    shape, dilations = shape_of(op.input.type), op.window.data.dilations
    old, new = (taps_of(layout, shape, op.kernel_size, dilations) for layout in (before, after))
    names = ("rows", "steps", "values")
    given: dict[str, SSAValue] = {name: getattr(op, name) for name in names}
    rows, steps, values = (constant_of(value) for value in given.values())
    arrays = pack_pixel_rows(*unpack_pixel_rows(rows, steps, values, old), new)
    for name, value in given.items():
        get = memory_of(value).owner
        assert isinstance(get, memref.GetGlobalOp)
        constant = qnn.ConstantOp(arrays[name], StringAttr(get.name_.string_value()))
        Rewriter.insert_op(constant, InsertPoint.before(op))
        op.operands = [constant.result if each is value else each for each in op.operands]
        table.replace(constant)


def remove_unused(module: ModuleOp, function: func.FuncOp) -> None:
    """Buffers, views of them and constants that nobody reads any more."""
    kinds = (memref.AllocOp, memref.ReinterpretCastOp, memref.GetGlobalOp)
    for op in reversed(list(function.body.block.ops)):
        if isinstance(op, kinds) and not op.results[0].uses:
            Rewriter.erase_op(op)
    read = {op.name_.string_value() for op in module.walk() if isinstance(op, memref.GetGlobalOp)}
    gone: list[Operation] = [
        op for op in module.ops if isinstance(op, memref.GlobalOp) and op.sym_name.data not in read
    ]
    for op in gone:
        Rewriter.erase_op(op)
