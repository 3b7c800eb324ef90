// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p order-layers --split-input-file | filecheck %s

// Of two branches that grow before they shrink, one is over when the other begins.
// Constants and reshapes come before their first reader.

func.func @main(%x : tensor<1x4x4x1xi8>) -> tensor<1x2xi8> {
  %a = qnn.pad %x, 0 <low = [0, 0, 0, 0], high = [0, 4, 4, 0]> : tensor<1x4x4x1xi8> -> tensor<1x8x8x1xi8>
  %b = qnn.pad %x, 1 <low = [0, 0, 0, 0], high = [0, 4, 4, 0]> : tensor<1x4x4x1xi8> -> tensor<1x8x8x1xi8>
  %r = qnn.reshape %b : tensor<1x8x8x1xi8> -> tensor<1x64x1x1xi8>
  %c = qnn.max_pool2d %a pool <kernel = [8, 8]> <> : tensor<1x8x8x1xi8> -> tensor<1x1x1x1xi8>
  %table = qnn.constant dense<7> : tensor<256xi8>
  %t = qnn.lookup %c, %table : tensor<1x1x1x1xi8>, tensor<256xi8>
  %d = qnn.max_pool2d %r pool <kernel = [64, 1]> <> : tensor<1x64x1x1xi8> -> tensor<1x1x1x1xi8>
  %y = qnn.concat %t, %d axis 3 : tensor<1x1x1x1xi8>, tensor<1x1x1x1xi8> -> tensor<1x1x1x2xi8>
  %z = qnn.reshape %y : tensor<1x1x1x2xi8> -> tensor<1x2xi8>
  func.return %z : tensor<1x2xi8>
}

// CHECK-LABEL: func.func @main(
// CHECK-NEXT:    %a = qnn.pad
// CHECK-NEXT:    %c = qnn.max_pool2d %a
// CHECK-NEXT:    %b = qnn.pad
// CHECK-NEXT:    %r = qnn.reshape
// CHECK-NEXT:    %d = qnn.max_pool2d %r
// CHECK-NEXT:    %table = qnn.constant
// CHECK-NEXT:    %t = qnn.lookup
// CHECK-NEXT:    %y = qnn.concat %t, %d
// CHECK-NEXT:    %z = qnn.reshape
// CHECK-NEXT:    func.return %z

// -----

// Scratch memory counts: the convolution that takes some runs while less waits.

func.func @main(%x : tensor<1x4x4x4xi8>) -> (tensor<1x4x4x4xi8>, tensor<1x4x4x4xi8>) {
  %w = qnn.constant dense<1> : tensor<4x1x1x4xi8>
  %v = qnn.constant dense<1> : tensor<4x3x3x4xi8>
  %n = qnn.constant dense<0> : tensor<4xi32>
  %a = qnn.conv2d %x, %w, %n requant(%n, %n) <> window <> : tensor<1x4x4x4xi8>, tensor<4x1x1x4xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x4x4x4xi8>
  %b = qnn.conv2d %x, %v, %n requant(%n, %n) <> window <padding = [1, 1, 1, 1]> : tensor<1x4x4x4xi8>, tensor<4x3x3x4xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x4x4x4xi8>
  func.return %a, %b : tensor<1x4x4x4xi8>, tensor<1x4x4x4xi8>
}

// CHECK-LABEL: func.func @main(
// CHECK:         %b = qnn.conv2d
// CHECK:         %a = qnn.conv2d
// CHECK:         func.return %a, %b

// -----

// Branches that are as good in any order stay, and so does what is not `qnn`.

func.func @main(%x : tensor<1x4x4x1xi8>) -> (tensor<1x8x8x1xi8>, tensor<1x8x8x1xi8>) {
  %a = qnn.pad %x, 0 <low = [0, 0, 0, 0], high = [0, 4, 4, 0]> : tensor<1x4x4x1xi8> -> tensor<1x8x8x1xi8>
  %unused = qnn.constant dense<1> : tensor<1xi8>
  %b = qnn.pad %x, 1 <low = [0, 0, 0, 0], high = [0, 4, 4, 0]> : tensor<1x4x4x1xi8> -> tensor<1x8x8x1xi8>
  func.return %b, %a : tensor<1x8x8x1xi8>, tensor<1x8x8x1xi8>
}
func.func @float(%x : tensor<1x8xf32>) -> (tensor<1x8xf32>, tensor<1x8xf32>) {
  %a = nn.activation "gelu(x)" %x : tensor<1x8xf32>
  %b = nn.activation "gelu(x)" %x : tensor<1x8xf32>
  func.return %b, %a : tensor<1x8xf32>, tensor<1x8xf32>
}
func.func private @declared(tensor<1x8xi8>) -> tensor<1x8xi8>

// CHECK-LABEL: func.func @main(
// CHECK-NEXT:    %a = qnn.pad
// CHECK-NEXT:    %unused = qnn.constant
// CHECK-NEXT:    %b = qnn.pad
// CHECK-LABEL: func.func @float(
// CHECK-NEXT:    %a = nn.activation
// CHECK-NEXT:    %b = nn.activation

