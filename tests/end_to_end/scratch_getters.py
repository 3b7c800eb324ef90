# SPDX-License-Identifier: Apache-2.0
"""The scratch memory of a network's calls against what the C functions that say how much they want return for the same
arguments. On this machine CMSIS-NN has those of every vector unit.
"""

import ctypes
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.memref import GetGlobalOp
from xdsl.ir import SSAValue

from sparsec.analysis.memory.memory_plan import planned_function
from sparsec.backends.c.headers import Header, read_headers
from sparsec.backends.c.report import constants_of
from sparsec.formats import Delta8
from sparsec.ir import cmsis, rt
from sparsec.ir.kernel import CArgument, CPointer, CStruct, KernelOp, byte_count, dims
from sparsec.ir.rt.strips import STRIPS
from sparsec.ir.views import memory_of
from sparsec.run import cmsis_nn
from sparsec.run.object_cache import Folders
from sparsec.targets import scratch as scratch_sizes
from sparsec.targets.cpu import VectorUnit, cpu_named
from sparsec.targets.runtime import runtime_dir
from tests.shared_library import shared_library

Array: TypeAlias = np.ndarray[Any, Any]

SUFFIXES: Mapping[VectorUnit, str] = {"scalar": "", "dsp": "_dsp", "mve": "_mve"}
"""Of CMSIS-NN's functions; most of the runtime are the same on every core."""

PLAIN = {strips.C_FUNCTION: plain.C_FUNCTION for plain, strips in STRIPS.items()}
"""A layer strip by strip has the scratch memory of the function that it is done by."""


@dataclass(frozen=True)
class Scratch:
    """Bytes of scratch memory of one call: what it says that it gives, what the plan has, what its function wants."""

    layer: str
    given: int
    planned: int
    wanted: int

    @property
    def is_right(self) -> bool:
        """Whether all three are equal."""
        return self.given == self.planned == self.wanted


def scratch_of(module: ModuleOp, cpu: str) -> list[Scratch]:
    """The scratch memory of every call of a planned module for `cpu`, 0 bytes where there is none."""
    planned = planned_function(module)
    assert planned is not None
    constants, unit = constants_of(module), cpu_named(cpu).vector_unit
    found: list[Scratch] = []
    for op in planned.kernels:
        parameters = [name for name, _ in _header().prototypes[op.C_FUNCTION].parameters]
        arguments = dict(zip(parameters, op.c_arguments(), strict=True))
        scratch: SSAValue | None = getattr(op, "scratch", None)
        context = arguments.get("ctx")
        given = context.fields["size"] if isinstance(context, CStruct) else 0
        assert isinstance(given, int)
        found.append(
            Scratch(
                f"{op.attributes.get('layer')}: {op.name}",
                given,
                0 if scratch is None else byte_count(scratch.type),
                _bytes_wanted(op, arguments, unit, constants),
            )
        )
    return found


def _bytes_wanted(
    op: KernelOp,
    arguments: Mapping[str, CArgument],
    unit: VectorUnit,
    constants: Mapping[str, Array],
) -> int:
    """What its function says, 0 where there is none to ask."""
    header = _header()
    if isinstance(op, rt.PointDepthwiseOp):
        # The rows of a window, and the depthwise convolution of the image between.
        function = cmsis.DepthwiseConvOp.C_FUNCTION
        getter = f"{function}_get_buffer_size{SUFFIXES[unit]}"
        names = ("dw_conv_params", "filter_dims", "output_dims")
        params, *dimensions = (_c(arguments[name], header, constants) for name in names)
        image = _c(dims(*op.between), header, constants)
        values = (params, image, *dimensions)
        return op.line_bytes + _getters()[getter](*map(ctypes.byref, values))
    if isinstance(op, rt.FullyConnectedDecodedOp):
        return _decoded_at_once(op, constants)
    if unit != "scalar" and isinstance(op, rt.AttentionOp | rt.BatchMatmulOp):
        # They differ from core to core: tests/runtime/test_attention.py asks them on cores.
        if isinstance(op, rt.AttentionOp):
            return scratch_sizes.attention(unit, op.over.data)
        return scratch_sizes.batch_matmul(unit, op.depth)
    name = f"{PLAIN.get(op.C_FUNCTION, op.C_FUNCTION)}_get_buffer_size"
    name += SUFFIXES[unit] if name.startswith("arm_") else ""
    if name not in header.prototypes:
        return 0
    if name.startswith("arm_avgpool_s8"):  # the one that does not take its function's arguments
        width, channels = arguments["output_dims"], arguments["input_dims"]
        assert isinstance(width, CStruct) and isinstance(channels, CStruct)
        values = [_c(width, header, constants).w, _c(channels, header, constants).c]
    else:
        wanted = [parameter for parameter, _ in header.prototypes[name].parameters]
        values = [_c(arguments[parameter], header, constants) for parameter in wanted]
    by_reference = [v if isinstance(v, int) else ctypes.byref(v) for v in values]
    return _getters()[name](*by_reference)


def _decoded_at_once(op: rt.FullyConnectedDecodedOp, constants: Mapping[str, Array]) -> int:
    """The arrays of `delta8` of those rows that have most, for all counts of as many rows."""
    arrays: dict[str, Array] = {}
    for name, value in op.components.items():
        get = memory_of(value).owner
        assert isinstance(get, GetGlobalOp)
        arrays[name] = constants[get.name_.string_value()]
    weights = op.encoding.data.unpack(arrays, op.matrix_shape)
    rows = op.rows.value.data
    parts = (weights[first : first + rows] for first in range(0, len(weights), rows))
    return 2 * rows + max(Delta8().pack(part)["entries"].nbytes for part in parts)


def _c(argument: CArgument, header: Header, constants: Mapping[str, Array]) -> Any:
    """An argument as the C program has it: an int, a struct, or the numbers of a constant."""
    match argument:
        case int():
            return argument
        case CStruct():
            members: list[tuple[str, Any]] = [
                (name, _c(argument.fields[name], header, constants))
                for name in header.structs[argument.type]
            ]
            types: list[tuple[str, Any]] = [
                (name, ctypes.c_int32 if isinstance(value, int) else type(value))
                for name, value in members
            ]
            struct = type(argument.type, (ctypes.Structure,), {"_fields_": types})
            return struct(*(value for _, value in members))
        case _:
            value = argument.value if isinstance(argument, CPointer) else argument
            assert isinstance(value, SSAValue)
            get = memory_of(value).owner
            assert isinstance(get, GetGlobalOp)
            array = constants[get.name_.string_value()]
            return (ctypes.c_int8 * array.nbytes).from_buffer_copy(array.tobytes())


@cache
def _header() -> Header:
    include = _cmsis_nn() / "Include"
    own = runtime_dir() / "include" / "sparsec.h"
    return read_headers(include / "arm_nn_types.h", include / "arm_nnfunctions.h", own)


@cache
def _getters() -> ctypes.CDLL:
    sources = [
        *(_cmsis_nn() / "Source").rglob("*get_buffer_sizes_s8.c"),
        *(runtime_dir() / "src").glob("*get_buffer_size.c"),
    ]
    folders = Folders((_cmsis_nn() / "Include", runtime_dir() / "include"))
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "getters.so")
        shared_library(sources, ("-std=c11", "-w"), folders, library, ["-Wl,-z,lazy"])
        return ctypes.CDLL(str(library), mode=ctypes.RTLD_LOCAL)


def _cmsis_nn() -> Path:
    directory = cmsis_nn.locate()
    assert directory is not None
    return directory
