// SPDX-License-Identifier: Apache-2.0

// A calibrated float network, with a batch norm and an activation to fuse, means the same after each
// step on floats; quantization rounds, and from there on every byte stays.
//
// DEFINE: %{float} = "dense<[[[[0.25], [-0.125], [-0.75]], [[0.5], [0.5], [-0.5]], [[-1.0], [-0.375], [-0.75]]]]> : tensor<1x3x3x1xf32>"
// DEFINE: %{int8} = "dense<[[[[31], [-17], [-97]], [[63], [63], [-65]], [[-128], [-49], [-97]]]]> : tensor<1x3x3x1xi8>"
//
// RUN: sparsec-interpret %s --args %{float} | filecheck %s
// RUN: sparsec-opt %s -p "fold-batch-norm" | sparsec-interpret --args %{float} | filecheck %s
// RUN: sparsec-opt %s -p "fold-batch-norm,fuse-layers" | sparsec-interpret --args %{float} | filecheck %s
// RUN: sparsec-opt %s -p "fold-batch-norm,fuse-layers,canonicalize,cse,dce" | sparsec-interpret --args %{float} | filecheck %s
//
// CHECK: result: {{\[\[}}1.0, -18.0, -21.0]]
//
// RUN: sparsec-opt %s -p "fold-batch-norm,fuse-layers,quantize" | sparsec-interpret --args %{float} | filecheck %s --check-prefix ROUNDED
//
// ROUNDED: result: {{\[\[}}0.941{{[0-9]*}}, -18.039{{[0-9]*}}, -21.019{{[0-9]*}}]]
//
// RUN: sparsec-opt %s -p "fold-batch-norm,fuse-layers,quantize,fold-qdq,cse,dce" | sparsec-interpret --args %{int8} | filecheck %s --check-prefix BYTES
// RUN: sparsec-opt %s -p "fold-batch-norm,fuse-layers,quantize,fold-qdq,cse,dce,select-sparse-formats,convert-qnn-to-kernels,bufferize,plan-memory" | sparsec-interpret --args %{int8} | filecheck %s --check-prefix BYTES
//
// BYTES: result: {{\[\[}}69, -52, -71]]

func.func @main(%x : tensor<1x3x3x1xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x3xf32> {
  %w = nn.constant named "conv.weight" dense<[[[[1.0], [1.5]], [[-2.5], [1.5]]], [[[0.0], [0.0]], [[0.5], [-1.0]]]]> : tensor<2x2x2x1xf32>
  %b = nn.constant named "conv.bias" dense<[0.25, -0.125]> : tensor<2xf32>
  %c = nn.conv2d %x, %w, %b window <> {layer = "conv"} : tensor<1x3x3x1xf32>, tensor<2x2x2x1xf32>, tensor<2xf32> -> tensor<1x2x2x2xf32>
  %gamma = nn.constant named "bn.weight" dense<2.0> : tensor<2xf32>
  %beta = nn.constant named "bn.bias" dense<1.0> : tensor<2xf32>
  %mean = nn.constant named "bn.running_mean" dense<0.5> : tensor<2xf32>
  %variance = nn.constant named "bn.running_var" dense<0.75> : tensor<2xf32>
  %n = nn.batch_norm %c, %gamma, %beta, %mean, %variance epsilon 0.25 {layer = "bn"} : tensor<1x2x2x2xf32>, tensor<2xf32>
  %r = nn.clamp %n <min = 0.0> {layer = "relu", nn.range = array<f64: 0.0, 8.0>} : tensor<1x2x2x2xf32>
  %f = nn.reshape %r {layer = "flatten"} : tensor<1x2x2x2xf32> -> tensor<1x8xf32>
  %v = nn.constant named "fc.weight" dense<[[0.0, 0.0, -3.0, 0.0, 0.0, 0.0, -5.0, 0.0], [-6.0, -6.0, 0.0, 6.0, -4.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 0.0, -4.0, 0.0, 0.0, 4.0]]> : tensor<3x8xf32>
  %d = nn.constant named "fc.bias" dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %z = nn.linear %f, %v, %d {layer = "fc", nn.range = array<f64: -30.0, 10.0>} : tensor<1x8xf32>, tensor<3x8xf32>, tensor<3xf32> -> tensor<1x3xf32>
  func.return %z : tensor<1x3xf32>
}
