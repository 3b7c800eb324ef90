// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "plan-memory{overlap=false}" --split-input-file | filecheck %s --check-prefixes CHECK,APART
// RUN: sparsec-opt %s -p plan-memory --split-input-file | filecheck %s --check-prefixes CHECK,OVER
// RUN: sparsec-opt %s -p plan-memory,plan-memory --split-input-file | filecheck %s --check-prefixes CHECK,OVER

// The scratch buffer lies beside what is live during its call. Element by element, what is written may lie where it was
// read.

func.func @main(%x : memref<1x2x2x4xi8> {qnn.quantization = #nn.quantization<scales = [0.5]>}, %y : memref<1x1x1x4xi8> {sparsec.result, qnn.quantization = #nn.quantization<scales = [0.25]>}) {
  %b = memref.alloc() : memref<1x2x2x4xi8>
  rt.requantize_s8 %x <multiplier = 1073741824> into %b : memref<1x2x2x4xi8>, memref<1x2x2x4xi8>
  %s = memref.alloc() {alignment = 8 : i64} : memref<16xi8>
  cmsis.avgpool_s8 %b pool <kernel = [2, 2]> <> into %y scratch %s : memref<16xi8> : memref<1x2x2x4xi8>, memref<1x1x1x4xi8>
  func.return
}

// APART:      builtin.module attributes {sparsec.arena_lower_bound = 36 : i64, sparsec.arena_live_bytes = 36 : i64} {
// APART-NEXT:   func.func @main(%arena: memref<36xi8> {sparsec.inputs = [{offset = 0 : i64, type = memref<1x2x2x4xi8>, qnn.quantization = #nn.quantization<scales = [0.5]>}], sparsec.outputs = [{offset = 32 : i64, type = memref<1x1x1x4xi8>, qnn.quantization = #nn.quantization<scales = [0.25]>}]}) {
// APART:          [[B:%.*]] = arith.constant 16 : index
// APART-NEXT:     %b = memref.view %arena[[[B]]][] : memref<36xi8> to memref<1x2x2x4xi8>
// APART-NEXT:     rt.requantize_s8 %x <multiplier = 1073741824> into %b
// APART-NEXT:     [[S:%.*]] = arith.constant 0 : index

// OVER:       builtin.module attributes {sparsec.arena_lower_bound = 32 : i64, sparsec.arena_live_bytes = 36 : i64} {
// OVER-NEXT:    func.func @main(%arena: memref<32xi8>
// OVER:           %y = memref.view {{.*}} {sparsec.output = 0 : i64}
// OVER-NEXT:      [[B:%.*]] = arith.constant 0 : index
// OVER-NEXT:      %b = memref.view %arena[[[B]]][] : memref<32xi8> to memref<1x2x2x4xi8>
// OVER-NEXT:      rt.requantize_s8 %x <multiplier = 1073741824> into %b
// OVER-NEXT:      [[S:%.*]] = arith.constant 16 : index
// CHECK-NEXT:     %s = memref.view %arena[[[S]]][] : memref<{{.*}}xi8> to memref<16xi8>
// CHECK-NEXT:     cmsis.avgpool_s8 %b pool <kernel = [2, 2]> <> into %y scratch %s
// CHECK-NEXT:     func.return

// -----

// A tensor is not planned yet.

func.func @main(%x : tensor<4xi8>) -> tensor<4xi8> {
  func.return %x : tensor<4xi8>
}

// CHECK:      func.func @main(%x: tensor<4xi8>) -> tensor<4xi8> {
// CHECK-NEXT:   func.return %x
