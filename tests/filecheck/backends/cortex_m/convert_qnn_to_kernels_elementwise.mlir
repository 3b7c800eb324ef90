// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts 2>/dev/null | filecheck %s

// The product of two whole tensors goes to CMSIS-NN, everything else to the runtime, with as few axes
// as it takes; a vector stays a vector. Their difference has a short form.

func.func @main(%x : tensor<1x2x3xi8>, %z : tensor<1x2x3xi8>) -> tensor<1x2x3xi8> {
  %v = qnn.constant dense<[1, 2, 3]> : tensor<3xi8>
  %a = qnn.mul %x, %z <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> {layer = "whole"} : tensor<1x2x3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  %b = qnn.mul %a, %v <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> {layer = "vector"} : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  %c = qnn.sub %v, %b <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> : tensor<3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  %d = qnn.broadcast_add %c, %v <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  %e = qnn.maximum %d, %z : tensor<1x2x3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  %f = qnn.minimum %e, %v : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  %g = qnn.prelu %f, %v <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  %h = qnn.sub %g, %z <input1_zp = 1, input1_multiplier = 1073741824, input1_shift = 0, input2_zp = 4, input2_multiplier = 1073741824, input2_shift = -1, left_shift = 20, output_zp = 7, output_multiplier = 1073741824, output_shift = -18> : tensor<1x2x3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  func.return %h : tensor<1x2x3xi8>
}

// CHECK: cmsis.elementwise_mul_s8 {{.*}} <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> into {{.*}} {layer = "whole", op = "mul"} : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
// CHECK: rt.mul_s8 {{.*}} <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> into {{.*}} {layer = "vector", op = "mul"} : memref<2x3xi8>, memref<1x3xi8>, memref<2x3xi8>
// CHECK: rt.add_s8 {{.*}} sign -1 <{{.*}}> into {{.*}} {op = "sub"} : memref<1x3xi8>, memref<2x3xi8>, memref<2x3xi8>
// CHECK: rt.add_s8 {{.*}} sign 1 <{{.*}}> into {{.*}} {op = "broadcast_add"} : memref<2x3xi8>, memref<1x3xi8>, memref<2x3xi8>
// CHECK: rt.maximum_s8 {{.*}} into {{.*}} : memref<6xi8>, memref<6xi8>, memref<6xi8>
// CHECK: rt.minimum_s8 {{.*}} into {{.*}} : memref<2x3xi8>, memref<1x3xi8>, memref<2x3xi8>
// CHECK: rt.prelu_s8 {{.*}} <{{.*}}> into {{.*}} : memref<2x3xi8>, memref<1x3xi8>, memref<2x3xi8>
// CHECK: rt.residual_add_s8 {{.*}} <multiplier1 = 1073742080, multiplier2 = -536871040, addend = 35651585, shift = 22> into {{.*}} {op = "sub"} : memref<1x2x3xi8>, memref<1x2x3xi8>, memref<1x2x3xi8>
