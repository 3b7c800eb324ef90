# SPDX-License-Identifier: Apache-2.0
"""Views that show a part of a buffer: where they lie, what they mean, how they are printed."""

import re
from pathlib import Path

import numpy as np
import pytest
from xdsl.dialects import arith, memref
from xdsl.dialects.builtin import IndexType, IntegerAttr, MemRefType, i8, i32

from sparsec.backends.cortex_m.project import emit_project
from sparsec.interpreters.run import interpret
from sparsec.ir.views import memory_of, part_of, place_in_memory, reshaped
from tests.backends.lowering import lower, parse

PARTS = """
builtin.module attributes {sparsec.name = "parts", sparsec.target = "cortex-m4"} {
  "memref.global"() <{sym_name = "tables", type = memref<2x256xi8>, initial_value = dense<TABLES> : tensor<2x256xi8>, sym_visibility = "private", constant}> : () -> ()
  func.func @main(%x : memref<2x4xi8>, %y : memref<1x8xi8> {sparsec.result}) {
    %t = memref.get_global @tables : memref<2x256xi8>
    %add = memref.reinterpret_cast %t to offset: [256], sizes: [256], strides: [1] : memref<2x256xi8> to memref<256xi8>
    %first = memref.reinterpret_cast %x to offset: [0], sizes: [4], strides: [1] : memref<2x4xi8> to memref<4xi8>
    %second = memref.reinterpret_cast %x to offset: [4], sizes: [4], strides: [1] : memref<2x4xi8> to memref<4xi8>
    %low = memref.reinterpret_cast %y to offset: [0], sizes: [4], strides: [1] : memref<1x8xi8> to memref<4xi8>
    %half = memref.reinterpret_cast %y to offset: [4], sizes: [2, 2], strides: [2, 1] : memref<1x8xi8> to memref<2x2xi8>
    %high = memref.reinterpret_cast %half to offset: [0], sizes: [4], strides: [1] : memref<2x2xi8> to memref<4xi8>
    rt.lookup_s8 %first, %add into %high : memref<4xi8>, memref<256xi8>, memref<4xi8>
    rt.lookup_s8 %second, %add into %low : memref<4xi8>, memref<256xi8>, memref<4xi8>
    func.return
  }
}
"""


def parts() -> str:
    """The first table gives zeros, the second one what is 3 higher."""
    bytes = np.zeros((2, 256), np.int8)
    bytes[1] = np.arange(-128, 128).astype(np.int8) + np.int8(3)
    return PARTS.replace("TABLES", str(bytes.tolist()))


def test_the_place_of_a_view_is_that_in_the_memory_behind_all_views():
    buffer = memref.AllocOp.get(i32, None, (4, 4)).memref
    row = part_of(buffer, 4, (2, 4))
    last = part_of(reshaped(row.result, (8,)).result, 7, (1,))
    assert last.result.type == MemRefType(i32, [1])
    assert memory_of(last.result) is buffer
    assert place_in_memory(buffer) == (buffer, 0)
    assert place_in_memory(row.result) == (buffer, 16)
    assert place_in_memory(last.result) == (buffer, 44)


def test_an_offset_that_is_computed_is_refused():
    buffer = memref.AllocOp.get(i8, None, (4,)).memref
    offset = arith.ConstantOp(IntegerAttr(1, IndexType())).result
    view = memref.ReinterpretCastOp.from_dynamic(buffer, [offset], [2], [1], MemRefType(i8, [2]))
    with pytest.raises(ValueError, match="must be a constant"):
        place_in_memory(view.result)


@pytest.mark.parametrize("planned", [False, True])
def test_what_is_written_through_a_view_lands_in_its_buffer(planned: bool):
    module = parse(parts())
    x = np.arange(8, dtype=np.int8).reshape(2, 4)
    (y,) = interpret(lower(module) if planned else module, [x])
    assert y.tolist() == [[7, 8, 9, 10, 3, 4, 5, 6]]


def test_the_addresses_of_views(cmsis_nn: Path):
    text = emit_project(lower(parse(parts())), cmsis_nn / "Include", "parts")["parts.c"]
    calls = [" ".join(call.split()) for call in re.findall(r"sparsec_lookup_s8\([^;]*;", text)]
    first, second = (re.findall(r"arena \+ (\d+)", call) for call in calls)
    input, output = int(first[0]), int(second[1])
    assert (int(first[1]), int(second[0])) == (output + 4, input + 4)
    assert all("parts_tables + 256" in call for call in calls)
