// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=host}" --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s

// C defines `1 << -shift` down to -30 only.

func.func @main(%x : tensor<1x2xi8>) -> tensor<1x1xi8> {
  %w = qnn.constant dense<1> : tensor<1x2xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<-31> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> {layer = "fc"} : tensor<1x2xi8>, tensor<1x2xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return %y : tensor<1x1xi8>
}

// CHECK: fc{{.*}} a shift of -31 is below -30, which C does not define

// -----

func.func @main(%x : tensor<1x2xi8>) -> tensor<1x2xi8> {
  %y = qnn.rescale %x <multiplier = 1073741824, shift = -31> : tensor<1x2xi8>
  func.return %y : tensor<1x2xi8>
}

// CHECK: shift -31 is outside -30 to 30
