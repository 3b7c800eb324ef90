# SPDX-License-Identifier: Apache-2.0
"""A file of TensorFlow Lite with its sparse weights compressed, or expanded again, and all else as it was.

Writes what `compress_tflite` of dCSR writes, but for what that one does wrong: a layer is compressed where that takes fewer
bytes, not from 70 % zeros on; old files are understood; weights that others read as they are stay; data keeps the 16 bytes
of alignment that the schema asks for. Needs the package ai-edge-litert, whose schema can write all of a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite.compressed_weights import (
    METHODS,
    NNZE_FIELD,
    SPARSITY_FIELD,
    CompressedTable,
    compressed,
    matrix_shape,
)
from sparsec.frontends.tflite.model import Array, Model, Tensor
from sparsec.frontends.tflite.reader import IDENTIFIER, read_model, refusing_nonsense

_ALIGNMENT = 16
_TABLE_BYTES = 96
"""What two tables with five lists take besides the numbers, alignment included, at most."""


@dataclass(frozen=True)
class Candidate:
    """Weights that a sparse kernel of dCSR could read: int8 [.., columns] of a fully connected layer or a 1x1 convolution."""

    tensor: Tensor
    weights: Array

    @property
    def matrix(self) -> Array:
        return self.weights.reshape(matrix_shape(self.weights.shape))

    @property
    def zeros(self) -> float:
        """The share of weights that are zero."""
        return 1 - np.count_nonzero(self.weights) / self.weights.size


@dataclass(frozen=True)
class Rewritten:
    """What became of a candidate: its bytes as they are now."""

    candidate: Candidate
    stored_bytes: int
    is_compressed: bool


def candidates(model: Model) -> Iterator[Candidate]:
    """The weights that could be compressed, in the order of the file."""
    readers: dict[int, list[bool]] = {}
    for operator in model.operators:
        for place, tensor in enumerate(operator.inputs):
            is_weights = place == 1 and operator.name in ("FULLY_CONNECTED", "CONV_2D")
            readers.setdefault(tensor, []).append(is_weights)
    for index, mine in sorted(readers.items()):
        tensor = model.tensors[index] if index >= 0 else None
        if tensor is None or tensor.data is None or not all(mine) or index in model.outputs:
            continue
        shape = tensor.shape
        is_point = len(shape) == 2 or (len(shape) == 4 and shape[1:3] == (1, 1))
        if tensor.dtype == "INT8" and is_point and not tensor.zero_points.any():
            yield Candidate(tensor, tensor.data)


def rewritten(content: bytes, method: str) -> tuple[bytes, list[Rewritten]]:
    """The file `content` with its weights compressed by `method`: "dcsr", "rle", or "none" to have all of them dense.

    Raises FrontendError where the file is damaged or cannot be understood, ImportError without ai-edge-litert.
    """
    schema = writer()
    model = read_model(content)
    with refusing_nonsense():  # the package reads more of the file than the network
        file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    tensors = file.subgraphs[0].tensors
    shared = _shared_buffers(file)
    done: list[Rewritten] = []
    for tensor, object in zip(model.tensors, tensors, strict=True):
        if object.sparsity is not None and tensor.data is not None:
            if object.buffer in shared:
                raise FrontendError(f"two tensors share the compressed bytes of {tensor.title}")
            object.sparsity = None
            file.buffers[object.buffer].data = _bytes(tensor.data)
    for candidate in candidates(model):
        object = tensors[candidate.tensor.index]
        dense = candidate.weights.size
        packed = None
        if method != "none" and object.buffer not in shared:
            packed = _profitable(candidate.weights, method)
        if packed is None:
            done.append(Rewritten(candidate, dense, is_compressed=False))
            continue
        values, table = packed
        file.buffers[object.buffer].data = _bytes(values)
        object.sparsity = _Sparsity(table)
        done.append(Rewritten(candidate, _size(values, table), is_compressed=True))
    for buffer in file.buffers:
        buffer.Pack = _AlignedBuffer(schema, buffer).pack
    builder: Any = flatbuffers.Builder(len(content))
    with refusing_nonsense():
        builder.Finish(file.Pack(builder), IDENTIFIER)
    return bytes(builder.Output()), done


def writer() -> Any:
    """The schema with objects that hold all of a file. Raises ImportError, saying what to install."""
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise ImportError(
            "writing .tflite files needs ai-edge-litert: pip install sparsec[litert]"
        ) from error
    return schema_py_generated


def _profitable(weights: Array, method: str) -> tuple[Array, CompressedTable] | None:
    """The weights compressed; None where that takes no fewer bytes or cannot be."""
    try:
        values, table = compressed(weights, method)
    except ValueError:
        return None
    return (values, table) if _size(values, table) < weights.size else None


def _size(values: Array, table: CompressedTable) -> int:
    """The bytes of compressed weights in a file."""
    return values.nbytes + sum(each.nbytes for each in table.lists.values()) + _TABLE_BYTES


def _shared_buffers(file: Any) -> set[int]:
    """The buffers that more than one tensor has."""
    seen: set[int] = set()
    twice: set[int] = set()
    for subgraph in file.subgraphs:
        for tensor in subgraph.tensors:
            (twice if tensor.buffer in seen else seen).add(tensor.buffer)
    return twice


def _bytes(array: Array) -> Array:
    return np.frombuffer(array.tobytes(), np.uint8)


@dataclass(frozen=True)
class _AlignedBuffer:
    """Writes a buffer with its data aligned, which the package's own method does not do."""

    schema: Any
    buffer: Any

    def pack(self, b: Any) -> int:
        data = self.buffer.data
        vector = None
        if data is not None:
            b.StartVector(1, len(data), _ALIGNMENT)
            b.head -= len(data)
            b.Bytes[b.head : b.head + len(data)] = bytes(data)
            vector = b.EndVector()
        self.schema.BufferStart(b)
        if vector is not None:
            self.schema.BufferAddData(b, vector)
        return self.schema.BufferEnd(b)


@dataclass(frozen=True)
class _Sparsity:
    """Writes `SparsityParameters` with nothing but the table of dCSR."""

    table: CompressedTable

    def Pack(self, b: Any) -> int:
        vectors = [b.CreateNumpyVector(each) for each in self.table.lists.values()]
        b.StartObject(NNZE_FIELD + 1)
        for field, vector in enumerate(vectors):
            b.PrependUOffsetTRelativeSlot(field, vector, 0)
        b.PrependUint32Slot(NNZE_FIELD, self.table.nnze, 0)
        compressed = b.EndObject()
        b.StartObject(SPARSITY_FIELD + 1)
        b.PrependUOffsetTRelativeSlot(SPARSITY_FIELD, compressed, 0)
        return b.EndObject()


__all__ = ["METHODS", "Candidate", "Rewritten", "candidates", "rewritten", "writer"]
