# SPDX-License-Identifier: Apache-2.0
"""Metadata is added, and nothing else of a file changes: neither a table nor a byte."""

from typing import Any, cast

import numpy as np
import pytest

from sparsec.frontends import FrontendError
from sparsec.frontends.tflite.metadata import with_metadata
from sparsec.frontends.tflite.model import Array
from sparsec.frontends.tflite.reader import Reader
from tests.frontends.tflite.support import (
    NETWORKS,
    OperatorSpec,
    TensorSpec,
    network,
    objects,
    packed,
    schema,
    write,
)

DATA = bytes(range(20))


def small() -> bytes:
    tensors = [
        TensorSpec("x", (1, 4), [0.5]),
        TensorSpec("w", (3, 4), [0.5], data=np.arange(12, dtype=np.int8)),
        TensorSpec("y", (1, 3), [0.5]),
    ]
    operator = OperatorSpec("FULLY_CONNECTED", [0, 1], [2], "FullyConnectedOptions", {})
    return write(tensors, [operator])


def plain(value: Any) -> Any:
    """All that an object of the schema holds, as data that can be compared."""
    if isinstance(value, list):
        return [plain(each) for each in cast(list[Any], value)]
    if isinstance(value, np.ndarray):
        array = cast(Array, value)
        return array.dtype.str, array.tobytes()
    fields: dict[str, Any] = getattr(value, "__dict__", {})
    if fields:
        return type(value).__name__, {name: plain(field) for name, field in fields.items()}
    return value


def rich() -> bytes:
    """A file in which every field of the root is there."""
    model = objects(small())
    model.description = b"what it is"
    model.metadataBuffer = [1, 0]
    model.buffers += [schema().BufferT(data=list(b"2.18")), schema().BufferT(data=list(b"old"))]
    model.metadata = [
        schema().MetadataT(name=name, buffer=len(model.buffers) - 2 + i % 2)
        for i, name in enumerate(["min_runtime_version", "plan", "planned", "plan"])
    ]
    tensor_map = schema().TensorMapT(name="in", tensorIndex=0)
    model.signatureDefs = [schema().SignatureDefT(inputs=[tensor_map], signatureKey="serve")]
    model.subgraphs[0].name = "main"
    return packed(model)


@pytest.mark.parametrize("name", ["small", "rich", *NETWORKS])
def test_every_table_is_kept(name: str) -> None:
    content = {"small": small, "rich": rich}[name]() if name in ("small", "rich") else network(name)
    before, after = objects(content), objects(with_metadata(content, "plan", DATA))
    *kept, entry = after.metadata
    assert entry.name == b"plan"
    assert bytes(after.buffers[entry.buffer].data) == DATA
    assert entry.buffer == len(before.buffers) == len(after.buffers) - 1
    old: list[Any] = before.metadata or []
    assert plain(kept) == plain([each for each in old if each.name != b"plan"])
    after.buffers.pop()
    before.metadata = after.metadata = None
    assert plain(after) == plain(before)


def test_the_old_file_is_kept_whole_and_aligned() -> None:
    content = small()
    for padding in (0, 1, 7):
        result = with_metadata(content + bytes(padding), "plan", DATA)
        assert result[4:8] == b"TFL3"
        assert result.find(content) % 16 == 0
        assert result.find(DATA) % 16 == 0


def test_a_new_entry_takes_the_place_of_the_old_one() -> None:
    root = Reader(with_metadata(with_metadata(small(), "plan", b"old"), "plan", DATA)).root()
    assert root.MetadataLength() == 1
    assert root.Metadata(0).Name() == b"plan"
    assert root.Buffers(root.Metadata(0).Buffer()).DataAsNumpy().tobytes() == DATA


def test_a_newer_schema_is_refused() -> None:
    model = objects(small())
    model.externalBuffers = [schema().ExternalBufferT()]
    with pytest.raises(FrontendError, match="a newer schema"):
        with_metadata(packed(model), "plan", DATA)


def test_what_leads_outside_the_file_is_refused() -> None:
    content = bytearray(rich())
    table = Reader(bytes(content)).root()._tab
    place = table.Pos + table.Offset(10)
    content[place : place + 4] = len(content).to_bytes(4, "little")
    with pytest.raises(FrontendError, match="outside the file"):
        with_metadata(bytes(content), "plan", DATA)
