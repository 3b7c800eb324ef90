# SPDX-License-Identifier: Apache-2.0
"""Layers that are done strip by strip: their operations, their constants, and the calls of their kernels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import MemRefType, i8, i32
from xdsl.ir import Attribute, SSAValue
from xdsl.utils.test_value import create_ssa_value

from sparsec.formats import Delta8
from sparsec.ir import cmsis, rt
from sparsec.ir.constant import ui8, ui16
from sparsec.ir.kernel import KernelOp
from sparsec.ir.rt.strips import StripsOp, in_strips
from sparsec.kernels.convolve_delta8 import scratch_bytes as delta8_scratch
from sparsec.layouts.packed_rows import pack_rows, slab_for
from sparsec.quantization.params import Requant
from sparsec.quantization.window import Window
from sparsec.targets import scratch
from sparsec.targets.cpu import VectorUnit
from tests.runtime.kernel_library import (
    Activation,
    Context,
    ConvParams,
    Dims,
    DwConvParams,
    Guarded,
    Int8,
    Int32,
    KernelLibrary,
    Struct,
    Tile,
    context,
    fold_input_offset,
    per_channel,
)
from tests.runtime.kernel_project import KernelProject, struct

Kind = Literal["convolve", "depthwise", "packed", "delta8"]

INPUT_OFFSET, OUTPUT_OFFSET = 3, -2


@dataclass(frozen=True)
class Numbers:
    """Multipliers and shifts of the outputs."""

    multipliers: Int32
    shifts: Int32


@dataclass(frozen=True)
class Scratch:
    """Scratch memory of so many bytes."""

    size: int


class Image(Enum):
    """Where an image lies, which the caller says."""

    INPUT = "input"
    OUTPUT = "output"


INPUT, OUTPUT = Image.INPUT, Image.OUTPUT
Argument: TypeAlias = int | Image | Struct | Numbers | Scratch | NDArray[Any]


@dataclass(frozen=True)
class StripLayer:
    """`image` is (height, width, channels), `padding` (top, left, bottom, right), the others (height, width)."""

    kind: Kind
    image: tuple[int, int, int]
    kernel: tuple[int, int]
    strip: int
    outputs: int = 0
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    sparsity: float = 0.0

    @property
    def window(self) -> Window:
        return Window(self.stride, self.padding, self.dilation)

    @property
    def output(self) -> tuple[int, int, int]:
        height, width = self.window.output_size(self.image[:2], self.kernel)
        return height, width, self.outputs or self.image[2]

    def rng(self, what: int) -> np.random.Generator:
        return np.random.default_rng([what, self.strip, *self.image])

    @cached_property
    def input(self) -> Int8:
        return self.rng(0).integers(-128, 128, self.image).astype(np.int8)

    @cached_property
    def weights(self) -> Int8:
        """As CMSIS-NN has them, none of them zero but for a share of `sparsity`."""
        outputs, channels = self.output[2], self.image[2]
        shape = (outputs, *self.kernel, channels)
        if self.kind == "depthwise":
            shape = (1, *self.kernel, outputs)
        rng = self.rng(1)
        weights = rng.integers(1, 128, shape) * rng.choice([-1, 1], shape)
        return (weights * (rng.random(shape) >= self.sparsity)).astype(np.int8)

    @cached_property
    def bias(self) -> Int32:
        return self.rng(2).integers(-5000, 5000, self.output[2]).astype(np.int32)

    @cached_property
    def numbers(self) -> Numbers:
        """Outputs spread over the int8 range."""
        taps = self.weights.size / self.output[2]
        scale = 0.4 / (74 * np.sqrt(taps)) * self.rng(3).uniform(0.5, 2, self.output[2])
        fractions, exponents = np.frexp(scale)
        multipliers = np.minimum(fractions * 2.0**31, 2**31 - 1)
        return Numbers(multipliers.astype(np.int32), exponents.astype(np.int32))

    @cached_property
    def rows(self) -> Int32:
        """The stream of a packed layer."""
        slab = slab_for(self.window, self.output[:2], self.kernel, self.image[2])
        numbers = (self.folded_bias, self.numbers.multipliers, self.numbers.shifts)
        return pack_rows(self.weights, *numbers, self.window, slab)

    @cached_property
    def folded_bias(self) -> Int32:
        return fold_input_offset(self.bias, self.weights, INPUT_OFFSET)

    @cached_property
    def delta8(self) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """The arrays of weights stored as `delta8`."""
        parts = Delta8().pack(self.weights.reshape(len(self.weights), -1))
        return parts["entries"], parts["counts"]

    def plain_op(self, unit: VectorUnit = "scalar") -> KernelOp:
        """The operation for the whole layer, on a core with `unit`."""
        requant = Requant(input_zp=-INPUT_OFFSET, output_zp=OUTPUT_OFFSET)
        x, y = buffer((1, *self.image)), buffer((1, *self.output))
        size = self.scratch_bytes(unit)
        temporary = buffer((size,)) if size else None
        if self.kind == "packed":
            assert temporary is not None
            rows = buffer((len(self.rows),), i32)
            return rt.ConvolvePackedOp(x, rows, y, temporary, requant, self.window, self.kernel)
        channel = buffer((self.output[2],), i32)
        if self.kind == "delta8":
            assert temporary is not None
            entries, counts = (
                buffer(array.shape, type)
                for array, type in zip(self.delta8, (ui8, ui16), strict=True)
            )
            arrays = (entries, counts, channel, channel, channel)
            return rt.ConvolveDelta8Op(x, *arrays, y, temporary, requant, self.window, self.kernel)
        kind = cmsis.DepthwiseConvOp if self.kind == "depthwise" else cmsis.ConvolveOp
        weights = buffer(self.weights.shape)
        numbers = (channel, channel, channel)
        return kind(x, weights, *numbers, y, temporary, requant, self.window)

    def op(self, unit: VectorUnit = "scalar") -> StripsOp:
        op = in_strips(self.plain_op(unit), self.strip)
        op.verify()
        return op

    def scratch_bytes(self, unit: VectorUnit = "scalar") -> int:
        image = (1, *self.image)
        match self.kind:
            case "convolve":
                return scratch.convolve(unit, self.window, image, self.weights.shape)
            case "depthwise":
                return scratch.depthwise_convolve(unit, self.window, image, self.weights.shape)
            case "packed":
                return slab_for(self.window, self.output[:2], self.kernel, self.image[2]).bytes
            case "delta8":
                return delta8_scratch(prod(self.kernel) * self.image[2])

    def arguments(self) -> tuple[Argument, ...]:
        """Of the kernel."""
        stride, dilation = tile(self.stride), tile(self.dilation)
        padding = tile(self.padding[:2])
        activation = Activation(-128, 127)
        offsets = (INPUT_OFFSET, OUTPUT_OFFSET)
        image, output = Dims(1, *self.image), Dims(1, *self.output)
        first = Scratch(self.scratch_bytes())
        tiles = (stride, padding, dilation, activation)
        filter_ = Dims(*self.weights.shape)
        if self.kind == "packed":
            params = ConvParams(*offsets, *tiles)
            return (self.strip, first, params, image, INPUT, filter_, self.rows, output, OUTPUT)
        if self.kind == "delta8":
            params = ConvParams(*offsets, *tiles)
            return (
                *(self.strip, first, params, self.numbers, image, INPUT, filter_),
                *(*self.delta8, self.folded_bias, output, OUTPUT),
            )
        multiplier = self.output[2] // self.image[2]
        params = (
            DwConvParams(*offsets, multiplier, *tiles)
            if self.kind == "depthwise"
            else ConvParams(*offsets, *tiles)
        )
        bias = (Dims(1, 1, 1, self.output[2]), self.bias)
        return (
            *(self.strip, first, params, self.numbers, image, INPUT),
            *(filter_, self.weights, *bias, output, OUTPUT),
        )

    def expected(self, cmsis_nn: KernelLibrary) -> Int8:
        """CMSIS-NN's output of the whole layer, by its most general function."""
        sparse = self.kind in ("packed", "delta8")
        dense = replace(self, kind="convolve") if sparse else self
        output = Guarded(int(np.prod(self.output)))
        # More than any of these functions asks for.
        least = 16 * (dense.weights.size + 64) if dense.kind == "convolve" else 0
        arguments = dense.arguments()[1:]
        status = call(cmsis_nn, GENERAL[dense.kind], arguments, self.input, output, least)
        assert status == 0
        return output.bytes


GENERAL = {
    "convolve": "arm_convolve_s8",
    "depthwise": "arm_depthwise_conv_s8",
}


def buffer(shape: Sequence[int], element: Attribute = i8) -> SSAValue:
    return create_ssa_value(MemRefType(element, shape))


def tile(height_width: tuple[int, ...]) -> Tile:
    return Tile(height_width[1], height_width[0])


def call(
    library: KernelLibrary,
    function: str,
    arguments: Sequence[Argument],
    input: object,
    output: object,
    least_scratch: int = 0,
) -> int:
    """Call a kernel, with these pointers in the place of `INPUT` and `OUTPUT`."""

    def resolved(argument: Argument) -> object:
        match argument:
            case Image():
                return input if argument is INPUT else output
            case Scratch(size=size) if max(size, least_scratch) == 0:
                return Context(None, 0)
            case Scratch(size=size):
                return context(Guarded(max(size, least_scratch)))
            case Numbers():
                return per_channel(argument.multipliers, argument.shifts)
            case _:
                return argument

    return library.call(function, *map(resolved, arguments))


C_TYPES: dict[type[Struct], str] = {
    Dims: "cmsis_nn_dims",
    ConvParams: "cmsis_nn_conv_params",
    DwConvParams: "cmsis_nn_dw_conv_params",
}
AROUND = 64
"""Bytes before and behind the images on a device, which no kernel may change."""

DEVICE_MEMORY = f"""
#include <string.h>
static int8_t memory[16384];
/* The bytes from `begin` to `end` are the images; the first output is spoiled if any other byte changed. */
static void deliver(int8_t *output, int32_t from, int32_t size, int32_t end)
{{
    memcpy(output, memory + {AROUND} + from, (size_t)size);
    for (int32_t i = 0; i < end + {2 * AROUND}; i++)
    {{
        if ((i < {AROUND} || i >= end + {AROUND}) && memory[i] != 90)
        {{
            output[0] ^= 1;
        }}
    }}
}}
"""


def add_call(project: KernelProject, layer: StripLayer, distance: int) -> None:
    """Call the kernel in `DEVICE_MEMORY`, its output `distance` bytes behind its input."""
    size, source = int(np.prod(layer.output)), project.array(layer.input)
    input_at, output_at = max(0, -distance), max(0, distance)

    def written(argument: Argument) -> str:
        match argument:
            case Image():
                return f"memory + {AROUND + (input_at if argument is INPUT else output_at)}"
            case Scratch():
                return "&scratch"
            case Numbers():
                arrays = project.array(argument.multipliers), project.array(argument.shifts)
                return struct("cmsis_nn_per_channel_quant_params", *arrays)
            case np.ndarray():
                return project.array(argument)
            case Struct():
                return struct(C_TYPES[type(argument)], *initializers(argument))
            case _:
                return str(argument)

    arguments = ", ".join(map(written, layer.arguments()))
    end = max(input_at + layer.input.size, output_at + size)
    project.statements += [
        "memset(memory, 90, sizeof memory);",
        f"memcpy(memory + {AROUND + input_at}, {source}, {layer.input.size});",
        f"{layer.op().C_FUNCTION}({arguments});",
        f"deliver(arena + {project.output_bytes}, {output_at}, {size}, {end});",
    ]
    project.output_bytes += size


def initializers(struct: Struct) -> list[str]:
    """The C initializers of the fields of a struct."""
    values = [getattr(struct, field[0]) for field in type(struct)._fields_]
    return [
        f"{{{', '.join(initializers(value))}}}" if isinstance(value, Struct) else str(value)
        for value in values
    ]
