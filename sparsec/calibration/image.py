# SPDX-License-Identifier: Apache-2.0
"""Many kernel calls in one program: what each gives, its exact instructions and its estimated cycles, from one run on QEMU.

The rule: a call is an operation, planned and printed as the compiler prints those of a network. Nobody writes C here.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects import func, memref
from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    TensorType,
    UnrealizedConversionCastOp,
    i8,
)
from xdsl.ir import Attribute, Block, Region, SSAValue

from sparsec.backends.c.folder import write_project
from sparsec.backends.cortex_m.project import emit_project
from sparsec.ir import qnn
from sparsec.ir.attributes import QUANTIZATION, TARGET
from sparsec.ir.kernel import KernelOp
from sparsec.ir.layer import set_layer
from sparsec.ir.layouts import laid_out
from sparsec.ir.quantization import QuantizationAttr
from sparsec.ir.shapes import shape_of
from sparsec.ir.views import buffer_type
from sparsec.layouts.activations import ChannelMajor
from sparsec.passes.bufferize import BufferizePass
from sparsec.passes.plan_memory import PlanMemoryPass
from sparsec.quantization.scheme import Quantization
from sparsec.run.cmsis_nn import locate
from sparsec.run.errors import ToolchainError
from sparsec.run.profile.profile import Cost, profile_project
from sparsec.run.toolchain import GCC, Cc
from sparsec.targets import scratch

Array = NDArray[Any]

NAME = "kernels"
PLAN_SECONDS = 1.0
AS_STORED = Quantization((1.0,), 0)
"""Of all inputs and results: nobody converts them."""


@dataclass(frozen=True)
class Measured:
    """The call, or the calls together, of a layer: what it takes, and the kernels that it calls."""

    cost: Cost
    kernels: tuple[str, ...]


@dataclass
class KernelImage:
    """Collects calls, each of which is a layer with a name; `arrays` are what the inputs hold."""

    block: Block = field(default_factory=Block)
    arrays: list[NDArray[np.int8]] = field(default_factory=list[NDArray[np.int8]])
    results: list[SSAValue] = field(default_factory=list[SSAValue])

    def input(self, array: NDArray[np.int8]) -> SSAValue:
        """A buffer that holds `array` when the calls begin."""
        self.arrays.append(array)
        place = len(self.block.args)
        return self._buffer(self.block.insert_arg(TensorType(i8, array.shape), place))

    def constant(self, array: Array) -> SSAValue:
        """A buffer in flash that holds `array`; equal ones are one."""
        constant = qnn.ConstantOp(np.ascontiguousarray(array))
        self.block.add_op(constant)
        return self._buffer(constant.result)

    def buffer(self, shape: Sequence[int], element: Attribute = i8) -> SSAValue:
        """A buffer that calls write."""
        return self._allocate(shape, element, None)

    def laid_out(self, shape: tuple[int, ...], layout: ChannelMajor) -> SSAValue:
        """A buffer that calls write, for an image that lies as `layout` says."""
        return self.shown(self.buffer((layout.bytes(shape),)), shape, layout)

    def shown(self, memory: SSAValue, shape: tuple[int, ...], layout: ChannelMajor) -> SSAValue:
        """A buffer of one axis as an image that lies as `layout` says."""
        self.block.add_op(view := laid_out(memory, shape, layout))
        return view.result

    def scratch(self, size: int) -> SSAValue | None:
        """Scratch memory, None where no byte is needed."""
        return self._allocate((size,), i8, scratch.ALIGNMENT) if size else None

    def call(self, op: KernelOp, layer: str) -> None:
        """Add a call, which counts to `layer`."""
        set_layer(op, layer)
        self.block.add_op(op)

    def result(self, buffer: SSAValue) -> None:
        """`buffer`, of int8, is an output of the program."""
        type = TensorType(i8, shape_of(buffer.type))
        cast = UnrealizedConversionCastOp.get([buffer], [type])
        self.block.add_op(cast)
        self.results.append(cast.results[0])

    def module(self, target: str) -> ModuleOp:
        """The calls as a module that `bufferize` takes."""
        if not self.arrays:
            self.input(np.zeros(1, np.int8))  # a program has one
        inputs = [argument.type for argument in self.block.args]
        outputs = [value.type for value in self.results]
        self.block.add_op(func.ReturnOp(*self.results))
        attribute = DictionaryAttr({QUANTIZATION: QuantizationAttr(AS_STORED)})
        main = func.FuncOp(
            "main",
            (inputs, outputs),
            Region([self.block]),
            arg_attrs=ArrayAttr([attribute] * len(inputs)),
            res_attrs=ArrayAttr([attribute] * len(outputs)),
        )
        module = ModuleOp([main])
        module.attributes[TARGET] = StringAttr(target)
        return module

    def measure(
        self, target: str, cc: Cc = GCC
    ) -> tuple[dict[str, Measured], list[NDArray[np.int8]]]:
        """Each layer by its name, and the outputs, all compiled by `cc`. The collector is empty afterwards.

        Raises RunError as `profile_project` does.
        """
        module = self.module(target)
        return measure_module(module, target, self.arrays, cc)

    def _buffer(self, value: SSAValue) -> SSAValue:
        cast = UnrealizedConversionCastOp.get([value], [buffer_type(value.type)])
        self.block.add_op(cast)
        return cast.results[0]

    def _allocate(
        self, shape: Sequence[int], element: Attribute, alignment: int | None
    ) -> SSAValue:
        alloc = memref.AllocOp.get(element, alignment, shape)
        self.block.add_op(alloc)
        return alloc.memref


def measure_module(
    module: ModuleOp, target: str, inputs: Sequence[NDArray[np.int8]], cc: Cc = GCC
) -> tuple[dict[str, Measured], list[NDArray[np.int8]]]:
    """What each layer of a module of kernel calls takes, by its name, and the outputs, all for one inference, compiled by
    `cc`.

    Raises ToolchainError without CMSIS-NN, RunError as `profile_project` does.
    """
    directory = locate()
    if directory is None:
        raise ToolchainError("CMSIS-NN is not there: python -m sparsec.run.cmsis_nn fetches it")
    context = Context()
    BufferizePass().apply(context, module)
    PlanMemoryPass(seconds=PLAN_SECONDS, overlap=False).apply(context, module)
    with tempfile.TemporaryDirectory(prefix="sparsec-") as folder:
        project = Path(folder, NAME)
        write_project(emit_project(module, directory / "Include", NAME), project)
        records = [np.ascontiguousarray(array).reshape(1, -1) for array in inputs]
        result, profile = profile_project(project, target, records, cmsis_nn=directory, cc=cc)
    found: dict[str, Measured] = {}
    for layer in profile.layers:
        before = found.get(layer.name, Measured(Cost(0, 0), ()))
        kernels = (*before.kernels, layer.kernel)
        found[layer.name] = Measured(before.cost + layer.cost, kernels)
    return found, [output[0] for output in result.outputs]


def in_parts(sizes: Sequence[int], most: int) -> Iterator[slice]:
    """Neighbours of which no part has more than `most` of what `sizes` count together, but for one that has more alone."""
    start = total = 0
    for place, size in enumerate(sizes):
        if place > start and total + size > most:
            yield slice(start, place)
            start, total = place, 0
        total += size
    if sizes:
        yield slice(start, len(sizes))
