// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels,reconcile-unrealized-casts --split-input-file 2>/dev/null | filecheck %s
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m55},reconcile-unrealized-casts" --split-input-file 2>/dev/null | filecheck %s --check-prefix M55
// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m3},reconcile-unrealized-casts" --split-input-file 2>/dev/null | filecheck %s --check-prefix M3

// Dense weights go to CMSIS-NN, with the scratch memory the core wants; sparse ones to the runtime,
// with the input zero point folded into the bias: 5 - 3 * (1 - 2) and 6 - 3 * 4.

func.func @main(%x : tensor<1x4x4x2xi8>) -> tensor<1x3x3x2xi8> {
  %w = qnn.constant named "c.weight" dense<[[[[1, 0], [0, 0]], [[0, -2], [0, 0]]], [[[0, 0], [4, 0]], [[0, 0], [0, 0]]]]> : tensor<2x2x2x2xi8>
  %p = qnn.constant named "c.weight" dense<[[[[1, 0], [0, 0]], [[0, -2], [0, 0]]], [[[0, 0], [4, 0]], [[0, 0], [0, 0]]]]> : tensor<2x2x2x2xi8, #sparse.encoding<delta8>>
  %b = qnn.constant named "c.bias" dense<[5, 6]> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %b) <input_zp = 3> window <padding = [1, 1, 0, 0]> {layer = "dense"} : tensor<1x4x4x2xi8>, tensor<2x2x2x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x4x2xi8>
  %z = qnn.conv2d %y, %p, %b requant(%m, %b) <input_zp = 3> window <> {layer = "sparse"} : tensor<1x4x4x2xi8>, tensor<2x2x2x2xi8, #sparse.encoding<delta8>>, tensor<2xi32>, tensor<2xi32> -> tensor<1x3x3x2xi8>
  func.return %z : tensor<1x3x3x2xi8>
}

// CHECK:      builtin.module attributes {sparsec.target = "cortex-m4"} {
// CHECK:      [[D:%.*]] = memref.alloc() : memref<1x4x4x2xi8>
// CHECK:      [[S:%.*]] = memref.alloc() {alignment = 8 : i64} : memref<32xi8>
// CHECK-NEXT: cmsis.convolve_wrapper_s8 {{.*}} <input_zp = 3> window <padding = [1, 1, 0, 0]> into [[D]] scratch [[S]] : memref<32xi8> {layer = "dense", op = "conv2d"}
// CHECK:      rt.convolve_packed_s8 [[D]], {{.*}} kernel [2, 2] window <> into {{.*}} {layer = "sparse", op = "conv2d"}

// M55:        memref.alloc() {alignment = 8 : i64} : memref<32xi8>
// M55:        cmsis.convolve_wrapper_s8
// M55:      qnn.constant named "c.weight.rows" dense<[8, 1073741824, 5, 2, -6, 1073741824, 6, 1]> : tensor<8xi32>
// M55:      qnn.constant named "c.weight.steps"
// M55:      qnn.constant named "c.weight.values"
// M55:      [[Y:%[a-z0-9_]+]] = memref.reinterpret_cast {{.*}} to memref<{{.*}}, #rt.channel_major<
// M55:      [[X:%[a-z0-9_]+]] = memref.reinterpret_cast {{.*}} to memref<{{.*}}, #rt.channel_major<
// M55:      rt.to_channel_major_s8 {{%[a-z0-9_]+}} into [[X]] {layer = "sparse", op = "conv2d"}
// M55:      rt.convolve_pixels_s8 [[X]], {{.*}} kernel [2, 2] window <> into [[Y]] {layer = "sparse", op = "conv2d"}
// M55:      rt.from_channel_major_s8 [[Y]] into {{%[a-z0-9_]+}} {layer = "sparse", op = "conv2d"}

// -----

// One multiplier: CMSIS-NN, except on Helium. Multipliers of their own: one row by the runtime,
// several as a 1x1 convolution. Sparse weights want a multiplier for each output.

func.func @main(%x : tensor<1x3xi8>, %rows : tensor<1x5x3xi8>) -> tensor<1x2xi8> {
  %w = qnn.constant named "fc.weight" dense<[[1, 2, 3], [-4, 0, 0]]> : tensor<2x3xi8>
  %p = qnn.constant named "fc.weight" dense<[[1, 2, 3], [-4, 0, 0]]> : tensor<2x3xi8, #sparse.encoding<delta8>>
  %b = qnn.constant named "fc.bias" dense<[10, 20]> : tensor<2xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<-3> : tensor<1xi32>
  %m2 = qnn.constant dense<[1073741824, 1073741825]> : tensor<2xi32>
  %s2 = qnn.constant dense<[-3, -4]> : tensor<2xi32>
  %one = qnn.linear %x, %w, %b requant(%m, %s) <input_zp = 1> : tensor<1x3xi8>, tensor<2x3xi8>, tensor<2xi32>, tensor<1xi32> -> tensor<1x2xi8>
  %many = qnn.linear %x, %w, %b requant(%m2, %s2) <input_zp = 1> : tensor<1x3xi8>, tensor<2x3xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2xi8>
  %all = qnn.linear %rows, %w, %b requant(%m2, %s2) <input_zp = 1> : tensor<1x5x3xi8>, tensor<2x3xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x5x2xi8>
  %packed = qnn.linear %x, %p, %b requant(%m, %s) <> : tensor<1x3xi8>, tensor<2x3xi8, #sparse.encoding<delta8>>, tensor<2xi32>, tensor<1xi32> -> tensor<1x2xi8>
  func.return %one : tensor<1x2xi8>
}

// CHECK:      rt.fully_connected_dense_s8 {{.*}} saturating <input_zp = 1> into {{%[a-z0-9_]+}} {op = "linear"}
// CHECK:      rt.fully_connected_dense_s8 {{.*}} saturating <input_zp = 1> into %many
// CHECK:      memref.reinterpret_cast {{.*}} sizes: [1, 5, 1, 3]
// CHECK:      memref.reinterpret_cast {{.*}} sizes: [2, 1, 1, 3]
// CHECK:      memref.reinterpret_cast {{.*}} sizes: [1, 5, 1, 2]
// CHECK-NEXT: cmsis.convolve_wrapper_s8 {{.*}} memref<1x5x1x3xi8>, memref<2x1x1x3xi8>, {{.*}} memref<1x5x1x2xi8>
// CHECK:      qnn.constant named "fc.weight.rows" dense<[[10, 770, 1073741824], [20, 258, 1073741824]]> : tensor<2x3xi32>
// CHECK-NEXT: [[R:%.*]] = builtin.unrealized_conversion_cast
// CHECK:      rt.fully_connected_table_s8 {{.*}}, [[R]], {{.*}} saturating <> into

// M3:         cmsis.fully_connected_s8 {{.*}} requant(1073741824, -3) <input_zp = 1> into {{%[a-z0-9_]+}} {op = "linear"}
// M3:         qnn.constant named "fc.bias" dense<[4, 24]> : tensor<2xi32>
// M3:         rt.fully_connected_per_channel_s8 {{.*}} <input_zp = 1> into

// M55-NOT:    cmsis.fully_connected_s8
// M55:        qnn.constant dense<1073741824> : tensor<2xi32>
// M55:        rt.fully_connected_per_channel_s8
// M55:        rt.fully_connected_gather_s8

// -----

// The layers without weights; a reshape is a view.

func.func @main(%x : tensor<1x4x4x2xi8>) -> tensor<1x32xi8> {
  %t = qnn.constant dense<3> : tensor<256xi8>
  %a = qnn.max_pool2d %x pool <kernel = [2, 2], strides = [1, 1], padding = [1, 1, 0, 0]> <> : tensor<1x4x4x2xi8> -> tensor<1x4x4x2xi8>
  %b = qnn.avg_pool2d %a pool <kernel = [1, 1]> <> : tensor<1x4x4x2xi8> -> tensor<1x4x4x2xi8>
  %c = qnn.add %a, %b <input1_zp = 0, input1_multiplier = 1, input1_shift = 0, input2_zp = 0, input2_multiplier = 1, input2_shift = 0, left_shift = 20, output_zp = 0, output_multiplier = 1, output_shift = 0> : tensor<1x4x4x2xi8>
  %d = qnn.lookup %c, %t : tensor<1x4x4x2xi8>, tensor<256xi8>
  %k = qnn.add %d, %d <input1_zp = 0, input1_multiplier = 1073741824, input1_shift = 0, input2_zp = 0, input2_multiplier = 1073741824, input2_shift = 0, left_shift = 20, output_zp = 0, output_multiplier = 1073741824, output_shift = 0> : tensor<1x4x4x2xi8>
  %l = qnn.add %k, %x <input1_zp = 92, input1_multiplier = 1656630243, input1_shift = -1, input2_zp = 42, input2_multiplier = 1073741824, input2_shift = 0, left_shift = 20, output_zp = 87, output_multiplier = 1708225629, output_shift = -20> : tensor<1x4x4x2xi8>
  %e = qnn.rescale %l <multiplier = 1073741824> : tensor<1x4x4x2xi8>
  %f = qnn.softmax %e <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x4x4x2xi8>
  %g = qnn.transpose %f [0, 2, 1, 3] : tensor<1x4x4x2xi8> -> tensor<1x4x4x2xi8>
  %h = qnn.pad %g, 5 <low = [0, 1, 0, 0], high = [0, 0, 0, 0]> : tensor<1x4x4x2xi8> -> tensor<1x5x4x2xi8>
  %i = qnn.concat %h, %x axis 1 : tensor<1x5x4x2xi8>, tensor<1x4x4x2xi8> -> tensor<1x9x4x2xi8>
  %j = qnn.reshape %x : tensor<1x4x4x2xi8> -> tensor<1x32xi8>
  func.return %j : tensor<1x32xi8>
}

// CHECK:      cmsis.max_pool_s8 {{.*}} into {{%[a-z0-9_]+}} {op = "max_pool2d"}
// CHECK:      [[S:%.*]] = memref.alloc() {alignment = 8 : i64} : memref<8xi8>
// CHECK-NEXT: cmsis.avgpool_s8 {{.*}} scratch [[S]] : memref<8xi8>
// CHECK:      rt.residual_add_s8
// CHECK:      rt.lookup_s8
// CHECK:      cmsis.elementwise_add_s8
// CHECK:      rt.residual_add_rounded_s8 {{.*}} <input1_zp = 42, input2_zp = 92, multiplier = 1656630243, shift = -1, output_multiplier = 1708225629, output_shift = -20, output_zp = 87> into
// CHECK:      rt.requantize_s8
// CHECK:      cmsis.softmax_s8
// CHECK:      rt.transpose_s8 {{.*}} [0, 2, 1, 3]
// CHECK:      rt.pad_s8
// CHECK:      [[OUT:%.*]] = memref.alloc() : memref<1x9x4x2xi8>
// CHECK:      rt.concatenate_s8 {{.*}} axis 1 at 0 into [[OUT]]
// CHECK:      rt.concatenate_s8 {{.*}} axis 1 at 5 into [[OUT]]
// CHECK:      memref.reinterpret_cast {{.*}} sizes: [1, 32]

// M55:        cmsis.avgpool_s8 {{.*}} into {{%[a-z0-9_]+}} {op = "avg_pool2d"}

// -----

// A padding that CMSIS-NN's 1x1 variant would ignore becomes an operation of its own.

func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x3x2x1xi8> {
  %w = qnn.constant dense<1> : tensor<1x1x1x1xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.conv2d %x, %w, %b requant(%b, %b) <input_zp = 9> window <padding = [0, 0, 1, 0]> {layer = "odd"} : tensor<1x2x2x1xi8>, tensor<1x1x1x1xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x3x2x1xi8>
  func.return %y : tensor<1x3x2x1xi8>
}

// CHECK:      rt.pad_s8 {{.*}}, 9 <low = [0, 0, 0, 0], high = [0, 1, 0, 0]> into {{.*}} {layer = "odd", op = "pad"}
// CHECK:      cmsis.convolve_wrapper_s8 {{.*}} <input_zp = 9> window <> into {{.*}} {layer = "odd", op = "conv2d"}

// -----

// A module whose kernels are chosen stays as it is.

builtin.module attributes {sparsec.target = "cortex-m0plus"} {
  func.func @main(%x : memref<4xi8>, %y : memref<4xi8>) {
    rt.concatenate_s8 %x axis 0 at 0 into %y : memref<4xi8>, memref<4xi8>
    func.return
  }
}

// CHECK:      builtin.module attributes {sparsec.target = "cortex-m0plus"} {
// CHECK:        rt.concatenate_s8 %x axis 0 at 0 into %y
// M55:        builtin.module attributes {sparsec.target = "cortex-m0plus"} {
