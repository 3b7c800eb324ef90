# SPDX-License-Identifier: Apache-2.0
"""The runtime's kernels and CMSIS-NN's, built for this machine and called through ctypes.

Our files are built with the undefined-behaviour sanitizer, which aborts on the first finding; the
address sanitizer cannot be loaded into a running Python, so guard bytes round every output and
scratch buffer take its place here (whole networks run under both in the end-to-end tests).
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sparsec.run.object_cache import Folders
from tests.shared_library import shared_library

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]

RUNTIME = Path(__file__).parents[2] / "runtime"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
GUARD_BYTES = 64
GUARD = 0x5A


class Struct(ctypes.Structure):
    """A C struct; equal layouts of CMSIS-NN's are below, under their names there."""


class Tile(Struct):
    _fields_ = [("w", ctypes.c_int32), ("h", ctypes.c_int32)]


class Dims(Struct):
    _fields_ = [(name, ctypes.c_int32) for name in "nhwc"]


class Activation(Struct):
    _fields_ = [("min", ctypes.c_int32), ("max", ctypes.c_int32)]


class Context(Struct):
    _fields_ = [("buf", ctypes.c_void_p), ("size", ctypes.c_int32)]
    scratch: "Guarded"


class PerTensorQuantParams(Struct):
    _fields_ = [("multiplier", ctypes.c_int32), ("shift", ctypes.c_int32)]


class PerChannelQuantParams(Struct):
    _fields_ = [("multiplier", ctypes.c_void_p), ("shift", ctypes.c_void_p)]


class ConvParams(Struct):
    _fields_ = [
        ("input_offset", ctypes.c_int32),
        ("output_offset", ctypes.c_int32),
        ("stride", Tile),
        ("padding", Tile),
        ("dilation", Tile),
        ("activation", Activation),
    ]


class DwConvParams(Struct):
    _fields_ = [
        ("input_offset", ctypes.c_int32),
        ("output_offset", ctypes.c_int32),
        ("ch_mult", ctypes.c_int32),
        ("stride", Tile),
        ("padding", Tile),
        ("dilation", Tile),
        ("activation", Activation),
    ]


class FcParams(Struct):
    _fields_ = [
        ("input_offset", ctypes.c_int32),
        ("filter_offset", ctypes.c_int32),
        ("output_offset", ctypes.c_int32),
        ("activation", Activation),
    ]


@dataclass
class Guarded:
    """A buffer between guard bytes, filled with garbage, at an address divisible by 64."""

    size: int

    def __post_init__(self) -> None:
        whole = np.full(self.size + 2 * GUARD_BYTES + 64, GUARD, np.uint8)
        start = -whole.ctypes.data % 64
        self._whole = whole[start : start + self.size + 2 * GUARD_BYTES]
        self.bytes: Int8 = self._whole[GUARD_BYTES : GUARD_BYTES + self.size].view(np.int8)
        self.bytes[:] = np.arange(self.size) * 37 % 251 - 128

    def check(self) -> None:
        before, after = self._whole[:GUARD_BYTES], self._whole[GUARD_BYTES + self.size :]
        assert (before == GUARD).all(), "the kernel wrote before its buffer"
        assert (after == GUARD).all(), "the kernel wrote behind its buffer"


def pointer(argument: object) -> object:
    """What ctypes passes for `argument`: arrays and structs by address, int as int32_t."""
    match argument:
        case np.ndarray():
            assert argument.flags.c_contiguous
            return ctypes.c_void_p(argument.ctypes.data)
        case Guarded():
            return ctypes.c_void_p(argument.bytes.ctypes.data)
        case Struct():
            return ctypes.byref(argument)
        case int():
            return ctypes.c_int32(argument)
        case _:
            return argument


class KernelLibrary:
    """A shared library of kernels."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._library = ctypes.CDLL(str(path))

    def address(self, function: str) -> ctypes.c_void_p:
        """Of a C function, for another one to call."""
        return ctypes.cast(self._library[function], ctypes.c_void_p)

    def call(self, function: str, *arguments: object) -> int:
        """Call a C function and check that it left its constant arrays and all guards alone."""
        arrays = [cast(NDArray[Any], a) for a in arguments if isinstance(a, np.ndarray)]
        before = [array.copy() for array in arrays]
        result: int = self._library[function](*(pointer(argument) for argument in arguments))
        for argument in arguments:
            if isinstance(argument, Guarded):
                argument.check()
            if isinstance(argument, Context) and argument.size:
                argument.scratch.check()
        for array, copy in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, copy)
        return result


def build(
    sources: Sequence[Path],
    cmsis_nn: Path,
    output: Path,
    flags: Sequence[str],
    link: Sequence[Path | str] = (),
) -> KernelLibrary:
    """`link` are options and libraries for the linker."""
    folders = Folders((RUNTIME / "include",), (cmsis_nn / "Include",))
    shared_library(sources, ("-std=c11", *flags), folders, output, link)
    return KernelLibrary(output)


def build_runtime(
    cmsis_nn: Path,
    output: Path,
    library: Path,
    others: Sequence[Path] = (),
    link: Sequence[Path | str] = (),
) -> KernelLibrary:
    """`library` is what `build_cmsis_nn` made; `others` are more sources, `link` options for the linker."""
    sanitizer = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
    sources = [*sorted((RUNTIME / "src").glob("*.c")), *others]
    flags = ("-O1", "-g", *WARNINGS, *sanitizer)
    return build(sources, cmsis_nn, output, flags, (*sanitizer, *link, library))


def build_cmsis_nn(cmsis_nn: Path, output: Path) -> KernelLibrary:
    source = cmsis_nn / "Source"
    sources = [
        source / "BasicMathFunctions" / "arm_elementwise_add_s8.c",
        *(source / "ConvolutionFunctions").glob("arm_convolve*_s8*.c"),
        *(source / "ConvolutionFunctions").glob("arm_depthwise_conv*_s8*.c"),
        *(source / "ConvolutionFunctions").glob("arm_nn_mat_mult_*s8*.c"),
        *(source / "FullyConnectedFunctions").glob("*_s8.c"),
        *(source / "PoolingFunctions").glob("*_s8.c"),
        *(source / "NNSupportFunctions").glob("arm_nn_*mat_mul*_s8.c"),
        *(source / "NNSupportFunctions").glob("arm_nn_depthwise*_s8.c"),
        *(source / "NNSupportFunctions").glob("arm_*_with_offset.c"),
    ]
    # -fwrapv: a requantized value beyond 32 bits wraps, as it does on the cores CMSIS-NN is for.
    return build(sorted(sources), cmsis_nn, output, ("-O1", "-w", "-fwrapv"))


def per_channel(multipliers: Int32, shifts: Int32) -> PerChannelQuantParams:
    """The struct for arrays that the caller keeps alive."""
    return PerChannelQuantParams(multipliers.ctypes.data, shifts.ctypes.data)


def context(scratch: Guarded) -> Context:
    result = Context(scratch.bytes.ctypes.data, scratch.size)
    result.scratch = scratch  # the address alone would not keep it alive
    return result


def fold_input_offset(bias: Int32, weights: Int8, input_offset: int) -> Int32:
    """The bias our kernels take, for weights [outputs, ...]."""
    sums: NDArray[Any] = weights.reshape(len(weights), -1).sum(axis=1, dtype=np.int64)
    folded = bias + input_offset * sums
    assert np.abs(folded).max() < 2**31
    return folded.astype(np.int32)
