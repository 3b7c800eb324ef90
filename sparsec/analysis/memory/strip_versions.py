# SPDX-License-Identifier: Apache-2.0
"""Which strips a layer can be done in, how far its output may then lie over its input, and what that costs.

The rule: a strip is done by the code that would do the whole layer, which was found exact when the network was lowered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from typing import TypeAlias

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, ModuleOp
from xdsl.dialects.memref import GetGlobalOp, GlobalOp
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from sparsec.ir import cmsis
from sparsec.ir.constant import array_of
from sparsec.ir.kernel import KernelOp, byte_count, element_count
from sparsec.ir.rt.delta8 import Delta8ConvolutionOp
from sparsec.ir.rt.packed import FullPackedConvolutionOp
from sparsec.ir.rt.strips import STRIPS, StripsOp, geometry_of, in_strips
from sparsec.ir.shapes import image_shape, shape_of
from sparsec.ir.views import memory_of
from sparsec.kernels.cost import Cost
from sparsec.kernels.library import kernel_cost
from sparsec.kernels.stored import Stored, stored_packed
from sparsec.kernels.workload import Workload
from sparsec.planning.overlap import Geometry, Overlap
from sparsec.targets.cpu import Cpu
from sparsec.targets.scratch import becomes_convolution

Constants: TypeAlias = Mapping[str, GlobalOp]


@dataclass(frozen=True)
class StripVersion:
    """A layer by strips of `strip` rows of the output, or pixels (see `StripsOp`).

    `overlap` is that of its output and its input image, `scratch` the bytes of its scratch memory, as many as the whole
    layer has. `cost` and `plain`, that of the whole layer, are predicted.
    """

    strip: int
    overlap: Overlap
    scratch: int
    cost: Cost
    plain: Cost

    def build(self, op: KernelOp) -> StripsOp:
        """The operation that takes the place of `op`, on the same buffers."""
        return in_strips(op, self.strip)


def strip_versions(
    op: KernelOp, cpu: Cpu, constants: Constants | None = None
) -> list[StripVersion]:
    """The versions of `op`, an operation on buffers of a module that is not planned, smallest strips first.

    Their strips are powers of two. There is none that allows no overlap, nor of an operation whose cost is not known.
    `constants` are those of the module, for who asks about many operations.
    """
    if type(op) not in STRIPS or not is_done_alike(op, cpu):
        return []
    geometry = geometry_of(op)
    stored = _stored(op, constants_around(op) if constants is None else constants)
    work = _workload(op, geometry)
    plain = _cost(cpu, op.C_FUNCTION, work, stored)
    if plain is None:
        return []
    scratch: SSAValue | None = getattr(op, "scratch", None)
    temporary = 0 if scratch is None else byte_count(scratch.type)
    input, output = prod(geometry.input), prod(geometry.output)
    versions: list[StripVersion] = []
    # Powers of two, fewer rows than the output has; kernels take at least two pixels at once.
    first = 1 if geometry.is_pixelwise else 0
    for strip in (1 << power for power in range(first, (geometry.rows - 1).bit_length())):
        overlap = geometry.overlap(strip)
        cost = _cost(cpu, STRIPS[type(op)].C_FUNCTION, replace(work, strip=strip), stored)
        if overlap.bytes(output, input) and cost is not None:
            versions.append(StripVersion(strip, overlap, temporary, cost, plain))
    # Strips do the work of the whole layer, and more: what is predicted below it is an error that they share.
    missing = plain - reduce(_least, (version.cost for version in versions), plain)
    return [replace(version, cost=version.cost + missing) for version in versions]


def constants_around(op: Operation) -> Constants:
    """The constants of the module in which `op` stands, by their names."""
    module = op.get_toplevel_object()
    assert isinstance(module, ModuleOp)
    return {each.sym_name.data: each for each in module.ops if isinstance(each, GlobalOp)}


def _least(one: Cost, other: Cost) -> Cost:
    """The least of each."""
    return Cost(min(one.instructions, other.instructions), min(one.cycles, other.cycles))


def is_done_alike(op: KernelOp, cpu: Cpu) -> bool:
    """Whether the code for the whole layer is the code for its strips, which may have less padding above them."""
    match op:
        case cmsis.DepthwiseConvOp():
            # CMSIS-NN has a function for 3x3 with a border of one pixel, which is not exact for every border.
            top, left = op.window.data.padding[:2]
            height, width = shape_of(op.weights.type)[1:3]
            if cpu.vector_unit != "mve":
                return left > 1 or top <= 1 or (height, width) != (3, 3)
            # And one for rows, to which images of one channel come from v7 on, which is not exact for every row.
            channels, outputs = image_shape(op.input.type)[2], image_shape(op.output.type)[2]
            turned = becomes_convolution(cpu.vector_unit, channels, outputs, cpu.cmsis_nn)
            return not turned or height > 1
        case FullPackedConvolutionOp():
            return not op.slab.pairs_rows
        case _:
            return True


def _workload(op: KernelOp, geometry: Geometry) -> Workload:
    kind = "depthwise" if isinstance(op, cmsis.DepthwiseConvOp) else "convolution"
    strides = geometry.window.strides
    return Workload(kind, geometry.input, geometry.kernel, strides, geometry.output)


def _stored(op: KernelOp, constants: Constants) -> Stored:
    """What is stored of sparse weights."""
    match op:
        case FullPackedConvolutionOp():
            get = memory_of(op.rows).owner
            assert isinstance(get, GetGlobalOp)
            value = constants[get.name_.root_reference.data].initial_value
            assert isinstance(value, DenseIntOrFPElementsAttr)
            try:
                return stored_packed(array_of(value))
            except ValueError as error:
                name = get.name_.root_reference.data
                raise PassFailedException(
                    f"constant '{name}' holds no packed rows: {error}"
                ) from error
        case Delta8ConvolutionOp():
            return Stored(element_count(op.entries.type) // 2)
        case _:
            return Stored()


def _cost(cpu: Cpu, function: str, work: Workload, stored: Stored) -> Cost | None:
    """What a call costs, None if that is not known."""
    try:
        return kernel_cost(cpu.name, function, work, stored)
    except ValueError:
        return None
