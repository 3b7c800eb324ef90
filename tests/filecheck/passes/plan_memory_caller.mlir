// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "plan-memory{io=caller}" --split-input-file | filecheck %s
// RUN: sparsec-opt %s -p "plan-memory{io=caller},plan-memory" --split-input-file | filecheck %s

// Inputs and results stay the caller's, each seen by one view of all of it. What is written may not lie over the input.

func.func @main(%x : memref<1x2x2x4xi8> {qnn.quantization = #nn.quantization<scales = [0.5]>}, %y : memref<1x1x1x4xi8> {sparsec.result}) {
  %b = memref.alloc() : memref<1x2x2x4xi8>
  rt.requantize_s8 %x <multiplier = 1073741824> into %b : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  %s = memref.alloc() {alignment = 8 : i64} : memref<16xi8>
  cmsis.avgpool_s8 %b pool <kernel = [2, 2]> <> into %y scratch %s : memref<16xi8> : memref<1x2x2x4xi8>, memref<1x1x1x4xi8>
  func.return
}

// CHECK:      builtin.module attributes {sparsec.arena_lower_bound = 32 : i64, sparsec.arena_live_bytes = 32 : i64} {
// CHECK-NEXT:   func.func @main(%arena: memref<32xi8> {sparsec.inputs = [{offset = 0 : i64, type = memref<1x2x2x4xi8>, memory = "input", qnn.quantization = #nn.quantization<scales = [0.5]>}], sparsec.outputs = [{offset = 0 : i64, type = memref<1x1x1x4xi8>, memory = "output"}]}, %input: memref<16xi8> {sparsec.memory = "input", sparsec.caller = "input"}, %output: memref<4xi8> {sparsec.memory = "output", sparsec.caller = "output"}) {
// CHECK:          %x = memref.view %input[%{{.*}}][] {sparsec.input = 0 : i64} : memref<16xi8> to memref<1x2x2x4xi8>
// CHECK:          %y = memref.view %output[%{{.*}}][] {sparsec.output = 0 : i64} : memref<4xi8> to memref<1x1x1x4xi8>
// CHECK:          %b = memref.view %arena
// CHECK-NEXT:     rt.requantize_s8 %x <multiplier = 1073741824> into %b
// CHECK:          %s = memref.view %arena
// CHECK-NEXT:     cmsis.avgpool_s8 %b pool <kernel = [2, 2]> <> into %y scratch %s

// -----

// With several of a kind each has its number; a network may need no arena.

func.func @main(%a : memref<1x4xi8>, %b : memref<1x4xi8>, %y : memref<1x4xi8> {sparsec.result}, %z : memref<1x4xi8> {sparsec.result}) {
  rt.requantize_s8 %a <> into %y : memref<1x4xi8>, memref<1x4xi8>
  rt.requantize_s8 %b <> into %z : memref<1x4xi8>, memref<1x4xi8>
  func.return
}

// CHECK:      func.func @main(%arena: memref<0xi8>
// CHECK-SAME:   %input0: memref<4xi8> {sparsec.memory = "input0", sparsec.caller = "input"}, %input1: memref<4xi8>
// CHECK-SAME:   %output0: memref<4xi8> {{.*}}, %output1: memref<4xi8>
