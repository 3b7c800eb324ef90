// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fold-constant-channels,dce --split-input-file | filecheck %s

// Channel 0 of the first layer is 0.5 for every input: its readers take it into their bias.

func.func @main(%x : tensor<1x2x2x2xf32>) -> tensor<1x2x2x2xf32> {
  %w = nn.constant dense<[[[[0.0, 3.0]]]]> : tensor<1x1x1x2xf32>
  %b = nn.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %v = nn.constant dense<[[[[8.0, 1.0]]], [[[-2.0, 4.0]]]]> : tensor<2x1x1x2xf32>
  %c = nn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %y = nn.depthwise_conv2d %x, %w, %b window <> : tensor<1x2x2x2xf32>, tensor<1x1x1x2xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %z = nn.conv2d %y, %v, %c window <> : tensor<1x2x2x2xf32>, tensor<2x1x1x2xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  func.return %z : tensor<1x2x2x2xf32>
}

// CHECK:       nn.constant dense<{{\[}}[{{\[}}[0.000000e+00, 3.000000e+00]]]]>
// CHECK:       %[[W:.*]] = nn.constant dense<{{\[}}[{{\[}}[0.000000e+00, 1.000000e+00]]], {{\[}}{{\[}}[0.000000e+00, 4.000000e+00]]]]>
// CHECK:       %[[B:.*]] = nn.constant dense<[5.000000e+00, 1.000000e+00]>
// CHECK:       nn.conv2d %{{.*}}, %[[W]], %[[B]] window <>

// -----

// A clamp proves it too: what is at least 0 and counts negatively cannot reach above the bias, which is below 0. A border of
// zeros is no hindrance to zero.

func.func @main(%x : tensor<1x2x2x1xf32>) -> tensor<1x2x2x1xf32> {
  %w = nn.constant dense<[[[[-3.0]]], [[[1.0]]]]> : tensor<2x1x1x1xf32>
  %b = nn.constant dense<[-0.5, 0.25]> : tensor<2xf32>
  %v = nn.constant dense<7.0> : tensor<1x3x3x2xf32>
  %c = nn.constant dense<[1.0]> : tensor<1xf32>
  %p = nn.clamp %x <min = 0.0> : tensor<1x2x2x1xf32>
  %y = nn.conv2d %p, %w, %b window <> clamp <min = 0.0> : tensor<1x2x2x1xf32>, tensor<2x1x1x1xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %z = nn.conv2d %y, %v, %c window <padding = [1, 1, 1, 1]> : tensor<1x2x2x2xf32>, tensor<1x3x3x2xf32>, tensor<1xf32> -> tensor<1x2x2x1xf32>
  func.return %z : tensor<1x2x2x1xf32>
}

// CHECK:       nn.constant dense<{{\[}}[{{\[}}[0.000000e+00]]], {{\[}}{{\[}}[1.000000e+00]]]]>
// CHECK:       nn.constant dense<[0.000000e+00, 2.500000e-01]>
// CHECK:       nn.constant dense<{{\[}}[{{\[}}[0.000000e+00, 7.000000e+00], [0.000000e+00, 7.000000e+00],

// -----

// Behind a border a channel that is not zero changes.

func.func @main(%x : tensor<1x2x2x1xf32>) -> tensor<1x2x2x1xf32> {
  %w = nn.constant dense<[[[[0.0]]], [[[1.0]]]]> : tensor<2x1x1x1xf32>
  %b = nn.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %v = nn.constant dense<7.0> : tensor<1x3x3x2xf32>
  %c = nn.constant dense<[1.0]> : tensor<1xf32>
  %y = nn.conv2d %x, %w, %b window <> : tensor<1x2x2x1xf32>, tensor<2x1x1x1xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %z = nn.conv2d %y, %v, %c window <padding = [1, 1, 1, 1]> : tensor<1x2x2x2xf32>, tensor<1x3x3x2xf32>, tensor<1xf32> -> tensor<1x2x2x1xf32>
  func.return %z : tensor<1x2x2x1xf32>
}

// CHECK:       nn.constant dense<[5.000000e-01, 2.500000e-01]>
// CHECK:       nn.constant dense<7.000000e+00> : tensor<1x3x3x2xf32>

// -----

// Nothing is known of what comes out of a function, and a positive bias is not clamped.

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = nn.constant dense<[[-3.0, 0.0], [0.0, 1.0]]> : tensor<2x2xf32>
  %b = nn.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %f = nn.activation "x * x" %x : tensor<1x2xf32>
  %y = nn.linear %f, %w, %b clamp <min = 0.0> : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  %z = nn.linear %y, %w, %b : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  func.return %z : tensor<1x2xf32>
}

// CHECK:       nn.constant dense<{{\[}}[-3.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00]]>
// CHECK-NEXT:  nn.constant dense<[5.000000e-01, 2.500000e-01]>
// CHECK-NOT:   nn.constant
