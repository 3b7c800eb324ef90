// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fold-batch-norm --split-input-file --verify-diagnostics | filecheck %s

func.func @main(%x : tensor<1x2xf32>, %c : tensor<2xf32>) -> tensor<1x2xf32> {
  %y = nn.batch_norm %x, %c, %c, %c, %c epsilon 0.0 {layer = "bn1"} : tensor<1x2xf32>, tensor<2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: bn1: the statistics of its batch normalization are not constants; export the model in eval mode

// -----

func.func @main(%x : tensor<1x2x2x2x2xf32>) -> tensor<1x2x2x2x2xf32> {
  %c = nn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = nn.batch_norm %x, %c, %c, %c, %c epsilon 0.0 {layer = "bn2"} : tensor<1x2x2x2x2xf32>, tensor<2xf32>
  func.return %y : tensor<1x2x2x2x2xf32>
}

// CHECK: bn2: batch normalization of tensor<1x2x2x2x2xf32> is not supported
