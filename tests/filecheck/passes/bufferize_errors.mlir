// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p bufferize --verify-diagnostics | filecheck %s

func.func @main(%x : tensor<1x4xi8>) -> tensor<4xi8> {
  %y = qnn.reshape %x : tensor<1x4xi8> -> tensor<4xi8>
  func.return %y : tensor<4xi8>
}
// CHECK: qnn.reshape still computes on tensors: quantize the model and run convert-qnn-to-kernels first
