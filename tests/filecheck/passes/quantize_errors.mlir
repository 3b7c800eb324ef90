// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p quantize --split-input-file --verify-diagnostics | filecheck %s

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %y = nn.add %x, %x : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: input 0 has no measured range: give --calibrate FILE.npz, or export the model with a batch of real example inputs

// -----

func.func @main(%x : tensor<1x2xf32> {nn.range = array<f64: 0.0, 1.0>}) -> tensor<1x2xf32> {
  %y = nn.add %x, %x {layer = "block.sum"} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: block.sum (nn.add) has no measured range

// -----

func.func @main(%x : tensor<1x2xf32>, %c : tensor<2xf32>) -> tensor<1x2xf32> {
  %y = nn.batch_norm %x, %c, %c, %c, %c epsilon 0.0 {layer = "bn1"} : tensor<1x2xf32>, tensor<2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: bn1: a batch normalization cannot be quantized, run fold-batch-norm first

// -----

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.add %d, %d {layer = "block.sum"} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: block.sum (nn.add) is not between quantize/dequantize operations, as other parts of the model are: give --calibrate FILE.npz, or quantize it too before the export

// -----

func.func @main(%x : tensor<1x2xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2xf32> {
  %c = nn.constant named "fc.bias" dense<[1.0, 1.0e999]> : tensor<2xf32>
  %y = nn.add %x, %c {layer = "sum", nn.range = array<f64: -1.0, 1.0>} : tensor<1x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: fc.bias holds NaN or infinity; train or load the model again
