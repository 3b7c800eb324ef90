// SPDX-License-Identifier: Apache-2.0

// Fully connected layers in every format that has a kernel give the same bytes as tensors and as kernels in planned
// memory. The first clamp is not saturating.
//
// DEFINE: %{x} = "dense<[[76, 33, -67, -34, -61, -61, 69, 86, -14]]> : tensor<1x9xi8>"
//
// RUN: sparsec-interpret %s --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels" | sparsec-interpret --args %{x} | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels,bufferize,plan-memory" | sparsec-interpret --args %{x} | filecheck %s
//
// CHECK: result: {{\[\[}}21, -29, -62, -128, -39, -101]]

func.func @main(%x: tensor<1x9xi8> {qnn.quantization = #nn.quantization<scales = [1.0], zero_point = -1>}) -> (tensor<1x6xi8> {qnn.quantization = #nn.quantization<scales = [1.0], zero_point = 6>}) {
  %t = qnn.constant named "t.weight" dense<[[0, -106, 0, -67, -81, 0, 0, 21, 0], [-103, 0, 0, 31, 0, 0, 0, 0, 60], [0, 0, -12, 0, 99, 4, -20, 0, 42], [0, -83, 0, 65, 0, 73, -55, 0, 0], [0, 0, 94, 0, 112, 0, 0, 0, 0], [0, 0, -47, -117, 100, 41, 22, 0, -7]]> : tensor<6x9xi8, #sparse.encoding<delta8>>
  %r = qnn.constant named "r.weight" dense<[[-111, -52, -22, -2, -50, 89], [17, 119, 111, 53, 0, 0], [63, 11, 113, 53, 82, -114], [-52, 46, 34, -34, -87, 23], [0, 0, 0, 0, -111, 6], [-50, 14, 46, -77, 0, 0]]> : tensor<6x6xi8, #sparse.encoding<block, rows = 1, columns = 4>>
  %c = qnn.constant named "c.weight" dense<[[-107, -27, 0, -39, 58, -39], [-2, -5, 0, -104, -51, 12], [-109, 107, 0, 16, 59, 62], [-125, 114, 0, 87, 85, 62], [-93, 0, 117, 82, 49, -63], [14, 0, 94, -40, -23, -61]]> : tensor<6x6xi8, #sparse.encoding<block, rows = 4, columns = 1>>
  %b = qnn.constant named "bias" dense<[-257, 334, -353, -362, -221, -135]> : tensor<6xi32>
  %m = qnn.constant named "multiplier" dense<[1438518096, 1372815844, 1315458280, 1746221481, 1649607228, 1780564134]> : tensor<6xi32>
  %s = qnn.constant named "shift" dense<[-6, -6, -7, -6, -7, -6]> : tensor<6xi32>
  %0 = qnn.linear %x, %t, %b requant(%m, %s) <input_zp = -1, output_zp = -4, clamp = [-90, 90]> : tensor<1x9xi8>, tensor<6x9xi8, #sparse.encoding<delta8>>, tensor<6xi32>, tensor<6xi32> -> tensor<1x6xi8>
  %1 = qnn.linear %0, %r, %b requant(%m, %s) <input_zp = -4, output_zp = 5> : tensor<1x6xi8>, tensor<6x6xi8, #sparse.encoding<block, rows = 1, columns = 4>>, tensor<6xi32>, tensor<6xi32> -> tensor<1x6xi8>
  %2 = qnn.linear %1, %c, %b requant(%m, %s) <input_zp = 5, output_zp = 6> : tensor<1x6xi8>, tensor<6x6xi8, #sparse.encoding<block, rows = 4, columns = 1>>, tensor<6xi32>, tensor<6xi32> -> tensor<1x6xi8>
  func.return %2 : tensor<1x6xi8>
}
