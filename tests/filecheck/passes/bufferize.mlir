// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p bufferize --split-input-file | filecheck %s

// A result is computed where the caller wants it; a constant becomes a global.

func.func @main(%x : tensor<1x4xi8> {qnn.quantization = #nn.quantization<scales = [0.5]>}) -> (tensor<1x4xi8> {qnn.quantization = #nn.quantization<scales = [0.25]>}) {
  %t = qnn.constant named "act.table" dense<7> : tensor<256xi8>
  %tb = builtin.unrealized_conversion_cast %t : tensor<256xi8> to memref<256xi8>
  %xb = builtin.unrealized_conversion_cast %x : tensor<1x4xi8> to memref<1x4xi8>
  %b = memref.alloc() : memref<1x4xi8>
  rt.lookup_s8 %xb, %tb into %b : memref<1x4xi8>, memref<256xi8>, memref<1x4xi8>
  %y = builtin.unrealized_conversion_cast %b : memref<1x4xi8> to tensor<1x4xi8>
  func.return %y : tensor<1x4xi8>
}

// CHECK:      "memref.global"() <{sym_name = "act_table", type = memref<256xi8>, {{.*}} sym_visibility = "private", constant}>
// CHECK-NEXT: func.func @main(%x: memref<1x4xi8> {qnn.quantization = #nn.quantization<scales = [0.5]>}, [[OUT:%.*]]: memref<1x4xi8> {sparsec.result, qnn.quantization = #nn.quantization<scales = [0.25]>}) {
// CHECK-NEXT:   %t = memref.get_global @act_table : memref<256xi8>
// CHECK-NEXT:   rt.lookup_s8 %x, %t into [[OUT]] : memref<1x4xi8>, memref<256xi8>, memref<1x4xi8>
// CHECK-NEXT:   func.return
// CHECK-NEXT: }

// -----

// An input, and a value that is returned twice, are copied. A reshape of the result goes the other way.

func.func @main(%x : tensor<4xi8>) -> (tensor<4xi8>, tensor<1x4xi8>, tensor<1x4xi8>) {
  %t = qnn.constant dense<7> : tensor<256xi8>
  %tb = builtin.unrealized_conversion_cast %t : tensor<256xi8> to memref<256xi8>
  %xb = builtin.unrealized_conversion_cast %x : tensor<4xi8> to memref<4xi8>
  %b = memref.alloc() : memref<4xi8>
  rt.lookup_s8 %xb, %tb into %b {layer = "act"} : memref<4xi8>, memref<256xi8>, memref<4xi8>
  %r = memref.reinterpret_cast %b to offset: [0], sizes: [1, 4], strides: [4, 1] : memref<4xi8> to memref<1x4xi8>
  %y = builtin.unrealized_conversion_cast %r : memref<1x4xi8> to tensor<1x4xi8>
  func.return %x, %y, %y : tensor<4xi8>, tensor<1x4xi8>, tensor<1x4xi8>
}

// CHECK:      "memref.global"() <{sym_name = "act_table",
// CHECK-NEXT: func.func @main(%x: memref<4xi8>, [[A:%.*]]: memref<4xi8> {sparsec.result}, [[B:%.*]]: memref<1x4xi8> {sparsec.result}, [[C:%.*]]: memref<1x4xi8> {sparsec.result}) {
// CHECK-NEXT:   [[FLAT:%.*]] = memref.reinterpret_cast [[B]] to offset: [0], sizes: [4]
// CHECK-NEXT:   %t = memref.get_global @act_table
// CHECK-NEXT:   rt.lookup_s8 %x, %t into [[FLAT]]
// CHECK-NEXT:   %r = memref.reinterpret_cast [[FLAT]]
// CHECK-NEXT:   rt.concatenate_s8 %x axis 0 at 0 into [[A]]
// CHECK-NEXT:   rt.concatenate_s8 %r axis 0 at 0 into [[C]]
// CHECK-NEXT:   func.return

// -----

// Buffers stay as they are.

func.func @main(%x : memref<4xi8>, %y : memref<4xi8>) {
  rt.concatenate_s8 %x axis 0 at 0 into %y : memref<4xi8>, memref<4xi8>
  func.return
}

// CHECK:      func.func @main(%x: memref<4xi8>, %y: memref<4xi8>) {
// CHECK-NEXT:   rt.concatenate_s8 %x axis 0 at 0 into %y
