# SPDX-License-Identifier: Apache-2.0
"""What a kernel operation is: one call of one C function, on memrefs.

The class of a kernel op tells everything about its call: which memrefs it reads and writes, and
with which C arguments the function is called. The printer only writes that down.

How far an output may lie over a dying input is said by each operation (`safe_overlap`), from the order in which its C reads and
writes; `tests/runtime/test_overlap.py` runs each at its limit and one byte further.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
from xdsl.dialects.builtin import i8, i16, i32
from xdsl.dialects.memref import ReinterpretCastOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import IRDLOperation, traits_def
from xdsl.traits import MemoryReadEffect, MemoryWriteEffect, OpTrait
from xdsl.utils.exceptions import VerifyException

from sparsec.ir.constant import numpy_type, ui8, ui16, ui32
from sparsec.ir.layouts import layout_of
from sparsec.ir.shapes import element_type, shape_of
from sparsec.layouts.activations import Layout
from sparsec.planning.one_way import repeated
from sparsec.planning.overlap import Overlap, apart
from sparsec.quantization.params import Clamp, Requant
from sparsec.quantization.window import Window


@dataclass(frozen=True)
class CStruct:
    """A struct passed by address: `&(type){.field = value, ..}`; nested ones lie inline."""

    type: str
    fields: Mapping[str, "CArgument"]


@dataclass(frozen=True)
class CPointer:
    """A buffer passed as `(type)buffer`, where the C field is not const although it is not written, or takes other
    elements than it has."""

    type: str
    value: SSAValue


@dataclass(frozen=True)
class CArray:
    """The member of a struct that is an array, its first items; the others are zeros."""

    items: Sequence["CArgument"]


@dataclass(frozen=True)
class CFunction:
    """A function of the runtime that is passed to another one."""

    name: str


CArgument: TypeAlias = "int | SSAValue | CPointer | CStruct | CArray | CFunction"

C_ELEMENT_TYPES: Mapping[Attribute, str] = {
    i8: "int8_t",
    i16: "int16_t",
    i32: "int32_t",
    ui8: "uint8_t",
    ui16: "uint16_t",
    ui32: "uint32_t",
}


def c_element_type(type: Attribute) -> str:
    """The C type of the elements of a memref."""
    return C_ELEMENT_TYPES[element_type(type)]


@dataclass(frozen=True)
class ReadsNhwc(OpTrait):
    """Operands of a kernel have no layout but those that it names, and what memory they show is as large as they are."""

    def verify(self, op: Operation) -> None:
        assert isinstance(op, KernelOp)
        able = op.laid_out()
        if len({_without_fill(layout_of(value.type)) for value in op.bytewise()}) > 1:
            raise VerifyException(f"operands of {op.name} must have the same layout")
        for value in op.operands:
            if layout_of(value.type) is None:
                continue
            if value not in able:
                raise VerifyException(f"{op.name} reads NHWC, not {value.type}")
            if isinstance(view := value.owner, ReinterpretCastOp):
                has, needs = byte_count(view.source.type), byte_count(value.type)
                if has != needs:
                    raise VerifyException(f"{value.type} takes {needs} bytes, not {has}")


def _without_fill(layout: Layout) -> Layout:
    return None if layout is None else replace(layout, fill=0)


class KernelOp(IRDLOperation, ABC):
    """A call of the C function `C_FUNCTION`, declared in the header `HEADER`."""

    HEADER: ClassVar[str]
    C_FUNCTION: ClassVar[str]

    traits = traits_def(MemoryReadEffect(), MemoryWriteEffect(), ReadsNhwc())

    @abstractmethod
    def c_arguments(self) -> Sequence[CArgument]:
        """The arguments of the call, in the order of the C prototype."""

    @abstractmethod
    def written(self) -> Sequence[SSAValue]:
        """The operands the function writes: its outputs and its scratch memory."""

    def bytewise(self) -> Sequence[SSAValue]:
        """The operands of which a byte of the output is made of those in the same place, whatever they are: they may have
        any layout, if all have the same, but for what is in the gaps."""
        return ()

    def laid_out(self) -> Sequence[SSAValue]:
        """The operands that may have another layout than NHWC."""
        return self.bytewise()

    def callbacks(self) -> Sequence[str]:
        """The C functions that are passed to it, which it calls."""
        return ()

    def span_written(self, output: SSAValue) -> tuple[int, int]:
        """The bytes of its operand `output` that the function writes: from where on, and how many."""
        return 0, byte_count(output.type)

    def in_step(self) -> Sequence[SSAValue]:
        """The operands of which the function reads no byte any more once it has written the one at that place of the first
        that it writes."""
        return ()

    def safe_overlap(self, output: SSAValue, input: SSAValue) -> Overlap:
        """How what the function writes to its operand `output` may lie over its operand `input`, if nobody reads that
        again. Said of each pair alone: other operands lie apart, or have an overlap of their own."""
        sizes = byte_count(output.type), byte_count(input.type)
        if output is self.written()[0] and input in self.in_step():
            return repeated(*sizes)
        return apart(*sizes)


class CmsisOp(KernelOp, ABC):
    """A function of CMSIS-NN."""

    HEADER: ClassVar[str] = "arm_nnfunctions.h"


class RuntimeOp(KernelOp, ABC):
    """A function of the runtime."""

    HEADER: ClassVar[str] = "sparsec.h"


def dims(n: int, h: int, w: int, c: int) -> CStruct:
    """CMSIS-NN's shape of a tensor."""
    return CStruct("cmsis_nn_dims", {"n": n, "h": h, "w": w, "c": c})


def image_dims(type: Attribute) -> CStruct:
    """`dims` of an NHWC buffer."""
    n, h, w, c = shape_of(type)
    return dims(n, h, w, c)


def right_aligned(values: Sequence[int], fill: int) -> tuple[int, int, int, int]:
    """Up to four numbers, one for each axis, `fill` for those in front."""
    n, h, w, c = (*(fill,) * (4 - len(values)), *values)
    return n, h, w, c


def four_axes(values: Sequence[int], fill: int) -> CStruct:
    """`right_aligned` as a struct."""
    return dims(*right_aligned(values, fill))


def context(scratch: SSAValue | None) -> CStruct:
    """CMSIS-NN's function context: the scratch buffer and its bytes."""
    if scratch is None:
        return CStruct("cmsis_nn_context", {"buf": 0, "size": 0})
    (size,) = shape_of(scratch.type)
    return CStruct("cmsis_nn_context", {"buf": scratch, "size": size})


def tile(height_width: tuple[int, int]) -> CStruct:
    """CMSIS-NN's pair of a width and a height."""
    return CStruct("cmsis_nn_tile", {"w": height_width[1], "h": height_width[0]})


def activation(clamp: Clamp) -> CStruct:
    """CMSIS-NN's clamp."""
    return CStruct("cmsis_nn_activation", {"min": clamp[0], "max": clamp[1]})


def convolution_params(requant: Requant, window: Window, ch_mult: int | None = None) -> CStruct:
    """CMSIS-NN's numbers of a convolution, of a depthwise one if it has a channel multiplier."""
    own = {} if ch_mult is None else {"ch_mult": ch_mult}
    return CStruct(
        "cmsis_nn_conv_params" if ch_mult is None else "cmsis_nn_dw_conv_params",
        {
            "input_offset": -requant.input_zp,
            "output_offset": requant.output_zp,
            **own,
            "stride": tile(window.strides),
            # Bottom and right padding follow from the shape of the output.
            "padding": tile((window.padding[0], window.padding[1])),
            "dilation": tile(window.dilations),
            "activation": activation(requant.clamp),
        },
    )


def per_channel(multiplier: SSAValue, shift: SSAValue) -> CStruct:
    """CMSIS-NN's per-channel multipliers; its fields are not const although they are only read."""
    return CStruct(
        "cmsis_nn_per_channel_quant_params",
        {
            "multiplier": CPointer("int32_t *", multiplier),
            "shift": CPointer("int32_t *", shift),
        },
    )


def element_count(type: Attribute) -> int:
    """The number of elements of a memref."""
    count = 1
    for size in shape_of(type):
        count *= size
    return count


def element_dtype(type: Attribute) -> np.dtype[Any]:
    """The numpy type of the elements of a memref."""
    return numpy_type(element_type(type))


def byte_count(type: Attribute) -> int:
    """The bytes of a memref, with those between its elements."""
    if (layout := layout_of(type)) is not None:
        return layout.bytes(shape_of(type))
    return element_count(type) * element_dtype(type).itemsize
