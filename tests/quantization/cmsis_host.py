# SPDX-License-Identifier: Apache-2.0
"""CMSIS-NN compiled for the host and called with the arguments of `sparsec.quantization.int8`.

The rule: a method here has the name, the arguments and the result of the operator it is compared with.
"""

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsec.quantization.arrays import Int8Array, Int32Array
from sparsec.quantization.int8 import output_size
from sparsec.run.object_cache import Folders
from tests.shared_library import shared_library

_GUARD = 64


def build_library(cmsis_nn: Path, destination: Path) -> Path:
    """Compile all of CMSIS-NN, its scalar paths, into a shared object at `destination`."""
    sources = sorted((cmsis_nn / "Source").rglob("*.c"))
    # -fwrapv: requantize multiplies by a power of two and may leave int32.
    flags = ("-std=c11", "-O1", "-w", "-fwrapv")
    return shared_library(sources, flags, Folders((cmsis_nn / "Include",)), destination)


def _struct(name: str, *fields: Any) -> type[ctypes.Structure]:
    """A struct whose members are int32 unless they are given as (name, type)."""
    members = [(f, ctypes.c_int32) if isinstance(f, str) else f for f in fields]
    return type(name, (ctypes.Structure,), {"_fields_": members})


_Tile = _struct("cmsis_nn_tile", "w", "h")
_Dims = _struct("cmsis_nn_dims", "n", "h", "w", "c")
_Activation = _struct("cmsis_nn_activation", "min", "max")
_Context = _struct("cmsis_nn_context", ("buf", ctypes.c_void_p), "size")
_PerTensor = _struct("cmsis_nn_per_tensor_quant_params", "multiplier", "shift")
_PerChannel = _struct(
    "cmsis_nn_per_channel_quant_params", ("multiplier", ctypes.c_void_p), ("shift", ctypes.c_void_p)
)
_TILES = (("stride", _Tile), ("padding", _Tile), ("dilation", _Tile), ("activation", _Activation))
_Conv = _struct("cmsis_nn_conv_params", "input_offset", "output_offset", *_TILES)
_DwConv = _struct("cmsis_nn_dw_conv_params", "input_offset", "output_offset", "ch_mult", *_TILES)
_Pool = _struct("cmsis_nn_pool_params", *(tile for tile in _TILES if tile[0] != "dilation"))
_FC = _struct(
    "cmsis_nn_fc_params",
    *("input_offset", "filter_offset", "output_offset"),
    ("activation", _Activation),
)


def _pointer(array: npt.NDArray[Any] | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def _ref(value: Any) -> Any:
    return ctypes.byref(value)


def _tile(pair: tuple[int, int]) -> ctypes.Structure:
    return _Tile(pair[1], pair[0])


class _Output:
    """An output buffer between two guards, which must be untouched when it is taken."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._memory = np.full(int(np.prod(shape)) + 2 * _GUARD, 99, np.int8)

    @property
    def pointer(self) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._memory.ctypes.data + _GUARD)

    def take(self) -> Int8Array:
        assert (self._memory[:_GUARD] == 99).all(), "wrote before the output"
        assert (self._memory[-_GUARD:] == 99).all(), "wrote beyond the output"
        return self._memory[_GUARD:-_GUARD].reshape(self._shape)


class CmsisNn:
    """The functions of one compiled library. A failing status is an AssertionError."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def convolve(
        self, x: Int8Array, w: Int8Array, bias: Int32Array | None = None, **params: Any
    ) -> Int8Array:
        return self._convolve("arm_convolve_wrapper_s8", _Conv(), x, w, bias, w.shape[0], params)

    def depthwise_convolve(
        self, x: Int8Array, w: Int8Array, bias: Int32Array | None = None, **params: Any
    ) -> Int8Array:
        struct = _DwConv(ch_mult=w.shape[3] // x.shape[3])
        name = "arm_depthwise_conv_wrapper_s8"
        return self._convolve(name, struct, x, w, bias, w.shape[3], params)

    def _convolve(
        self,
        name: str,
        struct: Any,
        x: Int8Array,
        w: Int8Array,
        bias: Int32Array | None,
        channels: int,
        params: dict[str, Any],
    ) -> Int8Array:
        x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
        dilations = params["dilations"]
        struct.input_offset = -params["input_zp"]
        struct.output_offset = params["output_zp"]
        struct.dilation = _tile(dilations)
        self._window(struct, params)
        shape = self._shape(x, w.shape[1:3], params, dilations, channels)
        dims = _Dims(*x.shape), _Dims(*w.shape), _Dims(channels, 1, 1, channels), _Dims(*shape)
        size = getattr(self._library, f"{name}_get_buffer_size")(
            *(_ref(v) for v in (struct, dims[0], dims[1], dims[3]))
        )
        scratch = np.empty(size + 16, np.int8)
        multiplier = np.ascontiguousarray(params["multiplier"], np.int32)
        shift = np.ascontiguousarray(params["shift"], np.int32)
        scales = _PerChannel(multiplier.ctypes.data, shift.ctypes.data)
        context = _Context(scratch.ctypes.data, size)
        output = _Output(shape)
        status = getattr(self._library, name)(
            *(_ref(context), _ref(struct), _ref(scales)),
            *(_ref(dims[0]), _pointer(x), _ref(dims[1]), _pointer(w)),
            *(_ref(dims[2]), _pointer(bias), _ref(dims[3]), output.pointer),
        )
        assert status == 0
        return output.take()

    def fully_connected(
        self, x: Int8Array, w: Int8Array, bias: Int32Array | None = None, **params: Any
    ) -> Int8Array:
        x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
        activation = _Activation(*params["clamp"])
        struct = _FC(-params["input_zp"], 0, params["output_zp"], activation)
        scale = _PerTensor(params["multiplier"], params["shift"])
        n, depth, channels = x.shape[0], x.shape[1], w.shape[0]
        dims = _Dims(n, 1, 1, depth), _Dims(depth, 1, 1, channels), _Dims(1, 1, 1, channels)
        out_dims = _Dims(n, 1, 1, channels)
        context = _Context(None, 0)
        output = _Output((n, channels))
        status = self._library.arm_fully_connected_s8(
            *(_ref(context), _ref(struct), _ref(scale)),
            *(_ref(dims[0]), _pointer(x), _ref(dims[1]), _pointer(w)),
            *(_ref(dims[2]), _pointer(bias), _ref(out_dims), output.pointer),
        )
        assert status == 0
        return output.take()

    def add(self, a: Int8Array, b: Int8Array, **params: Any) -> Int8Array:
        a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
        first = [params[f"input1_{word}"] for word in ("multiplier", "shift")]
        second = [params[f"input2_{word}"] for word in ("multiplier", "shift")]
        last = [params[f"output_{word}"] for word in ("zp", "multiplier", "shift")]
        output = _Output(a.shape)
        status = self._library.arm_elementwise_add_s8(
            *(_pointer(a), _pointer(b)),
            *(-params["input1_zp"], *first, -params["input2_zp"], *second, params["left_shift"]),
            *(output.pointer, *last, *params["clamp"], a.size),
        )
        assert status == 0
        return output.take()

    def max_pool(self, x: Int8Array, **params: Any) -> Int8Array:
        return self._pool("arm_max_pool_s8", x, params)

    def avg_pool(self, x: Int8Array, **params: Any) -> Int8Array:
        return self._pool("arm_avgpool_s8", x, params)

    def _pool(self, name: str, x: Int8Array, params: dict[str, Any]) -> Int8Array:
        x = np.ascontiguousarray(x)
        struct = _Pool()
        self._window(struct, params)
        shape = self._shape(x, params["kernel"], params, (1, 1), x.shape[3])
        dims = _Dims(*x.shape), _Dims(1, *params["kernel"], 1), _Dims(*shape)
        scratch = np.empty(4 * x.shape[3], np.int8)
        context = _Context(scratch.ctypes.data, scratch.size)
        output = _Output(shape)
        status = getattr(self._library, name)(
            *(_ref(context), _ref(struct), _ref(dims[0]), _pointer(x)),
            *(_ref(dims[1]), _ref(dims[2]), output.pointer),
        )
        assert status == 0
        return output.take()

    def softmax(self, x: Int8Array, *, multiplier: int, shift: int, diff_min: int) -> Int8Array:
        x = np.ascontiguousarray(x)
        output = _Output(x.shape)
        rows, row = x.size // x.shape[-1], x.shape[-1]
        self._library.arm_softmax_s8(
            _pointer(x), rows, row, multiplier, shift, diff_min, output.pointer
        )
        return output.take()

    @staticmethod
    def _window(struct: Any, params: dict[str, Any]) -> None:
        struct.stride = _tile(params["strides"])
        struct.padding = _tile(params["padding"][:2])
        struct.activation = _Activation(*params["clamp"])

    @staticmethod
    def _shape(
        x: Int8Array,
        kernel: tuple[int, ...],
        params: dict[str, Any],
        dilations: tuple[int, int],
        channels: int,
    ) -> tuple[int, int, int, int]:
        (top, left, bottom, right), strides = params["padding"], params["strides"]
        height = output_size(x.shape[1], kernel[0], strides[0], top, bottom, dilations[0])
        width = output_size(x.shape[2], kernel[1], strides[1], left, right, dilations[1])
        return x.shape[0], height, width, channels
