# SPDX-License-Identifier: Apache-2.0
"""The bytes of a TensorFlow Lite file as plain data.

The one rule: every offset and length is checked against the file before it is followed, and what is
read is charged to a budget: no honest file holds more elements than bytes, however often it shares
them. The schema is that of the package `tflite`.
"""

import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any, TypeVar, cast

import numpy as np
import tflite
from flatbuffers import number_types
from flatbuffers.number_types import Int32Flags
from flatbuffers.table import Table

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite.compressed_weights import SPARSITY_FIELD, expanded, read_table
from sparsec.frontends.tflite.model import ABSENT, Array, Model, Operator, Tensor, short_name

T = TypeVar("T")

IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of every file."""

_SCHEMA_VERSION = 3
_MAX_RANK = 6
_MAX_ELEMENTS = 1 << 28
_MAX_TENSORS = 1 << 14
_MAX_OPERATORS = 1 << 12
_SPARE_BUDGET = 1 << 20
_BUDGET_FOR_EACH_BYTE = 4
_MAX_EXPANDED = 1 << 23
"""Weights that may be compressed in one file: they are not bound by its size."""

_WINDOW = ("Padding", "StrideH", "StrideW", "FusedActivationFunction")
_DILATED = (*_WINDOW, "DilationHFactor", "DilationWFactor")
_POOL = ("Pool2DOptions", (*_WINDOW, "FilterHeight", "FilterWidth"))
_SLICE = ("BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset")

_OPTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "CONV_2D": ("Conv2DOptions", _DILATED),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (*_DILATED, "DepthMultiplier")),
    "TRANSPOSE_CONV": ("TransposeConvOptions", _WINDOW),
    "FULLY_CONNECTED": ("FullyConnectedOptions", ("FusedActivationFunction", "WeightsFormat")),
    "ADD": ("AddOptions", ("FusedActivationFunction",)),
    "SUB": ("SubOptions", ("FusedActivationFunction",)),
    "MUL": ("MulOptions", ("FusedActivationFunction",)),
    "AVERAGE_POOL_2D": _POOL,
    "MAX_POOL_2D": _POOL,
    "BATCH_MATMUL": ("BatchMatMulOptions", ("AdjX", "AdjY")),
    "SOFTMAX": ("SoftmaxOptions", ("Beta",)),
    "CONCATENATION": ("ConcatenationOptions", ("Axis", "FusedActivationFunction")),
    "LEAKY_RELU": ("LeakyReluOptions", ("Alpha",)),
    "STRIDED_SLICE": ("StridedSliceOptions", _SLICE),
    "RESIZE_BILINEAR": ("ResizeBilinearOptions", ("AlignCorners", "HalfPixelCenters")),
    "RESIZE_NEAREST_NEIGHBOR": (
        "ResizeNearestNeighborOptions",
        ("AlignCorners", "HalfPixelCenters"),
    ),
}
"""The options table of each operator that has one we read, and its numbers."""

_DTYPES: dict[str, str] = {
    **{"INT8": "i1", "UINT8": "u1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8"},
    **{"FLOAT32": "<f4", "BOOL": "?"},
}
"""numpy's types for the constants an operator may ask for."""


def _names(enumeration: type) -> dict[int, str]:
    """The names of an enumeration of the schema, by number."""
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


_OUTSIDE = (
    "lie outside the flatbuffer, as in files above 2 GiB: this is no model for a microcontroller"
)

_TENSOR_TYPES = _names(tflite.TensorType)
_BUILTIN_CODE = 10
"""Where the table of an operator code says where its field of four bytes lies."""

_BUILTIN_OPERATORS = _names(tflite.BuiltinOperator)


def damaged(what: str) -> FrontendError:
    """The error for a file that contradicts itself."""
    return FrontendError(f"the TensorFlow Lite file is damaged: {what}; copy or convert it again")


class _CheckedTable(Table):
    """A table of flatbuffers that looks at no byte outside the file."""

    __slots__ = ()

    Bytes: bytes
    Pos: int

    def Get(self, flags: Any, off: int) -> Any:
        if not 0 <= off <= len(self.Bytes) - flags.bytewidth:
            raise damaged("an offset leads outside the file")
        return super().Get(flags, off)

    def Offset(self, vtableOffset: int) -> int:
        vtable = self.Pos - self.Get(number_types.SOffsetTFlags, self.Pos)
        if vtableOffset + 2 > self.Get(number_types.VOffsetTFlags, vtable):
            return 0
        return self.Get(number_types.VOffsetTFlags, vtable + vtableOffset)

    def Indirect(self, off: int) -> int:
        return off + self.Get(number_types.UOffsetTFlags, off)

    def String(self, off: int) -> bytes:
        start = self.Indirect(off)
        length = self.Get(number_types.UOffsetTFlags, start)
        self._check(start + 4, length)
        return bytes(self.Bytes[start + 4 : start + 4 + length])

    def VectorLen(self, off: int) -> int:
        start = self.Indirect(self.Pos + off)
        length = self.Get(number_types.UOffsetTFlags, start)
        self._check(start + 4, length)
        return length

    def Vector(self, off: int) -> int:
        return self.Indirect(self.Pos + off) + 4

    def GetVectorAsNumpy(self, flags: Any, off: int) -> Array:
        dtype: np.dtype[Any] = number_types.to_numpy_type(flags)
        start, length = self.Vector(off), self.VectorLen(off)
        self._check(start, length * dtype.itemsize)
        return np.frombuffer(self.Bytes, dtype, length, start)

    def _check(self, start: int, size: int) -> None:
        if not 0 <= start <= len(self.Bytes) - size:
            raise damaged("a vector reaches beyond its end")


class Reader:
    """Reads one file; `budget` is how many elements it may still hold."""

    def __init__(self, content: bytes):
        self.content = content
        self.budget = _BUDGET_FOR_EACH_BYTE * len(content) + _SPARE_BUDGET
        self.expansion = _MAX_EXPANDED

    def charge(self, elements: int) -> None:
        """Raise FrontendError once more is read than a file of this size can hold."""
        self.budget -= elements
        if self.budget < 0:
            raise damaged("its parts add up to more than the file")

    def checked(self, table: T) -> T:
        """`table`, an object of the schema, reading through checks."""
        unchecked = cast(Any, table)
        unchecked._tab = _CheckedTable(self.content, unchecked._tab.Pos)
        return table

    def each(self, length: int, get: Callable[[int], Any]) -> Iterator[Any]:
        """The tables of a vector."""
        self.charge(length)
        for index in range(length):
            yield self.checked(get(index))

    def numbers(self, vector: Any) -> Array:
        """A vector of numbers, empty if it is absent, which the schema's accessors give as 0."""
        if not isinstance(vector, np.ndarray):
            return np.zeros(0, np.int64)
        array = cast(Array, vector)
        self.charge(array.size)
        return array

    def text(self, value: bytes | None) -> str:
        """A string, which is to be UTF-8 and need not be."""
        if not value:
            return ""
        self.charge(len(value))
        return value.decode(errors="replace")

    def root(self) -> Any:
        """The table of the whole file, an object of the schema."""
        return self.checked(tflite.Model.GetRootAs(self.content, 0))

    def model(self) -> Model:
        """The file as plain data."""
        model = self.root()
        if model.Version() != _SCHEMA_VERSION:
            raise FrontendError(
                f"this is a TensorFlow Lite file of version {model.Version()}, "
                f"only version {_SCHEMA_VERSION} is known: convert the model again"
            )
        if model.SubgraphsLength() != 1:
            raise FrontendError(
                f"the model has {model.SubgraphsLength()} subgraphs and only one is supported: "
                "convert a single signature without control flow"
            )
        subgraph: Any = self.checked(model.Subgraphs(0))
        if subgraph.TensorsLength() > _MAX_TENSORS or subgraph.OperatorsLength() > _MAX_OPERATORS:
            raise FrontendError(
                f"the model has more than {_MAX_TENSORS} tensors or {_MAX_OPERATORS} operators: "
                "this is no model for a microcontroller"
            )
        buffers = [self.buffer(b) for b in self.each(model.BuffersLength(), model.Buffers)]
        tensors = tuple(
            self.tensor(index, tensor, buffers)
            for index, tensor in enumerate(self.each(subgraph.TensorsLength(), subgraph.Tensors))
        )
        codes = [
            self.operator_name(code)
            for code in self.each(model.OperatorCodesLength(), model.OperatorCodes)
        ]
        operators = tuple(
            self.operator(index, operator, codes, len(tensors))
            for index, operator in enumerate(
                self.each(subgraph.OperatorsLength(), subgraph.Operators)
            )
        )
        inputs = self.indices(subgraph.InputsAsNumpy(), len(tensors))
        outputs = self.indices(subgraph.OutputsAsNumpy(), len(tensors))
        if ABSENT in inputs or ABSENT in outputs:
            raise damaged("an input or output of the network is not a tensor")
        return Model(tensors, operators, inputs, outputs)

    def buffer(self, buffer: Any) -> Array:
        if buffer.Offset() > 1:
            raise FrontendError(f"the weights {_OUTSIDE}")
        # Not `numbers`: large and shared, charged where a tensor makes an array of it.
        data = buffer.DataAsNumpy()
        return cast(Array, data) if isinstance(data, np.ndarray) else np.zeros(0, np.uint8)

    def tensor(self, index: int, tensor: Any, buffers: list[Array]) -> Tensor:
        name = self.text(tensor.Name())
        title = f"tensor {index} ('{short_name(name)}')"
        shape = tuple(int(n) for n in self.numbers(tensor.ShapeAsNumpy()))
        signature = tuple(int(n) for n in self.numbers(tensor.ShapeSignatureAsNumpy()))
        # The converter writes the batch as unknown in the signature and as 1 in the shape.
        if min(shape, default=1) < 0 or min(signature[1:], default=1) < 0:
            raise FrontendError(
                f"{title} has a dynamic shape: convert the model with a fixed input shape"
            )
        if len(shape) > _MAX_RANK or prod(shape) > _MAX_ELEMENTS:
            raise FrontendError(f"{title} has a shape too large for a microcontroller")
        dtype = _TENSOR_TYPES.get(tensor.Type())
        if dtype is None:
            raise damaged(f"{title} has the unknown type {tensor.Type()}")
        if tensor.Buffer() >= len(buffers):
            raise damaged(f"{title} has no buffer")
        data = buffers[int(tensor.Buffer())]
        if tensor.Sparsity() is not None:
            data = self.expanded(data, self.checked(tensor.Sparsity()), dtype, shape, title)
        data = self.constant(data, dtype, shape, title)
        if data is None and 0 in shape:
            raise FrontendError(f"{title} is empty: give every axis a size of at least 1")
        scales, zero_points, dimension = self.quantization(tensor.Quantization())
        variable = bool(tensor.IsVariable())
        return Tensor(index, name, dtype, shape, data, scales, zero_points, dimension, variable)

    def expanded(
        self, data: Array, sparsity: Any, dtype: str, shape: tuple[int, ...], title: str
    ) -> Array:
        """The bytes of weights that dCSR's tool compressed."""
        table: _CheckedTable = sparsity._tab
        field = table.Offset(4 + 2 * SPARSITY_FIELD)
        if not field:
            raise FrontendError(
                f"{title} is stored in TensorFlow Lite's sparse format: convert the model without "
                "it; zeros in dense weights are found and used all the same"
            )
        if dtype != "INT8" or len(shape) < 2 or 0 in shape:
            raise damaged(f"{title} is compressed, which only int8 weights can be")
        self.expansion -= prod(shape)
        if self.expansion < 0:
            raise FrontendError("its compressed weights are too many for a microcontroller")
        compressed = read_table(_CheckedTable(self.content, table.Indirect(table.Pos + field)))
        self.charge(sum(each.size for each in compressed.lists.values()))
        try:
            weights = expanded(data, compressed, shape)
        except ValueError as error:
            raise damaged(f"the compressed weights of {title}: {error}") from None
        self.budget += weights.size  # What it takes was charged to the expansion.
        return weights.reshape(-1).view(np.uint8)

    def constant(self, data: Array, dtype: str, shape: tuple[int, ...], title: str) -> Array | None:
        """`data` as an array; what has a type of which no operator reads constants stays bytes."""
        if data.size == 0:
            return None
        if dtype not in _DTYPES:
            return data
        numpy = np.dtype(_DTYPES[dtype])
        if data.size != prod(shape) * numpy.itemsize:
            raise damaged(f"{title} needs {prod(shape) * numpy.itemsize} bytes, not {data.size}")
        self.charge(data.size)
        return np.frombuffer(data.tobytes(), numpy).reshape(shape)

    def quantization(self, parameters: Any) -> tuple[Array, Array, int]:
        if parameters is None:
            return np.zeros(0, np.float32), np.zeros(0, np.int64), 0
        parameters = self.checked(parameters)
        scales = self.numbers(parameters.ScaleAsNumpy())
        zero_points = self.numbers(parameters.ZeroPointAsNumpy())
        return scales, zero_points, int(parameters.QuantizedDimension())

    def operator_name(self, code: Any) -> str:
        """The builtin operator's name; old files have its number in a field of one byte."""
        # The package's BuiltinCode() passes over the wide field where that is small, which the kernels do not.
        table = code._tab
        field = table.Offset(_BUILTIN_CODE)
        wide = table.Get(Int32Flags, field + table.Pos) if field else 0
        number = max(int(wide), int(code.DeprecatedBuiltinCode()))
        name = _BUILTIN_OPERATORS.get(number, f"operator number {number}")
        if name != "CUSTOM":
            return name
        return f"CUSTOM '{short_name(self.text(code.CustomCode()))}'"

    def operator(self, index: int, operator: Any, codes: list[str], tensors: int) -> Operator:
        if operator.OpcodeIndex() >= len(codes):
            raise damaged(f"operator {index} is of no kind")
        if operator.LargeCustomOptionsOffset() > 1:
            raise FrontendError(f"the options of operator {index} {_OUTSIDE}")
        name = codes[int(operator.OpcodeIndex())]
        return Operator(
            index,
            name,
            self.indices(operator.InputsAsNumpy(), tensors),
            self.indices(operator.OutputsAsNumpy(), tensors),
            self.options(name, operator),
        )

    def options(self, name: str, operator: Any) -> dict[str, float]:
        """The numbers of the options table; none if it is absent or another operator's."""
        if name not in _OPTIONS:
            return {}
        kind, fields = _OPTIONS[name]
        if operator.BuiltinOptionsType() != getattr(tflite.BuiltinOptions, kind):
            return {}
        union: Any = operator.BuiltinOptions()
        if union is None:
            return {}
        table = getattr(tflite, kind)()
        table.Init(self.content, union.Pos)
        table = self.checked(table)
        return {field: getattr(table, field)() for field in fields}

    def indices(self, vector: Any, tensors: int) -> tuple[int, ...]:
        """Indices of tensors, ABSENT allowed."""
        indices = tuple(int(index) for index in self.numbers(vector))
        if not all(ABSENT <= index < tensors for index in indices):
            raise damaged("an operator or the network reads a tensor that does not exist")
        return indices


@contextmanager
def refusing_nonsense() -> Generator[None]:
    """Turns what the packages' own checks of numbers raise, for instance of an offset above 2**32, into FrontendError."""
    try:
        yield
    except FrontendError:
        raise
    except (struct.error, TypeError, ValueError, IndexError, OverflowError):
        raise damaged("an offset or length in it makes no sense") from None


def read_model(content: bytes) -> Model:
    """The model in `content`. Raises FrontendError if it is damaged or of an unsupported form."""
    with refusing_nonsense():
        return Reader(content).model()
