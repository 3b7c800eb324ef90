// SPDX-License-Identifier: Apache-2.0

// Packed rows of one channel are done in strips anyway, so these cost nothing that the cost model knows of. They do cost
// some instructions: where nothing may be slower, the layer stays whole, unless a budget asks for it.
//
// DEFINE: %{packed} = select-sparse-formats{format=delta8},convert-qnn-to-kernels,bufferize
//
// RUN: sparsec-opt %s -p "%{packed},overlap-buffers{slack=1}" | filecheck %s --check-prefix STRIPS
// RUN: sparsec-opt %s -p "%{packed},overlap-buffers{slack=0}" | filecheck %s --check-prefix WHOLE
// RUN: sparsec-opt %s -p "%{packed},overlap-buffers{slack=0 ram=20000}" | filecheck %s --check-prefix WHOLE
// RUN: sparsec-opt %s -p "%{packed},overlap-buffers{slack=0 ram=8700}" | filecheck %s --check-prefix STRIPS

func.func @main(%x: tensor<1x49x10x1xi8>) -> tensor<1x25x5x64xi8> {
  %w = qnn.constant named "w" dense<1> : tensor<64x10x4x1xi8>
  %b = qnn.constant named "b" dense<0> : tensor<64xi32>
  %m = qnn.constant named "m" dense<1352745600> : tensor<64xi32>
  %s = qnn.constant named "s" dense<-6> : tensor<64xi32>
  %c = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <strides = [2, 2], padding = [4, 1, 5, 1]> {layer = "stem"} : tensor<1x49x10x1xi8>, tensor<64x10x4x1xi8>, tensor<64xi32>, tensor<64xi32> -> tensor<1x25x5x64xi8>
  func.return %c : tensor<1x25x5x64xi8>
}

// The record says who does the layer now, and what more that costs.
//
// STRIPS: kernel = "sparsec_convolve_packed_strips_s8", instructions = {{[0-9]+}} : i64, cycles = {{[0-9]+}} : i64
// STRIPS: rt.convolve_packed_strips_s8 strip
//
// WHOLE:  kernel = "sparsec_convolve_packed_s8", instructions = {{[0-9]+}} : i64
// WHOLE:  rt.convolve_packed_s8
