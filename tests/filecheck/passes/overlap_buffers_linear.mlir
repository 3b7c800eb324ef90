// SPDX-License-Identifier: Apache-2.0

// A linear layer over several rows is a 1x1 convolution over as many pixels, and done in strips as one. A single scale makes it
// `arm_fully_connected_s8`, which goes row by row as it is, so that only a row of the output needs memory of its own. A single row is
// needed to its end by each output.
//
// DEFINE: %{small} = convert-qnn-to-kernels,bufferize,overlap-buffers{objective=ram}
//
// RUN: sparsec-opt %s -p "%{small}" --split-input-file | filecheck %s
// RUN: sparsec-opt %s -p "%{small},plan-memory" --split-input-file | filecheck %s --check-prefix ARENA

func.func @main(%x: tensor<1x24x16xi8>) -> tensor<1x24x16xi8> {
  %w = qnn.constant named "w" dense<1> : tensor<16x16xi8>
  %b = qnn.constant named "b" dense<0> : tensor<16xi32>
  %m = qnn.constant named "m" dense<1352745600> : tensor<16xi32>
  %s = qnn.constant named "s" dense<-6> : tensor<16xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> {layer = "fc"} : tensor<1x24x16xi8>, tensor<16x16xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x24x16xi8>
  func.return %y : tensor<1x24x16xi8>
}

// CHECK: rt.convolve_strips_s8 strip
// ARENA: %arena: memref<416xi8>

// -----

func.func @main(%x: tensor<1x24x16xi8>) -> tensor<1x24x16xi8> {
  %w = qnn.constant named "w" dense<1> : tensor<16x16xi8, #sparse.encoding<delta8>>
  %b = qnn.constant named "b" dense<0> : tensor<16xi32>
  %m = qnn.constant named "m" dense<1352745600> : tensor<16xi32>
  %s = qnn.constant named "s" dense<-6> : tensor<16xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> {layer = "fc"} : tensor<1x24x16xi8>, tensor<16x16xi8, #sparse.encoding<delta8>>, tensor<16xi32>, tensor<16xi32> -> tensor<1x24x16xi8>
  func.return %y : tensor<1x24x16xi8>
}

// CHECK: rt.convolve_packed_strips_s8 strip
// ARENA: %arena: memref<688xi8>

// -----

func.func @main(%x: tensor<1x24x16xi8>) -> tensor<1x24x16xi8> {
  %w = qnn.constant named "w" dense<1> : tensor<16x16xi8, #sparse.encoding<bitmap>>
  %b = qnn.constant named "b" dense<0> : tensor<16xi32>
  %m = qnn.constant named "m" dense<1352745600> : tensor<16xi32>
  %s = qnn.constant named "s" dense<-6> : tensor<16xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> {layer = "fc"} : tensor<1x24x16xi8>, tensor<16x16xi8, #sparse.encoding<bitmap>>, tensor<16xi32>, tensor<16xi32> -> tensor<1x24x16xi8>
  func.return %y : tensor<1x24x16xi8>
}

// CHECK: rt.convolve_delta8_strips_s8 strip
// ARENA: %arena: memref<1216xi8>

// -----

func.func @main(%x: tensor<1x16xi8>) -> tensor<1x16xi8> {
  %w = qnn.constant named "w" dense<1> : tensor<16x16xi8>
  %b = qnn.constant named "b" dense<0> : tensor<16xi32>
  %m = qnn.constant named "m" dense<1352745600> : tensor<16xi32>
  %s = qnn.constant named "s" dense<-6> : tensor<16xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> {layer = "fc"} : tensor<1x16xi8>, tensor<16x16xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x16xi8>
  func.return %y : tensor<1x16xi8>
}

// CHECK: rt.fully_connected
// ARENA: %arena: memref<32xi8>

// -----

func.func @main(%x: tensor<1x24x16xi8>) -> tensor<1x24x8xi8> {
  %w = qnn.constant named "w" dense<1> : tensor<8x16xi8>
  %b = qnn.constant named "b" dense<0> : tensor<8xi32>
  %m = qnn.constant named "m" dense<1352745600> : tensor<1xi32>
  %s = qnn.constant named "s" dense<-6> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> {layer = "fc"} : tensor<1x24x16xi8>, tensor<8x16xi8>, tensor<8xi32>, tensor<1xi32> -> tensor<1x24x8xi8>
  func.return %y : tensor<1x24x8xi8>
}

// CHECK: cmsis.fully_connected_s8
// ARENA: %arena: memref<392xi8>
