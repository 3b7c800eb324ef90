# SPDX-License-Identifier: Apache-2.0
"""Adds metadata to a file of TensorFlow Lite, every other byte of which stays as it is.

The one rule: the old file is kept whole. In a flatbuffer every offset leads towards the end, so what is written in front
of the old file can point into it. New are the root and the vectors of buffers and metadata.
"""

from typing import Any

import flatbuffers
import numpy as np
import tflite
from flatbuffers import number_types

from sparsec.frontends.errors import FrontendError
from sparsec.frontends.tflite.reader import IDENTIFIER, Reader, damaged, refusing_nonsense

_ALIGNMENT = 16
"""The schema aligns the data of buffers to so many bytes: the old file begins at a multiple of it."""

_VERSION, _BUFFERS, _METADATA, _FIELDS = 0, 4, 6, 8
"""Fields of the schema's root table and their count; all but the version are offsets."""


def with_metadata(content: bytes, name: str, data: bytes) -> bytes:
    """A copy of the file `content` that has `data` under `name`, instead of what it had there.

    The bytes of what it had remain in the file, unused. Raises FrontendError if the file is damaged.
    """
    with refusing_nonsense():
        return _with_metadata(content, name, data)


def has_metadata(content: bytes, name: str) -> bool:
    """Whether the file `content` has something under `name`. Raises FrontendError if the file is damaged."""
    with refusing_nonsense():
        reader = Reader(content)
        root = reader.root()
        entries = reader.each(root.MetadataLength(), root.Metadata)
        return any(reader.text(entry.Name()) == name for entry in entries)


def _with_metadata(content: bytes, name: str, data: bytes) -> bytes:
    reader = Reader(content)
    root = reader.root()
    buffers = [_position(table) for table in reader.each(root.BuffersLength(), root.Buffers)]
    entries = [
        _position(entry)
        for entry in reader.each(root.MetadataLength(), root.Metadata)
        if reader.text(entry.Name()) != name
    ]
    fields = _offset_fields(root, len(content))

    # A flatbuffer is written from its end: what comes first lies last.
    old = content + bytes(-len(content) % _ALIGNMENT)
    b: Any = flatbuffers.Builder(len(old) + 4096)
    b.CreateNumpyVector(np.frombuffer(old, np.uint8))

    def kept(position: int) -> int:
        """What was at `position`, as the builder counts: from the end."""
        return len(old) - position

    new_buffer = _buffer(b, data)
    fields[_BUFFERS] = _vector(b, [*map(kept, buffers), new_buffer])
    new_entry = _entry(b, name, len(buffers))
    fields[_METADATA] = _vector(b, [*map(kept, entries), new_entry])
    b.StartObject(_FIELDS)
    b.PrependUint32Slot(_VERSION, root.Version(), 0)
    for field, place in fields.items():
        is_new = field in (_BUFFERS, _METADATA)
        b.PrependUOffsetTRelativeSlot(field, place if is_new else kept(place), 0)
    b.Finish(b.EndObject(), IDENTIFIER)
    return bytes(b.Output())


def _position(table: Any) -> int:
    return table._tab.Pos


def _offset_fields(root: Any, size: int) -> dict[int, int]:
    """Where the fields of the root lead, by field; FrontendError for fields that are not known."""
    table = root._tab
    vtable = table.Pos - table.Get(number_types.SOffsetTFlags, table.Pos)
    fields: dict[int, int] = {}
    for field in range(1, (table.Get(number_types.VOffsetTFlags, vtable) - 4) // 2):
        offset = table.Offset(4 + 2 * field)
        if offset == 0:
            continue
        if field >= _FIELDS:
            raise FrontendError(
                "the file has parts that only a newer schema of TensorFlow Lite knows: "
                "convert the model with an older version"
            )
        fields[field] = table.Indirect(table.Pos + offset)
        if fields[field] >= size:
            raise damaged("an offset leads outside the file")
    return fields


def _buffer(b: Any, data: bytes) -> int:
    b.StartVector(1, len(data), _ALIGNMENT)
    for byte in reversed(data):
        b.PrependByte(byte)
    vector = b.EndVector()
    tflite.BufferStart(b)
    tflite.BufferAddData(b, vector)
    return tflite.BufferEnd(b)


def _entry(b: Any, name: str, buffer: int) -> int:
    text = b.CreateString(name)
    tflite.MetadataStart(b)
    tflite.MetadataAddName(b, text)
    tflite.MetadataAddBuffer(b, buffer)
    return tflite.MetadataEnd(b)


def _vector(b: Any, tables: list[int]) -> int:
    b.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        b.PrependUOffsetTRelative(table)
    return b.EndVector()
