// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fold-qdq --split-input-file --verify-diagnostics | filecheck %s

func.func @main(%x : tensor<1x4xf32>) -> tensor<1x4xf32> {
  %y = nn.clamp %x <min = 0.0> {layer = "relu1"} : tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}

// CHECK: relu1: its input is not quantized: give calibration data, or a Q/DQ pair

// -----

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = nn.constant dense<1.0> : tensor<2x2xf32>
  %b = nn.constant dense<0.0> : tensor<2xf32>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.linear %d, %w, %b {layer = "fc"} : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: fc: its weights are not quantized constants

// -----

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = nn.constant dense<1> : tensor<2x2xi8>
  %wd = nn.dequantize %w <scales = [0.5]> : tensor<2x2xi8> -> tensor<2x2xf32>
  %b = nn.constant dense<0.0> : tensor<2xf32>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.linear %d, %wd, %b {layer = "fc"} : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: fc: its result is not quantized: give calibration data, or a Q/DQ pair

// -----

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = nn.constant dense<1> : tensor<2x2xi8>
  %wd = nn.dequantize %w <scales = [0.5], zero_point = 3> : tensor<2x2xi8> -> tensor<2x2xf32>
  %b = nn.constant dense<0.0> : tensor<2xf32>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.linear %d, %wd, %b {layer = "fc"} : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK: fc: its weights must be symmetric, per tensor or per output channel

// -----

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %q = nn.quantize %x <scales = [1.0]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [1.0]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.mul %d, %d {layer = "square"} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %yq = nn.quantize %y <scales = [1.0e-06]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %yd = nn.dequantize %yq <scales = [1.0e-06]> : tensor<1x2xi8> -> tensor<1x2xf32>
  func.return %yd : tensor<1x2xf32>
}
// CHECK: square: the range of its result is too small for those of its inputs

// -----

func.func @main(%x : tensor<1x2xf32>, %i : tensor<1xui16>) -> tensor<1x1xf32> {
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.gather %d, %i axis 1 {layer = "pick"} : tensor<1x2xf32>, tensor<1xui16> -> tensor<1x1xf32>
  func.return %y : tensor<1x1xf32>
}

// CHECK: pick: its indices are not constant

// -----

func.func @main(%x : tensor<1x1x1x4xf32>) -> tensor<1x1x1x4xf32> {
  %s = nn.constant dense<1.0> : tensor<4xf32>
  %q = nn.quantize %x <scales = [1.0e-09]> : tensor<1x1x1x4xf32> -> tensor<1x1x1x4xi8>
  %d = nn.dequantize %q <scales = [1.0e-09]> : tensor<1x1x1x4xi8> -> tensor<1x1x1x4xf32>
  %y = nn.normalize %d, %s, %s by <epsilon = 1.0> {layer = "norm"} : tensor<1x1x1x4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<1x1x1x4xf32>
  %yq = nn.quantize %y <scales = [1.0]> : tensor<1x1x1x4xf32> -> tensor<1x1x1x4xi8>
  %yd = nn.dequantize %yq <scales = [1.0]> : tensor<1x1x1x4xi8> -> tensor<1x1x1x4xf32>
  func.return %yd : tensor<1x1x1x4xf32>
}
// CHECK: norm: its input is too small for its epsilon

// -----

func.func @main(%x : tensor<1x1x1x4xf32>) -> tensor<1x1x1x4xf32> {
  %s = nn.constant dense<1.0> : tensor<4xf32>
  %q = nn.quantize %x <scales = [1.0]> : tensor<1x1x1x4xf32> -> tensor<1x1x1x4xi8>
  %d = nn.dequantize %q <scales = [1.0]> : tensor<1x1x1x4xi8> -> tensor<1x1x1x4xf32>
  %y = nn.normalize %d, %s, %s by <epsilon = 1.0> {layer = "norm"} : tensor<1x1x1x4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<1x1x1x4xf32>
  %yq = nn.quantize %y <scales = [1.0e-07]> : tensor<1x1x1x4xf32> -> tensor<1x1x1x4xi8>
  %yd = nn.dequantize %yq <scales = [1.0e-07]> : tensor<1x1x1x4xi8> -> tensor<1x1x1x4xf32>
  func.return %yd : tensor<1x1x1x4xf32>
}
// CHECK: norm: the range of its result is too small for those of its inputs

// -----

func.func @main(%x : tensor<1x1x2x3xf32>, %b : tensor<1x2xf32>) -> tensor<1x1x1x3xf32> {
  %i = nn.constant dense<0> : tensor<1xui16>
  %a = nn.constant dense<1.0> : tensor<1x1xf32>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x1x2x3xf32> -> tensor<1x1x2x3xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x1x2x3xi8> -> tensor<1x1x2x3xf32>
  %y = nn.resample %d, %i by %a, %i by %b {layer = "up"} : tensor<1x1x2x3xf32>, tensor<1xui16>, tensor<1x1xf32>, tensor<1xui16>, tensor<1x2xf32> -> tensor<1x1x1x3xf32>
  %yq = nn.quantize %y <scales = [1.0]> : tensor<1x1x1x3xf32> -> tensor<1x1x1x3xi8>
  %yd = nn.dequantize %yq <scales = [1.0]> : tensor<1x1x1x3xi8> -> tensor<1x1x1x3xf32>
  func.return %yd : tensor<1x1x1x3xf32>
}
// CHECK: up: its weights are not constant
