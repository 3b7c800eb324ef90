// SPDX-License-Identifier: Apache-2.0

// RUN: ROUNDTRIP

func.func @layers(%x : tensor<1x6x6x2xi8> {qnn.quantization = #nn.quantization<scales = [0.05], zero_point = 3>}, %v : tensor<1x4xi8>, %t : tensor<256xi8>) {
  %w = qnn.constant named "conv1.weight" dense<1> : tensor<4x3x3x2xi8>
  %c = qnn.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
  %conv = qnn.conv2d %x, %w, %c requant(%c, %c) <input_zp = 3, clamp = [-3, 127]> window <strides = [2, 2], padding = [0, 0, 1, 1]> {layer = "conv1"} : tensor<1x6x6x2xi8>, tensor<4x3x3x2xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x3x3x4xi8>
  %dw = qnn.constant dense<1> : tensor<1x3x3x4xi8>
  %depthwise = qnn.depthwise_conv2d %x, %dw, %c requant(%c, %c) <output_zp = -1> window <> : tensor<1x6x6x2xi8>, tensor<1x3x3x4xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x4x4x4xi8>
  %tw = qnn.constant dense<1> : tensor<4x3x3x2xi8>
  %transposed = qnn.transpose_conv2d %x, %tw, %c requant(%c, %c) <input_zp = 3> window <strides = [2, 2], padding = [0, 0, 1, 1]> : tensor<1x6x6x2xi8>, tensor<4x3x3x2xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x12x12x4xi8>
  %fcw = qnn.constant dense<0> : tensor<4x4xi8, #sparse.encoding<delta8>>
  %m = qnn.constant dense<7> : tensor<1xi32>
  %fc = qnn.linear %v, %fcw, %c requant(%m, %m) <> : tensor<1x4xi8>, tensor<4x4xi8, #sparse.encoding<delta8>>, tensor<4xi32>, tensor<1xi32> -> tensor<1x4xi8>
  %table = qnn.lookup %v, %t : tensor<1x4xi8>, tensor<256xi8>
  %rescale = qnn.rescale %v <input_zp = 1, multiplier = 1073741824, shift = 1> : tensor<1x4xi8>
  %softmax = qnn.softmax %v <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x4xi8>
  %add = qnn.add %v, %v <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> : tensor<1x4xi8>
  %max = qnn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> <> : tensor<1x6x6x2xi8> -> tensor<1x3x3x2xi8>
  %avg = qnn.avg_pool2d %x pool <kernel = [6, 6]> <input_zp = 3, output_zp = 3> : tensor<1x6x6x2xi8> -> tensor<1x1x1x2xi8>
  %pad = qnn.pad %x, -128 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : tensor<1x6x6x2xi8> -> tensor<1x8x8x2xi8>
  %reshape = qnn.reshape %x : tensor<1x6x6x2xi8> -> tensor<1x72xi8>
  %transpose = qnn.transpose %x [0, 3, 1, 2] : tensor<1x6x6x2xi8> -> tensor<1x2x6x6xi8>
  %concat = qnn.concat %v, %v axis 1 : tensor<1x4xi8>, tensor<1x4xi8> -> tensor<1x8xi8>
  func.return
}

// CHECK:       func.func @layers(%x: tensor<1x6x6x2xi8> {qnn.quantization = #nn.quantization<scales = [0.05], zero_point = 3>}
// CHECK-NEXT:    %w = qnn.constant named "conv1.weight" dense<1> : tensor<4x3x3x2xi8>
// CHECK-NEXT:    %c = qnn.constant dense<[1, 2, 3, 4]> : tensor<4xi32>
// CHECK-NEXT:    %conv = qnn.conv2d %x, %w, %c requant(%c, %c) <input_zp = 3, clamp = [-3, 127]> window <strides = [2, 2], padding = [0, 0, 1, 1]> {layer = "conv1"}
// CHECK-NEXT:    %dw = qnn.constant
// CHECK-NEXT:    %depthwise = qnn.depthwise_conv2d %x, %dw, %c requant(%c, %c) <output_zp = -1> window <> :
// CHECK-NEXT:    %tw = qnn.constant
// CHECK-NEXT:    %transposed = qnn.transpose_conv2d %x, %tw, %c requant(%c, %c) <input_zp = 3> window <strides = [2, 2], padding = [0, 0, 1, 1]> : tensor<1x6x6x2xi8>, tensor<4x3x3x2xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x12x12x4xi8>
// CHECK-NEXT:    %fcw = qnn.constant dense<0> : tensor<4x4xi8, #sparse.encoding<delta8>>
// CHECK-NEXT:    %m = qnn.constant
// CHECK-NEXT:    %fc = qnn.linear %v, %fcw, %c requant(%m, %m) <>
// CHECK-NEXT:    %table = qnn.lookup %v, %t : tensor<1x4xi8>, tensor<256xi8>
// CHECK-NEXT:    %rescale = qnn.rescale %v <input_zp = 1, multiplier = 1073741824, shift = 1> : tensor<1x4xi8>
// CHECK-NEXT:    %softmax = qnn.softmax %v <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x4xi8>
// CHECK-NEXT:    %add = qnn.add %v, %v <input1_zp = 1, {{.*}}, output_shift = 9> : tensor<1x4xi8>
// CHECK-NEXT:    %max = qnn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> <> :
// CHECK-NEXT:    %avg = qnn.avg_pool2d %x pool <kernel = [6, 6]> <input_zp = 3, output_zp = 3> :
// CHECK-NEXT:    %pad = qnn.pad %x, -128 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> :
// CHECK-NEXT:    %reshape = qnn.reshape %x : tensor<1x6x6x2xi8> -> tensor<1x72xi8>
// CHECK-NEXT:    %transpose = qnn.transpose %x [0, 3, 1, 2] : tensor<1x6x6x2xi8> -> tensor<1x2x6x6xi8>
// CHECK-NEXT:    %concat = qnn.concat %v, %v axis 1 : tensor<1x4xi8>, tensor<1x4xi8> -> tensor<1x8xi8>

// -----

func.func @elementwise(%x : tensor<1x2x3xi8>, %v : tensor<3xi8>) {
  %mul = qnn.mul %x, %v <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  %sub = qnn.sub %v, %x <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> : tensor<3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  %sum = qnn.broadcast_add %x, %v <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  %maximum = qnn.maximum %x, %x : tensor<1x2x3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  %minimum = qnn.minimum %x, %v : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  %prelu = qnn.prelu %x, %v <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  func.return
}

// CHECK:       func.func @elementwise
// CHECK-NEXT:    %mul = qnn.mul %x, %v <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
// CHECK-NEXT:    %sub = qnn.sub %v, %x <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> : tensor<3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
// CHECK-NEXT:    %sum = qnn.broadcast_add %x, %v <input1_zp = 1, input1_multiplier = 2, input1_shift = 3, input2_zp = 4, input2_multiplier = 5, input2_shift = 6, left_shift = 20, output_zp = 7, output_multiplier = 8, output_shift = 9> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
// CHECK-NEXT:    %maximum = qnn.maximum %x, %x : tensor<1x2x3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
// CHECK-NEXT:    %minimum = qnn.minimum %x, %v : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
// CHECK-NEXT:    %prelu = qnn.prelu %x, %v <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> : tensor<1x2x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>

// -----

func.func @movement(%x : tensor<1x4x3x2xi8>) {
  %slice = qnn.slice %x <begin = [0, 3, 0, 1], strides = [1, -2, 1, 1]> : tensor<1x4x3x2xi8> -> tensor<1x2x3x1xi8>
  %rows = qnn.constant dense<[0, 0, 3]> : tensor<3xui16>
  %columns = qnn.constant dense<[2, 1]> : tensor<2xui16>
  %resize = qnn.resize_nearest %x, %rows, %columns : tensor<1x4x3x2xi8>, tensor<3xui16>, tensor<2xui16> -> tensor<1x3x2x2xi8>
  %gather = qnn.gather %x, %rows axis 1 : tensor<1x4x3x2xi8>, tensor<3xui16> -> tensor<1x3x3x2xi8>
  func.return
}

// CHECK:       func.func @movement
// CHECK-NEXT:    %slice = qnn.slice %x <begin = [0, 3, 0, 1], strides = [1, -2, 1, 1]> : tensor<1x4x3x2xi8> -> tensor<1x2x3x1xi8>
// CHECK-NEXT:    %rows = qnn.constant dense<[0, 0, 3]> : tensor<3xui16>
// CHECK-NEXT:    %columns = qnn.constant dense<[2, 1]> : tensor<2xui16>
// CHECK-NEXT:    %resize = qnn.resize_nearest %x, %rows, %columns : tensor<1x4x3x2xi8>, tensor<3xui16>, tensor<2xui16> -> tensor<1x3x2x2xi8>
// CHECK-NEXT:    %gather = qnn.gather %x, %rows axis 1 : tensor<1x4x3x2xi8>, tensor<3xui16> -> tensor<1x3x3x2xi8>

// -----

func.func @reductions(%x : tensor<1x4x3x2xi8>) {
  %mean = qnn.mean %x <input_zp = 3, multiplier = 1431655765, shift = -3, clamp = [-9, 9]> {layer = "gap"} : tensor<1x4x3x2xi8> -> tensor<1x1x1x2xi8>
  %largest = qnn.reduce_max %x : tensor<1x4x3x2xi8> -> tensor<1x4x3x1xi8>
  %smallest = qnn.reduce_min %x : tensor<1x4x3x2xi8> -> tensor<1x1x3x2xi8>
  %where = qnn.arg_max %x {layer = "class"} : tensor<1x4x3x2xi8> -> tensor<1x4x3x1xi32>
  %least = qnn.arg_min %x : tensor<1x4x3x2xi8> -> tensor<1x1x1x2xi32>
  %flat = qnn.reshape %where : tensor<1x4x3x1xi32> -> tensor<1x12xi32>
  func.return
}

// CHECK:       func.func @reductions
// CHECK-NEXT:    %mean = qnn.mean %x <input_zp = 3, multiplier = 1431655765, shift = -3, clamp = [-9, 9]> {layer = "gap"} : tensor<1x4x3x2xi8> -> tensor<1x1x1x2xi8>
// CHECK-NEXT:    %largest = qnn.reduce_max %x : tensor<1x4x3x2xi8> -> tensor<1x4x3x1xi8>
// CHECK-NEXT:    %smallest = qnn.reduce_min %x : tensor<1x4x3x2xi8> -> tensor<1x1x3x2xi8>
// CHECK-NEXT:    %where = qnn.arg_max %x {layer = "class"} : tensor<1x4x3x2xi8> -> tensor<1x4x3x1xi32>
// CHECK-NEXT:    %least = qnn.arg_min %x : tensor<1x4x3x2xi8> -> tensor<1x1x1x2xi32>
// CHECK-NEXT:    %flat = qnn.reshape %where : tensor<1x4x3x1xi32> -> tensor<1x12xi32>

// -----

func.func @resampling(%x : tensor<1x4x3x2xi8>, %i : tensor<5xui16>, %a : tensor<5x2xi16>, %j : tensor<2xui16>, %b : tensor<2x3xi16>) {
  %y = qnn.resample %x, %i by %a, %j by %b <input_zp = 3, multiplier = 1073741824, shift = -20> {layer = "up"} : tensor<1x4x3x2xi8>, tensor<5xui16>, tensor<5x2xi16>, tensor<2xui16>, tensor<2x3xi16> -> tensor<1x5x2x2xi8>
  func.return
}

// CHECK:       func.func @resampling
// CHECK-NEXT:    %y = qnn.resample %x, %i by %a, %j by %b <input_zp = 3, multiplier = 1073741824, shift = -20> {layer = "up"} : tensor<1x4x3x2xi8>, tensor<5xui16>, tensor<5x2xi16>, tensor<2xui16>, tensor<2x3xi16> -> tensor<1x5x2x2xi8>

// -----

func.func @normalization(%x : tensor<1x4x3x2xi8>, %c : tensor<2xi32>) {
  %y = qnn.normalize %x, %c requant(%c, %c) <input_zp = 3, output_zp = -4, groups = 2, centered = 0, epsilon = 41, clamp = [0, 127]> {layer = "norm"} : tensor<1x4x3x2xi8>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x3x2xi8>
  func.return
}

// CHECK:       func.func @normalization
// CHECK-NEXT:    %y = qnn.normalize %x, %c requant(%c, %c) <input_zp = 3, output_zp = -4, groups = 2, centered = 0, epsilon = 41, clamp = [0, 127]> {layer = "norm"} : tensor<1x4x3x2xi8>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x3x2xi8>

func.func @of_integers(%image : tensor<1x2x2x3xui8>, %i : tensor<1x4xi32>, %table : tensor<5x3xi8>) {
  %x = qnn.from_uint8 %image {layer = "image"} : tensor<1x2x2x3xui8> -> tensor<1x2x2x3xi8>
  %e = qnn.embedding %table, %i {layer = "words"} : tensor<5x3xi8>, tensor<1x4xi32> -> tensor<1x4x3xi8>
  func.return
}

// CHECK-LABEL: @of_integers
// CHECK-NEXT:    %x = qnn.from_uint8 %image {layer = "image"} : tensor<1x2x2x3xui8> -> tensor<1x2x2x3xi8>
// CHECK-NEXT:    %e = qnn.embedding %table, %i {layer = "words"} : tensor<5x3xi8>, tensor<1x4xi32> -> tensor<1x4x3xi8>

func.func @selected(%mask : tensor<4x2xi8>, %x : tensor<1x4x2xi8>, %y : tensor<1xi8>) {
  %z = qnn.select %mask, %x, %y {layer = "fill"} : tensor<4x2xi8>, tensor<1x4x2xi8>, tensor<1xi8> -> tensor<1x4x2xi8>
  func.return
}

// CHECK-LABEL: @selected
// CHECK-NEXT:    %z = qnn.select %mask, %x, %y {layer = "fill"} : tensor<4x2xi8>, tensor<1x4x2xi8>, tensor<1xi8> -> tensor<1x4x2xi8>

func.func @attention(%qkv : tensor<1x5x24xi8>, %m : tensor<1x1x5x5xi8>, %s : tensor<1x2x5x5xi8>, %v : tensor<1x2x5x4xi8>) {
  %p = qnn.masked_softmax %s, %m <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x2x5x5xi8>, tensor<1x1x5x5xi8>
  %r = qnn.matmul %p, %v <lhs_zp = -128, rhs_zp = 3, multiplier = 1073741824, shift = -7, output_zp = -7> : tensor<1x2x5x5xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  %y = qnn.attention %qkv, %qkv, %qkv over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 4, 24], key = [8, 0, 4, 24], value = [16, 0, 4, 24], result = [0, 0, 4, 8]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1073741824, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1073741824, shift = -7, output_zp = -4> {layer = "attention"} : tensor<1x5x24xi8>, tensor<1x5x24xi8>, tensor<1x5x24xi8> -> tensor<1x5x8xi8>
  %z = qnn.attention %v, %v, %v mask %m : tensor<1x1x5x5xi8> over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 20, 4], key = [0, 0, 20, 4], value = [0, 0, 20, 4], result = [0, 0, 20, 4], mask_factor = 3, causal = 1> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1073741824, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1073741824, shift = -7, output_zp = -4> : tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  func.return
}

// CHECK:      %p = qnn.masked_softmax %s, %m <multiplier = 1717986918, shift = 23, diff_min = -248> : tensor<1x2x5x5xi8>, tensor<1x1x5x5xi8>
// CHECK-NEXT: %r = qnn.matmul %p, %v <lhs_zp = -128, rhs_zp = 3, multiplier = 1073741824, shift = -7, output_zp = -7> : tensor<1x2x5x5xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
// CHECK-NEXT: %y = qnn.attention %qkv, %qkv, %qkv over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 4, 24], key = [8, 0, 4, 24], value = [16, 0, 4, 24], result = [0, 0, 4, 8]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1073741824, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1073741824, shift = -7, output_zp = -4> {layer = "attention"} : tensor<1x5x24xi8>, tensor<1x5x24xi8>, tensor<1x5x24xi8> -> tensor<1x5x8xi8>
// CHECK-NEXT: %z = qnn.attention %v, %v, %v mask %m : tensor<1x1x5x5xi8> over <{{.*}}, mask_factor = 3, causal = 1> scores
