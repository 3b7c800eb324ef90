// SPDX-License-Identifier: Apache-2.0

// RUN: VERIFY_DIAG

func.func @f(%x : tensor<1x5x5x2xi8>, %w : tensor<4x3x3x3xi8>, %c : tensor<4xi32>) {
  %y = qnn.conv2d %x, %w, %c requant(%c, %c) <> window <> : tensor<1x5x5x2xi8>, tensor<4x3x3x3xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x3x3x4xi8>
  func.return
}
// CHECK: weights must have shape OxKHxKWx2, got tensor<4x3x3x3xi8>

// -----

func.func @f(%x : tensor<1x5x5x2xi8>, %w : tensor<4x3x3x2xi8>, %c : tensor<4xi32>) {
  %y = qnn.conv2d %x, %w, %c requant(%c, %c) <> window <> : tensor<1x5x5x2xi8>, tensor<4x3x3x2xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x5x5x4xi8>
  func.return
}
// CHECK: result must have shape 1x3x3x4, got tensor<1x5x5x4xi8>

// -----

func.func @f(%x : tensor<1x5x5x2xi8>, %w : tensor<4x3x3x2xi8>, %c : tensor<4xi32>, %m : tensor<1xi32>) {
  %y = qnn.conv2d %x, %w, %c requant(%m, %m) <> window <> : tensor<1x5x5x2xi8>, tensor<4x3x3x2xi8>, tensor<4xi32>, tensor<1xi32> -> tensor<1x3x3x4xi8>
  func.return
}
// CHECK: multiplier must have shape 4, got tensor<1xi32>

// -----

func.func @f(%x : tensor<1x5x5x2xi8>, %w : tensor<4x7x7x2xi8>, %c : tensor<4xi32>) {
  %y = qnn.conv2d %x, %w, %c requant(%c, %c) <> window <> : tensor<1x5x5x2xi8>, tensor<4x7x7x2xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x1x1x4xi8>
  func.return
}
// CHECK: a window of 7x7 does not fit an input of 5x5 (padding included)

// -----

func.func @f(%x : tensor<1x5x5x2xi8>, %w : tensor<1x3x3x3xi8>, %c : tensor<3xi32>) {
  %y = qnn.depthwise_conv2d %x, %w, %c requant(%c, %c) <> window <> : tensor<1x5x5x2xi8>, tensor<1x3x3x3xi8>, tensor<3xi32>, tensor<3xi32> -> tensor<1x3x3x3xi8>
  func.return
}
// CHECK: weights must have shape 1xKHxKWxN, N a multiple of 2, got tensor<1x3x3x3xi8>

// -----

func.func @f(%x : tensor<1x8xi8>, %w : tensor<4x8xi8>, %c : tensor<4xi32>) {
  %y = qnn.linear %x, %w, %c requant(%c, %c) <clamp = [5, -5]> : tensor<1x8xi8>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x4xi8>
  func.return
}
// CHECK: clamp must be two ascending int8 values, got (5, -5)

// -----

func.func @f(%x : tensor<1x8xi8>, %w : tensor<4x8xi8>, %c : tensor<4xi32>) {
  %y = qnn.linear %x, %w, %c requant(%c, %c) <input_offset = 5> : tensor<1x8xi8>, tensor<4x8xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x4xi8>
  func.return
}
// CHECK: unknown field 'input_offset', expected one of ['clamp', 'input_zp', 'output_zp']

// -----

func.func @f(%x : tensor<1x8xi8>, %w : tensor<4x8xi8, "dense">, %c : tensor<4xi32>) {
  %y = qnn.linear %x, %w, %c requant(%c, %c) <> : tensor<1x8xi8>, tensor<4x8xi8, "dense">, tensor<4xi32>, tensor<4xi32> -> tensor<1x4xi8>
  func.return
}
// CHECK: "dense" is not a sparse encoding

// -----

func.func @f(%x : tensor<1x8xi8>, %w : tensor<4x8xi8, #sparse.encoding<delta9>>, %c : tensor<4xi32>) {
  func.return
}
// CHECK: unknown sparse format 'delta9', known: delta8

// -----

func.func @f(%x : tensor<1x4x4x2xi8>) {
  %y = qnn.max_pool2d %x pool <kernel = [2, 2]> <input_zp = 1> : tensor<1x4x4x2xi8> -> tensor<1x3x3x2xi8>
  func.return
}
// CHECK: a pooling layer cannot change the zero point

// -----

func.func @f(%x : tensor<1x4xi8>, %t : tensor<255xi8>) {
  %y = qnn.lookup %x, %t : tensor<1x4xi8>, tensor<255xi8>
  func.return
}
// CHECK: table must have shape 256, got tensor<255xi8>

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %y = qnn.reshape %x : tensor<1x4xi8> -> tensor<1x5xi8>
  func.return
}
// CHECK: tensor<1x4xi8> does not have as many elements as tensor<1x5xi8>

// -----

func.func @f(%x : tensor<1x4x3x2xi8>) {
  %y = qnn.transpose %x [0, 1, 1, 2] : tensor<1x4x3x2xi8> -> tensor<1x4x4x3xi8>
  func.return
}
// CHECK: [0, 1, 1, 2] is not a permutation of the axes of tensor<1x4x3x2xi8>

// -----

func.func @f(%x : tensor<1x4xi8>, %y : tensor<2x4xi8>) {
  %z = qnn.concat %x, %y axis 1 : tensor<1x4xi8>, tensor<2x4xi8> -> tensor<1x8xi8>
  func.return
}
// CHECK: tensor<2x4xi8> cannot be concatenated with tensor<1x4xi8>

// -----

func.func @f(%x : tensor<1x2x3xi8>, %v : tensor<2xi8>) {
  %y = qnn.mul %x, %v <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = -4, output_zp = 5, clamp = [0, 9]> : tensor<1x2x3xi8>, tensor<2xi8> -> tensor<1x2x3xi8>
  func.return
}
// CHECK: shapes 1x2x3 and 2 cannot be broadcast

// -----

func.func @f(%x : tensor<1x1x3xi8>, %v : tensor<3xi8>) {
  %y = qnn.maximum %x, %v : tensor<1x1x3xi8>, tensor<3xi8> -> tensor<1x2x3xi8>
  func.return
}
// CHECK: result must have shape 1x1x3, got tensor<1x2x3xi8>

// -----

func.func @f(%x : tensor<1x2x3xi8>) {
  %y = qnn.mul %x, %x <input1_zp = 1, input2_zp = 2, multiplier = 3, shift = 15, output_zp = 5> : tensor<1x2x3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  func.return
}
// CHECK: shift 15 of a product is outside -30 to 14

// -----

func.func @f(%x : tensor<1x2x3xi8>, %v : tensor<3xi8>) {
  %y = qnn.prelu %v, %x <input_zp = 1, alpha_zp = 2, multiplier = 3, shift = -4, alpha_multiplier = 5, alpha_shift = -6, output_zp = 7> : tensor<3xi8>, tensor<1x2x3xi8> -> tensor<1x2x3xi8>
  func.return
}
// CHECK: result must have shape 3, got tensor<1x2x3xi8>

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %y = qnn.slice %x <begin = [0, 1], strides = [1, 2]> : tensor<1x4xi8> -> tensor<1x3xi8>
  func.return
}
// CHECK: 3 elements from 1 on with stride 2 are not inside axis 1 of 4 elements

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %y = qnn.slice %x <begin = [0, 1], strides = [1, -1]> : tensor<1x4xi8> -> tensor<1x3xi8>
  func.return
}
// CHECK: 3 elements from 1 on with stride -1 are not inside axis 1 of 4 elements

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %y = qnn.slice %x <begin = [1], strides = [1]> : tensor<1x4xi8> -> tensor<3xi8>
  func.return
}
// CHECK: a slice of 1 axes of a tensor of 2 with a result of 1

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %y = qnn.slice %x <begin = [0, 1], strides = [1, 0]> : tensor<1x4xi8> -> tensor<1x3xi8>
  func.return
}
// CHECK: begin and strides must list one number for each axis, no begin negative and no stride 0

// -----

func.func @f(%x : tensor<1x4x3x2xi8>, %rows : tensor<3xui16>) {
  %y = qnn.resize_nearest %x, %rows, %rows : tensor<1x4x3x2xi8>, tensor<3xui16>, tensor<3xui16> -> tensor<1x3x2x2xi8>
  func.return
}
// CHECK: columns must have shape 2, got tensor<3xui16>

// -----

func.func @f(%x : tensor<1x4x3x2xi8>, %rows : tensor<3xui16>) {
  %columns = qnn.constant dense<[2, 3]> : tensor<2xui16>
  %y = qnn.resize_nearest %x, %rows, %columns : tensor<1x4x3x2xi8>, tensor<3xui16>, tensor<2xui16> -> tensor<1x3x2x2xi8>
  func.return
}
// CHECK: column 3 is not one of 3

// -----

func.func @f(%x : tensor<1x4x3x2xi8>) {
  %y = qnn.mean %x <> : tensor<1x4x3x2xi8> -> tensor<1x1x1x3xi8>
  func.return
}
// CHECK: tensor<1x1x1x3xi8> is not what tensor<1x4x3x2xi8> is reduced to along some axes

// -----

func.func @f(%x : tensor<1x4x3x2xi8>) {
  %y = qnn.reduce_max %x : tensor<1x4x3x2xi8> -> tensor<1x1x3x1xi8>
  func.return
}
// CHECK: the axes that are reduced are not next to each other in tensor<1x4x3x2xi8>

// -----

func.func @f(%x : tensor<1x0x2xi8>) {
  %y = qnn.reduce_min %x : tensor<1x0x2xi8> -> tensor<1x1x2xi8>
  func.return
}
// CHECK: nothing is left to reduce in tensor<1x0x2xi8>

// -----

func.func @f(%x : tensor<1x4096x4096x2xi8>) {
  %y = qnn.mean %x <> : tensor<1x4096x4096x2xi8> -> tensor<1x1x1x2xi8>
  func.return
}
// CHECK: a mean is of 1 to 8421504 values, got 16777216

// -----

func.func @f(%x : tensor<1x3x3x2xi8>, %w : tensor<2x3x3x1xi8>, %b : tensor<2xi32>, %m : tensor<2xi32>) {
  %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %m) <> window <strides = [2, 2]> : tensor<1x3x3x2xi8>, tensor<2x3x3x1xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x7x7x2xi8>
  func.return
}
// CHECK: weights must have shape OxKHxKWx2, got tensor<2x3x3x1xi8>

// -----

func.func @f(%x : tensor<1x3x3x2xi8>, %w : tensor<2x3x3x2xi8>, %b : tensor<2xi32>, %m : tensor<2xi32>) {
  %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %m) <> window <dilations = [2, 2]> : tensor<1x3x3x2xi8>, tensor<2x3x3x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x7x7x2xi8>
  func.return
}
// CHECK: a transposed convolution cannot be dilated

// -----

func.func @f(%x : tensor<1x3x3x2xi8>, %w : tensor<2x3x3x2xi8>, %b : tensor<2xi32>, %m : tensor<2xi32>) {
  %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %m) <> window <strides = [2, 2]> : tensor<1x3x3x2xi8>, tensor<2x3x3x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x9x8x2xi8>
  func.return
}
// CHECK: a result of 9x8 is that of an input of 4x3, got 3x3

// -----

func.func @f(%x : tensor<1x3x3x2xi8>, %w : tensor<2x3x3x2xi8>, %b : tensor<2xi32>, %m : tensor<2xi32>) {
  %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %m) <> window <> : tensor<1x3x3x2xi8>, tensor<2x3x3x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x9x2xi8>
  func.return
}
// CHECK: a window of 3x3 does not fit an input of 2x9 (padding included)

// -----

func.func @f(%x : tensor<1x3x3x2xi8>, %w : tensor<2x3x3x2xi8>, %b : tensor<2xi32>, %m : tensor<2xi32>) {
  %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %m) <> window <strides = [2, 2]> : tensor<1x3x3x2xi8>, tensor<2x3x3x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x7x8x3xi8>
  func.return
}
// CHECK: result must have 2 channels, got 3

// -----

func.func @f(%x : tensor<1x3x3x2xi8>, %w : tensor<2x3x3x2xi8>, %b : tensor<3xi32>, %m : tensor<2xi32>) {
  %y = qnn.transpose_conv2d %x, %w, %b requant(%m, %m) <> window <strides = [2, 2]> : tensor<1x3x3x2xi8>, tensor<2x3x3x2xi8>, tensor<3xi32>, tensor<2xi32> -> tensor<1x7x8x2xi8>
  func.return
}
// CHECK: bias must have shape 2, got tensor<3xi32>

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %i = qnn.constant dense<[3, 4]> : tensor<2xui16>
  %y = qnn.gather %x, %i axis 1 : tensor<1x4xi8>, tensor<2xui16> -> tensor<1x2xi8>
  func.return
}
// CHECK: index 4 is not one of 4

// -----

func.func @f(%x : tensor<1x4xi8>, %i : tensor<2xui16>) {
  %y = qnn.gather %x, %i axis 2 : tensor<1x4xi8>, tensor<2xui16> -> tensor<1x2xi8>
  func.return
}
// CHECK: axis 2 does not exist in tensor<1x4xi8>

// -----

func.func @f(%x : tensor<1x4xi8>, %i : tensor<2x1xui16>) {
  %y = qnn.gather %x, %i axis 1 : tensor<1x4xi8>, tensor<2x1xui16> -> tensor<1x2xi8>
  func.return
}
// CHECK: indices must be a list, got tensor<2x1xui16>

// -----

func.func @f(%x : tensor<1x4x3x2xi8>) {
  %y = qnn.arg_max %x : tensor<1x4x3x2xi8> -> tensor<1x1x3x1xi32>
  func.return
}
// CHECK: the axes that are reduced are not next to each other in tensor<1x4x3x2xi8>

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %y = qnn.reshape %x : tensor<1x4xi8> -> tensor<4x1xi32>
  func.return
}
// CHECK: tensor<4x1xi32> does not have the elements of tensor<1x4xi8>

// -----

func.func @f(%x : tensor<1x4x3x2xi8>, %i : tensor<5xui16>, %a : tensor<5x2xi16>, %j : tensor<2xui16>, %b : tensor<2x4xi16>) {
  %y = qnn.resample %x, %i by %a, %j by %b <> : tensor<1x4x3x2xi8>, tensor<5xui16>, tensor<5x2xi16>, tensor<2xui16>, tensor<2x4xi16> -> tensor<1x5x2x2xi8>
  func.return
}
// CHECK: column weights must be up to 3 for each column, got tensor<2x4xi16>

// -----

func.func @f(%x : tensor<1x4x3x2xi8>, %c : tensor<2xi32>, %d : tensor<1xi32>) {
  %y = qnn.normalize %x, %c requant(%c, %d) <> : tensor<1x4x3x2xi8>, tensor<2xi32>, tensor<2xi32>, tensor<1xi32> -> tensor<1x4x3x2xi8>
  func.return
}
// CHECK: shift must have shape 2, got tensor<1xi32>

// -----

func.func @f(%x : tensor<1x4x3x2xi8>, %c : tensor<2xi32>) {
  %y = qnn.normalize %x, %c requant(%c, %c) <centered = 2> : tensor<1x4x3x2xi8>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x3x2xi8>
  func.return
}
// CHECK: centered must be 0 or 1, got 2

// -----

func.func @f(%x : tensor<1x4x3x2xi8>, %c : tensor<2xi32>) {
  %y = qnn.normalize %x, %c requant(%c, %c) <epsilon = 1152921504606846977> : tensor<1x4x3x2xi8>, tensor<2xi32>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x3x2xi8>
  func.return
}
// CHECK: epsilon 1152921504606846977 is outside 0 to 2^60

// -----

func.func @f(%x : tensor<1x4xui8>) {
  %y = qnn.from_uint8 %x : tensor<1x4xui8> -> tensor<4xi8>
  func.return
}
// CHECK: result must have shape 1x4, got tensor<4xi8>

// -----

func.func @f(%t : tensor<0x3xi8>, %i : tensor<1xi32>) {
  %y = qnn.embedding %t, %i : tensor<0x3xi8>, tensor<1xi32> -> tensor<1x3xi8>
  func.return
}
// CHECK: a table must have rows, got tensor<0x3xi8>

// -----

func.func @f(%t : tensor<5x3xi8>, %i : tensor<1x4xi32>) {
  %y = qnn.embedding %t, %i : tensor<5x3xi8>, tensor<1x4xi32> -> tensor<1x3xi8>
  func.return
}
// CHECK: result must have shape 1x4x3, got tensor<1x3xi8>

// -----

func.func @f(%m : tensor<3xi8>, %x : tensor<1x4xi8>, %y : tensor<1xi8>) {
  %z = qnn.select %m, %x, %y : tensor<3xi8>, tensor<1x4xi8>, tensor<1xi8> -> tensor<1x4xi8>
  func.return
}
// CHECK: shapes 3 and 1x4 and 1 cannot be broadcast

// -----

func.func @f(%a : tensor<1x3x4xi8>) {
  %y = qnn.matmul %a, %a transposed <lhs_zp = 200, rhs_zp = 0, multiplier = 1, shift = 0, output_zp = 0> : tensor<1x3x4xi8>, tensor<1x3x4xi8> -> tensor<1x3x3xi8>
  func.return
}
// CHECK: zero point 200 is outside int8

// -----

func.func @f(%x : tensor<1x2x5x4xi8>) {
  %y = qnn.attention %x, %x, %x over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 20, 4], key = [0, 0, 20, 4], value = [1, 0, 20, 4], result = [0, 0, 20, 4]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> : tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  func.return
}
// CHECK: value reaches beyond tensor<1x2x5x4xi8>

// -----

func.func @f(%x : tensor<1x2x5x4xi8>) {
  %y = qnn.attention %x, %x, %x over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 20, 4], key = [0, 0, 20, 4], value = [0, 0, 20, 4], result = [0, 0, 4, 4]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> : tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  func.return
}
// CHECK: results at [0, 0, 4, 4] lie over each other

// -----

func.func @f(%x : tensor<1x2x5x4xi8>) {
  %y = qnn.attention %x, %x, %x over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 20, 4], key = [0, 0, 20, 4], value = [0, 0, 20, 4], result = [0, 0, 20, 4]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -127, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> : tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  func.return
}
// CHECK: probabilities have zero point -128, but values take -127

// -----

func.func @f(%x : tensor<1x2x5x4xi8>) {
  %y = qnn.attention %x, %x, %x over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 20, 4], key = [0, 0, 20, 4], value = [0, 0, 20, 4], result = [0, 0, 20, 4]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2, addend_factor = 3> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> : tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  func.return
}
// CHECK: what an attention adds to its scores is in its mask

// -----

func.func @f(%x : tensor<1x2x5x4xi8>, %m : tensor<1x1x5x4xi8>) {
  %y = qnn.attention %x, %x, %x mask %m : tensor<1x1x5x4xi8> over <outer = 1, heads = 2, queries = 5, keys = 5, width = 4, value_width = 4, query = [0, 0, 20, 4], key = [0, 0, 20, 4], value = [0, 0, 20, 4], result = [0, 0, 20, 4]> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> : tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  func.return
}
// CHECK: mask must broadcast to [1, 2, 5, 5], got tensor<1x1x5x4xi8>

// -----

func.func @f(%x : tensor<1x2x5x4xi8>) {
  %y = qnn.attention %x, %x, %x over <outer = 1, heads = 2, queries = 5, keys = 4, width = 4, value_width = 4, query = [0, 0, 20, 4], key = [0, 0, 20, 4], value = [0, 0, 20, 4], result = [0, 0, 20, 4], causal = 1> scores <lhs_zp = 1, rhs_zp = 1, multiplier = 1, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 1, multiplier = 1, shift = -7, output_zp = -4> : tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8>, tensor<1x2x5x4xi8> -> tensor<1x2x5x4xi8>
  func.return
}
// CHECK: the first of 5 causal queries sees none of 4 keys
