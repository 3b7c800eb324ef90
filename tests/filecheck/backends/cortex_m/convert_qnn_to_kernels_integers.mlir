// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts,bufferize 2>/dev/null | filecheck %s

// What is given and what is returned are buffers of the integers that they are; an input that is returned is copied.

func.func @main(%x : tensor<1x4xui8>, %i : tensor<1x3xi32>, %t : tensor<5x2xi8>) -> (tensor<1x4xi8>, tensor<1x3x2xi8>, tensor<1x3xi32>) {
  %y = qnn.from_uint8 %x {layer = "image"} : tensor<1x4xui8> -> tensor<1x4xi8>
  %e = qnn.embedding %t, %i {layer = "words"} : tensor<5x2xi8>, tensor<1x3xi32> -> tensor<1x3x2xi8>
  func.return %y, %e, %i : tensor<1x4xi8>, tensor<1x3x2xi8>, tensor<1x3xi32>
}

// CHECK: func.func @main(%x: memref<1x4xui8>, %i: memref<1x3xi32>, %t: memref<5x2xi8>, {{%.*}}: memref<1x4xi8> {sparsec.result}, {{%.*}}: memref<1x3x2xi8> {sparsec.result}, {{%.*}}: memref<1x3xi32> {sparsec.result})
// CHECK: rt.from_uint8_s8 %x into {{.*}} {layer = "image", op = "from_uint8"} : memref<1x4xui8>, memref<1x4xi8>
// CHECK: rt.embedding_s8 %t, %i into {{.*}} {layer = "words", op = "embedding"} : memref<5x2xi8>, memref<1x3xi32>, memref<1x3x2xi8>
// CHECK: rt.concatenate_s8 %i axis 0 at 0 into {{.*}} : memref<1x3xi32>, memref<1x3xi32>
