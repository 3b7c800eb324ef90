// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p select-sparse-formats | filecheck %s
// RUN: sparsec-opt %s -p "select-sparse-formats{objective=flash}" | filecheck %s --check-prefix FLASH
// RUN: sparsec-opt %s -p "select-sparse-formats{objective=balanced}" | filecheck %s --check-prefix BALANCED
// RUN: sparsec-opt %s -p "select-sparse-formats{target=cortex-m55}" | filecheck %s --check-prefix M55
// RUN: sparsec-opt %s -p "select-sparse-formats{flash=36000}" | filecheck %s --check-prefix BUDGET
// RUN: sparsec-opt %s -p "select-sparse-formats{ram=8100}" | filecheck %s --check-prefix RAM
// RUN: sparsec-opt %s -p "select-sparse-formats{format=dense}" | filecheck %s --check-prefix DENSE
// RUN: sparsec-opt %s -p "select-sparse-formats{format=bitmap recipe=\"head: block(4x1); *.ones: dense\"}" | filecheck %s --check-prefix WISHES

// The module says itself how one layer is to be stored; another is stored already.

builtin.module attributes {sparsec.recipe = "wished: csr"} {
  func.func @main(%x : tensor<1x8x8x16xi8>, %h : tensor<1x64xi8>) -> (tensor<1x8x8x32xi8>, tensor<1x8x8x32xi8>, tensor<1x16xi8>, tensor<1x8x8x16xi8>, tensor<1x8x8x16xi8>, tensor<1x8x8x16xi8>) {
    %b = qnn.constant dense<1> : tensor<32xi32>
    %m = qnn.constant dense<1073741824> : tensor<32xi32>
    %s = qnn.constant dense<-8> : tensor<32xi32>
    %zeros = qnn.constant named "zeros" dense<0> : tensor<32x1x1x16xi8>
    %y = qnn.conv2d %x, %zeros, %b requant(%m, %s) <> window <> {layer = "conv.zeros"} : tensor<1x8x8x16xi8>, tensor<32x1x1x16xi8>, tensor<32xi32>, tensor<32xi32> -> tensor<1x8x8x32xi8>
    %half = qnn.constant named "half" dense<"0x00030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003000300030003"> : tensor<16x64xi8>
    %hb = qnn.constant dense<1> : tensor<16xi32>
    %hm = qnn.constant dense<1073741824> : tensor<16xi32>
    %hs = qnn.constant dense<-8> : tensor<16xi32>
    %v = qnn.linear %h, %half, %hb requant(%hm, %hs) <> {layer = "head"} : tensor<1x64xi8>, tensor<16x64xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x16xi8>
    %depthwise = qnn.constant named "depthwise" dense<0> : tensor<1x3x3x16xi8>
    %d = qnn.depthwise_conv2d %x, %depthwise, %hb requant(%hm, %hs) <> window <padding = [1, 1, 1, 1]> {layer = "depthwise"} : tensor<1x8x8x16xi8>, tensor<1x3x3x16xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x8x8x16xi8>
    %wished = qnn.constant named "wished" dense<2> : tensor<16x1x1x16xi8>
    %w = qnn.conv2d %x, %wished, %hb requant(%hm, %hs) <> window <> {layer = "wished"} : tensor<1x8x8x16xi8>, tensor<16x1x1x16xi8>, tensor<16xi32>, tensor<16xi32> -> tensor<1x8x8x16xi8>
    %stored = qnn.constant named "stored" dense<3> : tensor<16x1x1x16xi8, #sparse.encoding<delta8>>
    %t = qnn.conv2d %x, %stored, %hb requant(%hm, %hs) <> window <> {layer = "stored"} : tensor<1x8x8x16xi8>, tensor<16x1x1x16xi8, #sparse.encoding<delta8>>, tensor<16xi32>, tensor<16xi32> -> tensor<1x8x8x16xi8>
    %ones = qnn.constant named "ones" dense<1> : tensor<32x3x3x16xi8>
    %z = qnn.conv2d %x, %ones, %b requant(%m, %s) <> window <padding = [1, 1, 1, 1]> {layer = "conv.ones"} : tensor<1x8x8x16xi8>, tensor<32x3x3x16xi8>, tensor<32xi32>, tensor<32xi32> -> tensor<1x8x8x32xi8>
    func.return %y, %z, %v, %d, %w, %t : tensor<1x8x8x32xi8>, tensor<1x8x8x32xi8>, tensor<1x16xi8>, tensor<1x8x8x16xi8>, tensor<1x8x8x16xi8>, tensor<1x8x8x16xi8>
  }
}

// Where the choice was made is written down for the report.
// CHECK:      sparsec.choice = {objective = "latency", smaller = {saved = {{[0-9]+}} : i64, dense_saves = {{[0-9]+}} : i64, cycles = {{[0-9]+}} : i64, chosen_cycles = {{[0-9]+}} : i64}, layers = [{layer = "conv.zeros", format = "delta8", kernel = "sparsec_convolve_packed_s8", instructions = {{[0-9]+}} : i64, cycles = {{[0-9]+}} : i64},
// CHECK:      named "zeros" dense<0> : tensor<32x1x1x16xi8, #sparse.encoding<delta8>>
// CHECK-NEXT: qnn.conv2d {{.*}} tensor<32x1x1x16xi8, #sparse.encoding<delta8>>
// The kernel of its fastest format saves less of the cycles than its code is worth.
// CHECK:      named "half" {{.*}} : tensor<16x64xi8>
// CHECK:      named "wished" dense<2> : tensor<16x1x1x16xi8, #sparse.encoding<csr>>
// CHECK:      named "stored" dense<3> : tensor<16x1x1x16xi8, #sparse.encoding<delta8>>
// CHECK:      named "ones" dense<1> : tensor<32x3x3x16xi8, #sparse.encoding<delta8>>

// The code of decoders is larger than what most formats save here; that of delta8 is there for the layer that has a wish.
// FLASH:      objective = "flash"
// FLASH:      named "zeros" dense<0> : tensor<32x1x1x16xi8, #sparse.encoding<block, rows = 64, columns = 32>>
// FLASH:      named "half" {{.*}} : tensor<16x64xi8, #sparse.encoding<block, rows = 16, columns = 1>>
// FLASH:      named "ones" dense<1> : tensor<32x3x3x16xi8, #sparse.encoding<block, rows = 16, columns = 1>>

// Packed rows double the bytes of ones, but the packed kernel is there for others already and the dense one is not.
// BALANCED:   objective = "balanced"
// BALANCED:   named "zeros" dense<0> : tensor<32x1x1x16xi8, #sparse.encoding<delta8>>
// BALANCED:   named "half" {{.*}} : tensor<16x64xi8>
// BALANCED:   named "ones" dense<1> : tensor<32x3x3x16xi8, #sparse.encoding<delta8>>

// Helium multiplies 16 weights at once, zeros too.
// M55:        named "half" {{.*}} : tensor<16x64xi8>
// M55:        named "ones" dense<1> : tensor<32x3x3x16xi8>

// BUDGET:     objective = "latency", flash = 36000 : i64
// BUDGET:     named "ones" dense<1> : tensor<32x3x3x16xi8, #sparse.encoding<bitmap>>

// The packed kernel wants more scratch memory than the dense one.
// RAM:        objective = "latency", ram = 8100 : i64
// RAM:        named "ones" dense<1> : tensor<32x3x3x16xi8>

// DENSE:      named "zeros" dense<0> : tensor<32x1x1x16xi8>
// DENSE:      named "wished" dense<2> : tensor<16x1x1x16xi8, #sparse.encoding<csr>>
// DENSE:      named "stored" dense<3> : tensor<16x1x1x16xi8, #sparse.encoding<delta8>>

// WISHES:     named "zeros" dense<0> : tensor<32x1x1x16xi8, #sparse.encoding<bitmap>>
// WISHES:     named "half" {{.*}} : tensor<16x64xi8, #sparse.encoding<block, rows = 4, columns = 1>>
// WISHES:     named "depthwise" dense<0> : tensor<1x3x3x16xi8>
// WISHES:     named "wished" dense<2> : tensor<16x1x1x16xi8, #sparse.encoding<csr>>
// WISHES:     named "ones" dense<1> : tensor<32x3x3x16xi8>
