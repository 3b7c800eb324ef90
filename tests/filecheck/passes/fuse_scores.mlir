// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fuse-scores,dce --split-input-file --verify-diagnostics | filecheck %s

// A bias of scores joins the product, divided by what scales that.

func.func @main(%q : tensor<1x2x3x4xf32>, %v : tensor<1x2x3x4xf32>) -> tensor<1x2x3x4xf32> {
  %b = nn.constant named "bias" dense<[[[2.0, 4.0, 6.0]]]> : tensor<1x1x3xf32>
  %s = nn.matmul %q, %q transposed : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
  %t = nn.activation "x * 0.5" %s : tensor<1x2x3x3xf32>
  %u = nn.add %t, %b {layer = "scores"} : tensor<1x2x3x3xf32>, tensor<1x1x3xf32> -> tensor<1x2x3x3xf32>
  %p = nn.softmax %u : tensor<1x2x3x3xf32>
  %y = nn.matmul %p, %v : tensor<1x2x3x3xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x4xf32>
  func.return %y : tensor<1x2x3x4xf32>
}

// CHECK:      func.func @main
// CHECK-NEXT:   %{{.*}} = nn.constant named "scores.bias" dense<{{.*}}4.000000e+00, 8.000000e+00, 1.200000e+01{{.*}}> : tensor<1x1x3xf32>
// CHECK-NEXT:   %{{.*}} = nn.matmul %q, %q transposed plus %{{.*}} : tensor<1x1x3xf32> : tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
// CHECK-NEXT:   %{{.*}} = nn.activation "x * 0.5" %{{.*}} {layer = "scores"}
// CHECK-NEXT:   %p = nn.softmax

// -----

// Scores that are read elsewhere, and a product of which no softmax is made, stay.

func.func @main(%q : tensor<1x3x4xf32>) -> (tensor<1x3x4xf32>, tensor<1x3x3xf32>, tensor<1x3x3xf32>) {
  %b = nn.constant dense<[2.0, 4.0, 6.0]> : tensor<3xf32>
  %s = nn.matmul %q, %q transposed : tensor<1x3x4xf32>, tensor<1x3x4xf32> -> tensor<1x3x3xf32>
  %u = nn.add %s, %b : tensor<1x3x3xf32>, tensor<3xf32> -> tensor<1x3x3xf32>
  %p = nn.softmax %u : tensor<1x3x3xf32>
  %y = nn.matmul %p, %q : tensor<1x3x3xf32>, tensor<1x3x4xf32> -> tensor<1x3x4xf32>
  %t = nn.matmul %q, %y transposed : tensor<1x3x4xf32>, tensor<1x3x4xf32> -> tensor<1x3x3xf32>
  %z = nn.add %t, %b : tensor<1x3x3xf32>, tensor<3xf32> -> tensor<1x3x3xf32>
  func.return %y, %u, %z : tensor<1x3x4xf32>, tensor<1x3x3xf32>, tensor<1x3x3xf32>
}

// CHECK:     func.func @main
// CHECK-NOT: plus
// CHECK:     func.return

// -----

// It runs before calibration and cannot fail on a valid module; a shape that does not broadcast is not one.

func.func @main(%q : tensor<1x3x4xf32>, %b : tensor<2xf32>) {
  %s = nn.matmul %q, %q transposed plus %b : tensor<2xf32> : tensor<1x3x4xf32>, tensor<1x3x4xf32> -> tensor<1x3x3xf32>
  func.return
}

// CHECK: shapes
