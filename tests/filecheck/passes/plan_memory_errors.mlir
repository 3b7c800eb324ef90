// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p plan-memory --verify-diagnostics --split-input-file | filecheck %s

// A plan in which the second call overwrites what the third one reads.

builtin.module attributes {sparsec.arena_lower_bound = 12 : i64} {
  func.func @main(%arena : memref<12xi8> {sparsec.inputs = [{offset = 0 : i64, type = memref<4xi8>}], sparsec.outputs = [{offset = 8 : i64, type = memref<4xi8>}]}) {
    %zero = arith.constant 0 : index
    %four = arith.constant 4 : index
    %eight = arith.constant 8 : index
    %x = memref.view %arena[%zero][] {sparsec.input = 0 : i64} : memref<12xi8> to memref<4xi8>
    %a = memref.view %arena[%four][] : memref<12xi8> to memref<4xi8>
    %b = memref.view %arena[%four][] {name = "clash"} : memref<12xi8> to memref<4xi8>
    %y = memref.view %arena[%eight][] {sparsec.output = 0 : i64} : memref<12xi8> to memref<4xi8>
    rt.requantize_s8 %x <> into %a : memref<4xi8>, memref<4xi8>
    rt.requantize_s8 %x <> into %b : memref<4xi8>, memref<4xi8>
    rt.requantize_s8 %a <> into %y : memref<4xi8>, memref<4xi8>
    func.return
  }
}
// CHECK: the memory plan is wrong: call 2, rt.requantize_s8: buffer 1 no longer holds what was written to it

// -----

builtin.module attributes {sparsec.arena_lower_bound = 12 : i64} {
  func.func @main(%arena : memref<12xi8> {sparsec.inputs = [{offset = 4 : i64, type = memref<4xi8>}], sparsec.outputs = [{offset = 8 : i64, type = memref<4xi8>}]}) {
    %zero = arith.constant 0 : index
    %eight = arith.constant 8 : index
    %x = memref.view %arena[%zero][] {sparsec.input = 0 : i64} : memref<12xi8> to memref<4xi8>
    %y = memref.view %arena[%eight][] {sparsec.output = 0 : i64} : memref<12xi8> to memref<4xi8>
    rt.requantize_s8 %x <> into %y : memref<4xi8>, memref<4xi8>
    func.return
  }
}
// CHECK: the memory plan is wrong: sparsec.input 0 does not lie where it is said to

// -----

builtin.module attributes {sparsec.arena_lower_bound = 15 : i64} {
  func.func @main(%arena : memref<15xi8> {sparsec.inputs = [{offset = 0 : i64, type = memref<4xi8>}], sparsec.outputs = [{offset = 4 : i64, type = memref<4xi8>}]}) {
    %zero = arith.constant 0 : index
    %four = arith.constant 4 : index
    %eight = arith.constant 8 : index
    %nine = arith.constant 9 : index
    %x = memref.view %arena[%zero][] {sparsec.input = 0 : i64} : memref<15xi8> to memref<4xi8>
    %y = memref.view %arena[%four][] {sparsec.output = 0 : i64} : memref<15xi8> to memref<4xi8>
    %e = memref.view %arena[%eight][] : memref<15xi8> to memref<2xui8>
    %c = memref.view %arena[%nine][] : memref<15xi8> to memref<3xui16>
    rt.decode_block_rle_s8 %x as <block-rle, size = 1> columns 4 into %e, %c : memref<4xi8>, memref<2xui8>, memref<3xui16>
    rt.requantize_s8 %x <> into %y : memref<4xi8>, memref<4xi8>
    func.return
  }
}
// CHECK: the memory plan is wrong: buffer 3 at 9 is not aligned to 2 bytes

// -----

// An input that is the caller's and that a call writes to.

builtin.module attributes {sparsec.arena_lower_bound = 0 : i64} {
  func.func @main(%arena : memref<0xi8> {sparsec.inputs = [{offset = 0 : i64, type = memref<4xi8>, memory = "input"}], sparsec.outputs = [{offset = 0 : i64, type = memref<4xi8>, memory = "input"}]}, %input : memref<4xi8> {sparsec.memory = "input", sparsec.caller = "input"}) {
    %zero = arith.constant 0 : index
    %x = memref.view %input[%zero][] {sparsec.input = 0 : i64, sparsec.output = 0 : i64} : memref<4xi8> to memref<4xi8>
    rt.requantize_s8 %x <> into %x : memref<4xi8>, memref<4xi8>
    func.return
  }
}
// CHECK: the memory plan is wrong: 'input' is the caller's, and written to

// -----

// A memory that is smaller than what lies there.

builtin.module attributes {sparsec.arena_lower_bound = 8 : i64} {
  func.func @main(%a : memref<8xi8> {sparsec.memory = "a", sparsec.capacity = 7 : i64, sparsec.inputs = [{offset = 0 : i64, type = memref<4xi8>, memory = "a"}], sparsec.outputs = [{offset = 4 : i64, type = memref<4xi8>, memory = "a"}]}) {
    %zero = arith.constant 0 : index
    %four = arith.constant 4 : index
    %x = memref.view %a[%zero][] {sparsec.input = 0 : i64} : memref<8xi8> to memref<4xi8>
    %y = memref.view %a[%four][] {sparsec.output = 0 : i64} : memref<8xi8> to memref<4xi8>
    rt.requantize_s8 %x <> into %y : memref<4xi8>, memref<4xi8>
    func.return
  }
}
// CHECK: the memory plan is wrong: memory 'a' has 7 bytes, 8 are used
