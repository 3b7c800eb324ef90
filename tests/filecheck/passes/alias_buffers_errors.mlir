// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p alias-buffers --verify-diagnostics | filecheck %s

func.func @main(%x : memref<8xi8>, %y : memref<2xi8> {sparsec.result}) {
  %n = arith.constant 4 : index
  %a = memref.reinterpret_cast %x to offset: [%n], sizes: [4], strides: [1] : memref<8xi8> to memref<4xi8>
  %b = memref.alloc() : memref<2xi8>
  rt.slice_s8 %a <begin = [0], strides = [1]> into %b : memref<4xi8>, memref<2xi8>
  rt.requantize_s8 %b <> into %y : memref<2xi8>, memref<2xi8>
  func.return
}

// CHECK: the offset of a view must be a constant
