// SPDX-License-Identifier: Apache-2.0

// An int8 convolution and a linear layer give the same bytes after every step down to kernels in
// planned memory, densely and sparsely stored.
//
// DEFINE: %{x} = "dense<[[[[32], [-16], [-96]], [[64], [64], [-64]], [[-128], [-48], [-96]]]]> : tensor<1x3x3x1xi8>"
// DEFINE: %{select} = select-sparse-formats{format=delta8}
//
// RUN: sparsec-interpret %s --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels,bufferize" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels,bufferize,plan-memory" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "%{select}" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "%{select},convert-qnn-to-kernels" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "%{select},convert-qnn-to-kernels" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "%{select},convert-qnn-to-kernels,bufferize" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "%{select},convert-qnn-to-kernels,bufferize,plan-memory" | sparsec-interpret --args %{x} | filecheck %s
//
// CHECK: result: {{\[\[}}69, -54, -72]]
//
// The lines that matter of the last text:
//
// RUN: sparsec-opt %s -p "%{select},convert-qnn-to-kernels,bufferize,plan-memory" | filecheck %s --check-prefix KERNELS
//
// KERNELS:      func.func @main(%arena: memref<{{[0-9]+}}xi8>
// KERNELS:      rt.convolve_packed_s8
// KERNELS-SAME: layer = "conv"
// KERNELS:      rt.fully_connected_table_s8
// KERNELS-SAME: layer = "fc"
// KERNELS-NOT:  qnn.

func.func @main(%x: tensor<1x3x3x1xi8> {qnn.quantization = #nn.quantization<scales = [0.007843137718737125], zero_point = -1>}) -> (tensor<1x3xi8> {qnn.quantization = #nn.quantization<scales = [0.1568627506494522], zero_point = 63>}) {
  %0 = qnn.constant named "conv.weight" dense<[[[[51], [76]], [[-127], [76]]], [[[0], [0]], [[64], [-127]]]]> : tensor<2x2x2x1xi8>
  %1 = qnn.constant named "conv.bias" dense<[1619, -2024]> : tensor<2xi32>
  %2 = qnn.constant named "conv.multiplier" dense<[1352745600, 1082196480]> : tensor<2xi32>
  %3 = qnn.constant named "conv.shift" dense<[-6, -7]> : tensor<2xi32>
  %c = qnn.conv2d %x, %0, %1 requant(%2, %3) <input_zp = -1, output_zp = -128> window <> {layer = "conv"} : tensor<1x3x3x1xi8>, tensor<2x2x2x1xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x2x2xi8>
  %f = qnn.reshape %c {layer = "flatten"} : tensor<1x2x2x2xi8> -> tensor<1x8xi8>
  %4 = qnn.constant named "fc.weight" dense<[[0, 0, -76, 0, 0, 0, -127, 0], [-127, -127, 0, 127, -85, 0, 64, 0], [0, 0, 0, 0, -127, 0, 0, 127]]> : tensor<3x8xi8>
  %5 = qnn.constant named "fc.bias" dense<[810, 1349, 3036]> : tensor<3xi32>
  %6 = qnn.constant named "fc.multiplier" dense<[1082196506, 1298635807, 1731514409]> : tensor<3xi32>
  %7 = qnn.constant named "fc.shift" dense<[-6, -6, -7]> : tensor<3xi32>
  %z = qnn.linear %f, %4, %5 requant(%6, %7) <input_zp = -128, output_zp = 63> {layer = "fc"} : tensor<1x8xi8>, tensor<3x8xi8>, tensor<3xi32>, tensor<3xi32> -> tensor<1x3xi8>
  func.return %z : tensor<1x3xi8>
}
