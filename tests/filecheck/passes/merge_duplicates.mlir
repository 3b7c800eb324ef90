// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p merge-duplicates --split-input-file | filecheck %s

// Equal constants and equal operations become one, whatever they and their layers are called.

func.func @main(%x : tensor<1x4xi8>) -> (tensor<1x4xi8>, tensor<1x4xi8>) {
  %c = qnn.constant named "a.limit" dense<[1, 1, 1, 1]> : tensor<4xi8>
  %d = qnn.constant named "b.limit" dense<1> : tensor<4xi8>
  %a = qnn.maximum %x, %c {layer = "a"} : tensor<1x4xi8>, tensor<4xi8> -> tensor<1x4xi8>
  %b = qnn.maximum %x, %d {layer = "b"} : tensor<1x4xi8>, tensor<4xi8> -> tensor<1x4xi8>
  func.return %a, %b : tensor<1x4xi8>, tensor<1x4xi8>
}

// CHECK:       %c = qnn.constant named "a.limit"
// CHECK-NEXT:  %a = qnn.maximum %x, %c {layer = "a"}
// CHECK-NEXT:  func.return %a, %a

// -----

// Another value or another operand is another operation.

func.func @main(%x : tensor<1x4xi8>, %y : tensor<1x4xi8>) -> (tensor<1x4xi8>, tensor<1x4xi8>, tensor<1x4xi8>) {
  %c = qnn.constant dense<[1, 1, 1, 1]> : tensor<4xi8>
  %d = qnn.constant dense<2> : tensor<4xi8>
  %a = qnn.maximum %x, %c : tensor<1x4xi8>, tensor<4xi8> -> tensor<1x4xi8>
  %b = qnn.maximum %x, %d : tensor<1x4xi8>, tensor<4xi8> -> tensor<1x4xi8>
  %e = qnn.maximum %y, %c : tensor<1x4xi8>, tensor<4xi8> -> tensor<1x4xi8>
  func.return %a, %b, %e : tensor<1x4xi8>, tensor<1x4xi8>, tensor<1x4xi8>
}

// CHECK:       qnn.maximum %x, %c
// CHECK-NEXT:  qnn.maximum %x, %d
// CHECK-NEXT:  qnn.maximum %y, %c

// It cannot fail on a valid module; an option it does not have is refused.
