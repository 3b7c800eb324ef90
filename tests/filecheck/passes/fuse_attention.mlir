// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fuse-attention,dce --split-input-file --verify-diagnostics | filecheck %s

// What only regroups heads of one matrix becomes offsets and distances.

func.func @main(%qkv : tensor<1x5x24xi8>) -> tensor<1x5x8xi8> {
  %all = qnn.reshape %qkv : tensor<1x5x24xi8> -> tensor<1x5x3x2x4xi8>
  %q0 = qnn.slice %all <begin = [0, 0, 0, 0, 0], strides = [1, 1, 1, 1, 1]> : tensor<1x5x3x2x4xi8> -> tensor<1x5x1x2x4xi8>
  %k0 = qnn.slice %all <begin = [0, 0, 1, 0, 0], strides = [1, 1, 1, 1, 1]> : tensor<1x5x3x2x4xi8> -> tensor<1x5x1x2x4xi8>
  %v0 = qnn.slice %all <begin = [0, 0, 2, 0, 0], strides = [1, 1, 1, 1, 1]> : tensor<1x5x3x2x4xi8> -> tensor<1x5x1x2x4xi8>
  %q1 = qnn.reshape %q0 : tensor<1x5x1x2x4xi8> -> tensor<1x5x2x4xi8>
  %k1 = qnn.reshape %k0 : tensor<1x5x1x2x4xi8> -> tensor<1x5x2x4xi8>
  %v1 = qnn.reshape %v0 : tensor<1x5x1x2x4xi8> -> tensor<1x5x2x4xi8>
  %q = qnn.transpose %q1 [0, 2, 1, 3] : tensor<1x5x2x4xi8> -> tensor<1x2x5x4xi8>
  %k = qnn.transpose %k1 [0, 2, 3, 1] : tensor<1x5x2x4xi8> -> tensor<1x2x4x5xi8>
  %v = qnn.transpose %v1 [0, 2, 1, 3] : tensor<1x5x2x4xi8> -> tensor<1x2x5x4xi8>
  %s = qnn.matmul %q, %k <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x2x5x4xi8>, tensor<1x2x4x5xi8> -> tensor<1x2x5x5xi8>
  %p = qnn.softmax %s <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x2x5x5xi8>
  %y0 = qnn.matmul %p, %v <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> {layer = "block.attention"} : tensor<1x2x5x5xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  %y1 = qnn.transpose %y0 [0, 2, 1, 3] : tensor<1x2x5x4xi8> -> tensor<1x5x2x4xi8>
  %y = qnn.reshape %y1 : tensor<1x5x2x4xi8> -> tensor<1x5x8xi8>
  func.return %y : tensor<1x5x8xi8>
}

// CHECK:      func.func @main(%qkv: tensor<1x5x24xi8>) -> tensor<1x5x8xi8> {
// CHECK-NEXT:   %y = qnn.attention %qkv, %qkv, %qkv over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 4, 24], key = [8, 0, 4, 24], value = [16, 0, 4, 24], result = [0, 0, 4, 8]> scores <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> {layer = "block.attention"}
// CHECK-NEXT:   func.return %y

// -----

// Windows of rows are an axis outside of the heads, and a causal mask is a flag; rows that lie apart stay transposed.

func.func @main(%x : tensor<1x8x4xi8>, %t : tensor<2x2x2x4xi8>) -> tensor<2x2x4x2xi8> {
  %m = qnn.constant dense<[[[[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]]]> : tensor<1x1x4x4xi8>
  %w = qnn.reshape %x : tensor<1x8x4xi8> -> tensor<2x4x2x2xi8>
  %q = qnn.transpose %w [0, 2, 1, 3] : tensor<2x4x2x2xi8> -> tensor<2x2x4x2xi8>
  %k = qnn.transpose %t [0, 1, 3, 2] : tensor<2x2x2x4xi8> -> tensor<2x2x4x2xi8>
  %s = qnn.matmul %q, %k transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<2x2x4x2xi8>, tensor<2x2x4x2xi8> -> tensor<2x2x4x4xi8>
  %p = qnn.masked_softmax %s, %m <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<2x2x4x4xi8>, tensor<1x1x4x4xi8>
  %y = qnn.matmul %p, %q <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<2x2x4x4xi8>, tensor<2x2x4x2xi8> -> tensor<2x2x4x2xi8>
  func.return %y : tensor<2x2x4x2xi8>
}

// CHECK:      func.func @main
// CHECK-NEXT:   %k = qnn.transpose %t
// CHECK-NEXT:   %y = qnn.attention %x, %k, %x over <outer = 2, heads = 2, queries = 4, keys = 4, width = 2, value_width = 2, query = [0, 16, 2, 4], key = [0, 16, 8, 2], value = [0, 16, 2, 4], result = [0, 16, 8, 2], causal = 1> scores

// -----

// Another mask is an array, along those axes on which it depends.

func.func @main(%x : tensor<1x2x2x4xi8>) -> tensor<1x2x2x4xi8> {
  %m = qnn.constant dense<[[[[1, 0], [1, 0]], [[0, 1], [0, 1]]]]> : tensor<1x2x2x2xi8>
  %s = qnn.matmul %x, %x transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x2x2x4xi8>, tensor<1x2x2x4xi8> -> tensor<1x2x2x2xi8>
  %p = qnn.masked_softmax %s, %m <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x2x2x2xi8>, tensor<1x2x2x2xi8>
  %y = qnn.matmul %p, %x <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x2x2x2xi8>, tensor<1x2x2x4xi8> -> tensor<1x2x2x4xi8>
  func.return %y : tensor<1x2x2x4xi8>
}

// CHECK:      func.func @main
// CHECK-NEXT:   %0 = qnn.constant named "matmul.mask" dense<{{\[\[\[\[}}0, -128]], {{\[\[}}-128, 0]]]]> : tensor<1x2x1x2xi8>
// CHECK-NEXT:   %y = qnn.attention %x, %x, %x mask %0 : tensor<1x2x1x2xi8> over

// -----

// Probabilities that others read are there as a whole.

func.func @main(%x : tensor<1x2x4xi8>) -> (tensor<1x2x4xi8>, tensor<1x2x2xi8>) {
  %s = qnn.matmul %x, %x transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x2x4xi8>, tensor<1x2x4xi8> -> tensor<1x2x2xi8>
  %p = qnn.softmax %s <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x2x2xi8>
  %y = qnn.matmul %p, %x <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x2x2xi8>, tensor<1x2x4xi8> -> tensor<1x2x4xi8>
  func.return %y, %p : tensor<1x2x4xi8>, tensor<1x2x2xi8>
}

// CHECK:      func.func @main
// CHECK-NEXT:   qnn.matmul
// CHECK-NEXT:   qnn.softmax
// CHECK-NEXT:   qnn.matmul

// -----

// A mask that is computed is no mask.

func.func @main(%x : tensor<1x2x4xi8>, %m : tensor<1x1x2xi8>) -> tensor<1x2x4xi8> {
  %s = qnn.matmul %x, %x transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x2x4xi8>, tensor<1x2x4xi8> -> tensor<1x2x2xi8>
  %p = qnn.masked_softmax %s, %m <multiplier = 1717986918, shift = 23, diff_min = -248> {layer = "attend"} : tensor<1x2x2xi8>, tensor<1x1x2xi8>
  %y = qnn.matmul %p, %x <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x2x2xi8>, tensor<1x2x4xi8> -> tensor<1x2x4xi8>
  func.return %y : tensor<1x2x4xi8>
}

// CHECK: attend: the mask of an attention must be constant

// -----

// Queries that lie transposed wherever they come from are multiplied as they lie.

func.func @main(%q : tensor<1x1x4x2xi8>, %x : tensor<1x1x2x4xi8>) -> tensor<1x1x2x4xi8> {
  %s = qnn.matmul %q transposed, %x transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x1x4x2xi8>, tensor<1x1x2x4xi8> -> tensor<1x1x2x2xi8>
  %p = qnn.softmax %s <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x1x2x2xi8>
  %y = qnn.matmul %p, %x <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x1x2x2xi8>, tensor<1x1x2x4xi8> -> tensor<1x1x2x4xi8>
  func.return %y : tensor<1x1x2x4xi8>
}

// CHECK:      func.func @main
// CHECK-NEXT:   qnn.matmul %q transposed, %x transposed
// CHECK-NEXT:   qnn.softmax
// CHECK-NEXT:   qnn.matmul
// CHECK-NEXT:   func.return

// -----

// With a bias, which only attention adds, they are transposed, and scores that two read are computed twice. Constants are
// transposed here.

func.func @main(%q : tensor<1x1x4x2xi8>, %x : tensor<1x1x2x4xi8>) -> (tensor<1x1x2x4xi8>, tensor<1x1x2x2xi8>) {
  %b = qnn.constant dense<[[[[1, 2], [3, 4]]]]> : tensor<1x1x2x2xi8>
  %v = qnn.constant named "values" dense<[[[[1, 2], [3, 4]]]]> : tensor<1x1x2x2xi8>
  %s = qnn.matmul %q transposed, %x transposed plus %b : tensor<1x1x2x2xi8> <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3, addend_factor = 9> : tensor<1x1x4x2xi8>, tensor<1x1x2x4xi8> -> tensor<1x1x2x2xi8>
  %p = qnn.softmax %s <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x1x2x2xi8>
  %y = qnn.matmul %p, %x <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x1x2x2xi8>, tensor<1x1x2x4xi8> -> tensor<1x1x2x4xi8>
  %z = qnn.matmul %p, %v transposed <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8> -> tensor<1x1x2x2xi8>
  func.return %y, %z : tensor<1x1x2x4xi8>, tensor<1x1x2x2xi8>
}

// CHECK:      func.func @main
// CHECK-NEXT:   [[Q0:%.*]] = qnn.transpose %q [0, 1, 3, 2]
// CHECK-NEXT:   [[M0:%.*]] = qnn.constant
// CHECK-NEXT:   %y = qnn.attention [[Q0]], %x, %x
// CHECK-NEXT:   [[Q1:%.*]] = qnn.transpose %q [0, 1, 3, 2]
// CHECK-NEXT:   [[V:%.*]] = qnn.constant named "values" dense<{{\[\[\[\[}}1, 3], [2, 4]]]]>
// CHECK-NEXT:   [[M1:%.*]] = qnn.constant
// CHECK-NEXT:   %z = qnn.attention [[Q1]], %x, [[V]]

// -----

// Nor are they fused where values are added to, where probabilities are no softmax's, or for more keys than the kernel takes.

func.func @main(%x : tensor<1x1x2x2xi8>, %v : tensor<1x1x4096x2xi8>) -> (tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8>) {
  %b = qnn.constant dense<[[[[1, 2], [3, 4]]]]> : tensor<1x1x2x2xi8>
  %s = qnn.matmul %x, %x <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8> -> tensor<1x1x2x2xi8>
  %p = qnn.softmax %s <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x1x2x2xi8>
  %y = qnn.matmul %p, %x plus %b : tensor<1x1x2x2xi8> <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5, addend_factor = 7> : tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8> -> tensor<1x1x2x2xi8>
  %t = qnn.matmul %x, %x <lhs_zp = 1, rhs_zp = 3, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8> -> tensor<1x1x2x2xi8>
  %q = qnn.softmax %t <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x1x2x2xi8>
  %z = qnn.matmul %q, %x <lhs_zp = -127, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8> -> tensor<1x1x2x2xi8>
  %u = qnn.matmul %x, %v transposed <lhs_zp = 1, rhs_zp = 2, multiplier = 1073741824, shift = -6, output_zp = 3> : tensor<1x1x2x2xi8>, tensor<1x1x4096x2xi8> -> tensor<1x1x2x4096xi8>
  %r = qnn.softmax %u <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x1x2x4096xi8>
  %w = qnn.matmul %r, %v <lhs_zp = -128, rhs_zp = 4, multiplier = 1073741824, shift = -7, output_zp = 5> : tensor<1x1x2x4096xi8>, tensor<1x1x4096x2xi8> -> tensor<1x1x2x2xi8>
  func.return %y, %z, %w : tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8>, tensor<1x1x2x2xi8>
}

// CHECK:      func.func @main
// CHECK:        %y = qnn.matmul %p
// CHECK:        %z = qnn.matmul %q
// CHECK:        %w = qnn.matmul %r
