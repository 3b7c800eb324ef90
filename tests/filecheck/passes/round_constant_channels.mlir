// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p round-constant-channels,dce --split-input-file | filecheck %s

// A step is 1. Channel 0 is 0.25 for every input and becomes 1, its weights a quarter; channel 1 is 2.5 and becomes 2;
// channel 2 changes and stays.

func.func @main(%x : tensor<1x2x2x1xf32>) -> tensor<1x2x2x3xf32> {
  %w = nn.constant dense<[[[[0.0]]], [[[0.0]]], [[[1.0]]]]> : tensor<3x1x1x1xf32>
  %b = nn.constant dense<[0.25, 2.5, 0.75]> : tensor<3xf32>
  %v = nn.constant dense<8.0> : tensor<1x3x3x3xf32>
  %c = nn.constant dense<[5.0, 6.0, 7.0]> : tensor<3xf32>
  %y = nn.conv2d %x, %w, %b window <> {nn.range = array<f64: 0.0, 255.0>} : tensor<1x2x2x1xf32>, tensor<3x1x1x1xf32>, tensor<3xf32> -> tensor<1x2x2x3xf32>
  %p = nn.max_pool2d %y pool <kernel = [1, 1]> : tensor<1x2x2x3xf32> -> tensor<1x2x2x3xf32>
  %z = nn.depthwise_conv2d %p, %v, %c window <padding = [1, 1, 1, 1]> : tensor<1x2x2x3xf32>, tensor<1x3x3x3xf32>, tensor<3xf32> -> tensor<1x2x2x3xf32>
  func.return %z : tensor<1x2x2x3xf32>
}

// CHECK:       nn.constant dense<[1.000000e+00, 2.000000e+00, 7.500000e-01]>
// CHECK:       nn.constant dense<{{\[}}[{{\[}}[2.000000e+00, 1.000000e+01, 8.000000e+00],
// CHECK:       nn.constant dense<[5.000000e+00, 6.000000e+00, 7.000000e+00]>

// -----

// Without a range there are no steps, and a sum reads what no weights make up for.

func.func @main(%x : tensor<1x2x2x1xf32>) -> (tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>) {
  %w = nn.constant dense<[[[[0.0]]], [[[1.0]]]]> : tensor<2x1x1x1xf32>
  %b = nn.constant dense<[0.25, 0.75]> : tensor<2xf32>
  %v = nn.constant dense<8.0> : tensor<1x3x3x2xf32>
  %c = nn.constant dense<[5.0, 6.0]> : tensor<2xf32>
  %y = nn.conv2d %x, %w, %b window <> : tensor<1x2x2x1xf32>, tensor<2x1x1x1xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %z = nn.depthwise_conv2d %y, %v, %c window <padding = [1, 1, 1, 1]> : tensor<1x2x2x2xf32>, tensor<1x3x3x2xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %s = nn.conv2d %x, %w, %b window <> {nn.range = array<f64: 0.0, 255.0>} : tensor<1x2x2x1xf32>, tensor<2x1x1x1xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %t = nn.depthwise_conv2d %s, %v, %c window <padding = [1, 1, 1, 1]> : tensor<1x2x2x2xf32>, tensor<1x3x3x2xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %a = nn.add %s, %t : tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  func.return %z, %a : tensor<1x2x2x2xf32>, tensor<1x2x2x2xf32>
}

// CHECK:       nn.constant dense<[2.500000e-01, 7.500000e-01]>
// CHECK:       nn.constant dense<8.000000e+00> : tensor<1x3x3x2xf32>
