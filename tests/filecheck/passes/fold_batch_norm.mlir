// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fold-batch-norm --split-input-file | filecheck %s

// Into the convolution before it: weights times 2, bias (1 - 3) * 2 + 5. The names stay.

func.func @main(%x : tensor<1x2x2x1xf32>) -> tensor<1x2x2x2xf32> {
  %w = nn.constant named "conv.weight" dense<[[[[1.0]]], [[[3.0]]]]> : tensor<2x1x1x1xf32>
  %b = nn.constant named "conv.bias" dense<1.0> : tensor<2xf32>
  %gamma = nn.constant named "bn.weight" dense<2.0> : tensor<2xf32>
  %beta = nn.constant named "bn.bias" dense<5.0> : tensor<2xf32>
  %mean = nn.constant named "bn.running_mean" dense<3.0> : tensor<2xf32>
  %variance = nn.constant named "bn.running_var" dense<0.75> : tensor<2xf32>
  %y = nn.conv2d %x, %w, %b window <> {layer = "conv"} : tensor<1x2x2x1xf32>, tensor<2x1x1x1xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %z = nn.batch_norm %y, %gamma, %beta, %mean, %variance epsilon 0.25 {layer = "bn"} : tensor<1x2x2x2xf32>, tensor<2xf32>
  func.return %z : tensor<1x2x2x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %w = nn.constant named "conv.weight" dense<{{\[\[\[\[}}2.000000e+00]]], {{\[\[\[}}6.000000e+00]]]]>
// CHECK-NEXT:    %b = nn.constant named "conv.bias" dense<1.000000e+00>
// CHECK-NEXT:    %y = nn.conv2d %x, %w, %b window <> {layer = "conv"}
// CHECK-NEXT:    func.return %y

// -----

// Into the linear layer after it, where nothing else reads the result.

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w = nn.constant named "fc.weight" dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %b = nn.constant named "fc.bias" dense<0.5> : tensor<1xf32>
  %gamma = nn.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %zero = nn.constant dense<0.0> : tensor<2xf32>
  %one = nn.constant dense<1.0> : tensor<2xf32>
  %y = nn.batch_norm %x, %gamma, %one, %zero, %one epsilon 0.0 : tensor<1x2xf32>, tensor<2xf32>
  %z = nn.linear %y, %w, %b : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %z : tensor<1x1xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %w = nn.constant named "fc.weight" dense<{{\[\[}}1.000000e+00, 6.000000e+00]]>
// CHECK-NEXT:    %b = nn.constant named "fc.bias" dense<3.500000e+00>
// CHECK-NEXT:    %z = nn.linear %x, %w, %b

// -----

// A convolution with a clamp before it, one with a border behind it, or one that others read, is left alone: a depthwise
// 1x1 convolution.

func.func @main(%x : tensor<1x2x2x1xf32>) -> (tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32>) {
  %w = nn.constant dense<1.0> : tensor<2x1x1x1xf32>
  %v = nn.constant dense<1.0> : tensor<2x1x1x2xf32>
  %c = nn.constant dense<1.0> : tensor<2xf32>
  %d = nn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = nn.conv2d %x, %w, %c window <> clamp <min = 0.0> : tensor<1x2x2x1xf32>, tensor<2x1x1x1xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %z = nn.batch_norm %y, %d, %c, %c, %c epsilon 0.0 {layer = "bn1"} : tensor<1x2x2x2xf32>, tensor<2xf32>
  %u = nn.conv2d %z, %v, %c window <padding = [1, 1, 1, 1]> : tensor<1x2x2x2xf32>, tensor<2x1x1x2xf32>, tensor<2xf32> -> tensor<1x4x4x2xf32>
  %t = nn.batch_norm %u, %d, %d, %c, %c epsilon 0.0 {layer = "bn2"} : tensor<1x4x4x2xf32>, tensor<2xf32>
  func.return %u, %t : tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32>
}

// CHECK:       nn.conv2d {{.*}} clamp
// CHECK:       [[W:%.*]] = nn.constant named "bn1.weight" dense<{{\[\[\[\[}}1.000000e+00, 2.000000e+00]]]]> : tensor<1x1x1x2xf32>
// CHECK-NEXT:  [[B:%.*]] = nn.constant named "bn1.bias" dense<[0.000000e+00, -1.000000e+00]> : tensor<2xf32>
// CHECK-NEXT:  nn.depthwise_conv2d %y, [[W]], [[B]] window <> {layer = "bn1"}
// CHECK:       nn.depthwise_conv2d %u, {{.*}} window <> {layer = "bn2"}

// -----

// One that is the same for all channels is a function of each value, or nothing.

func.func @main(%x : tensor<1x2x2x2xf32>) -> (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) {
  %one = nn.constant dense<1.0> : tensor<2xf32>
  %two = nn.constant dense<2.0> : tensor<2xf32>
  %y = nn.batch_norm %x, %two, %one, %one, %one epsilon 0.0 {layer = "bn1"} : tensor<1x2x2x2xf32>, tensor<2xf32>
  %z = nn.batch_norm %x, %two, %two, %one, %one epsilon 0.0 {layer = "bn2"} : tensor<1x2x2x2xf32>, tensor<2xf32>
  %u = nn.batch_norm %x, %one, %one, %one, %one epsilon 0.0 {layer = "bn3"} : tensor<1x2x2x2xf32>, tensor<2xf32>
  func.return %y, %z, %u : tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    [[Y:%.*]] = nn.activation "x * 2 + -1" %x {layer = "bn1"}
// CHECK-NEXT:    [[Z:%.*]] = nn.activation "x * 2" %x {layer = "bn2"}
// CHECK-NEXT:    func.return [[Y]], [[Z]], %x

// -----

// No batch normalization, no change.

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %y = nn.clamp %x <min = 0.0> : tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %y = nn.clamp %x <min = 0.0> : tensor<1x2xf32>
// CHECK-NEXT:    func.return %y
