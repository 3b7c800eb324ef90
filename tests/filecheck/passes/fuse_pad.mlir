// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fuse-pad,dce --split-input-file | filecheck %s

// A border of the zero point, strided and not symmetric, joins the padding that is there.

func.func @main(%x : tensor<1x4x4x1xi8>) -> tensor<1x3x3x1xi8> {
  %p = qnn.pad %x, -3 <low = [0, 0, 0, 0], high = [0, 1, 1, 0]> : tensor<1x4x4x1xi8> -> tensor<1x5x5x1xi8>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<1> : tensor<1x3x3x1xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.conv2d %p, %w, %b requant(%m, %s) <input_zp = -3> window <strides = [2, 2], padding = [1, 1, 1, 1]> : tensor<1x5x5x1xi8>, tensor<1x3x3x1xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x3x3x1xi8>
  func.return %y : tensor<1x3x3x1xi8>
}

// CHECK-NOT:   qnn.pad
// CHECK:       qnn.conv2d %x, {{.*}} window <strides = [2, 2], padding = [1, 1, 2, 2]>

// -----

// A border of another value stays.

func.func @main(%x : tensor<1x4x4x1xi8>) -> tensor<1x5x5x1xi8> {
  %p = qnn.pad %x, 0 <low = [0, 0, 0, 0], high = [0, 1, 1, 0]> : tensor<1x4x4x1xi8> -> tensor<1x5x5x1xi8>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<1> : tensor<1x1x1x1xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.conv2d %p, %w, %b requant(%m, %s) <input_zp = -3> window <> : tensor<1x5x5x1xi8>, tensor<1x1x1x1xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x5x5x1xi8>
  func.return %y : tensor<1x5x5x1xi8>
}

// CHECK:       qnn.pad
// CHECK:       qnn.conv2d %p, {{.*}} window <> :

// -----

// A maximum does not see a border of the lowest value.

func.func @main(%x : tensor<1x4x4x1xi8>) -> tensor<1x5x5x1xi8> {
  %p = qnn.pad %x, -128 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : tensor<1x4x4x1xi8> -> tensor<1x6x6x1xi8>
  %y = qnn.max_pool2d %p pool <kernel = [2, 2]> <> : tensor<1x6x6x1xi8> -> tensor<1x5x5x1xi8>
  func.return %y : tensor<1x5x5x1xi8>
}

// CHECK-NOT:   qnn.pad
// CHECK:       qnn.max_pool2d %x pool <padding = [1, 1, 1, 1], kernel = [2, 2]>

// It cannot fail on a valid module; an option it does not have is refused.
