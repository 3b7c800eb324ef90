// SPDX-License-Identifier: Apache-2.0

// RUN: VERIFY_DIAG

func.func @f(%x : tensor<1x5x5x2xf32>, %w : tensor<4x3x3x3xf32>, %b : tensor<4xf32>) {
  %y = nn.conv2d %x, %w, %b window <> : tensor<1x5x5x2xf32>, tensor<4x3x3x3xf32>, tensor<4xf32> -> tensor<1x3x3x4xf32>
  func.return
}
// CHECK: weights must have shape OxKHxKWxI, I a divisor of 2, got tensor<4x3x3x3xf32>

// -----

func.func @f(%x : tensor<1x5x5x2xf32>, %w : tensor<4x3x3x2xf32>, %b : tensor<3xf32>) {
  %y = nn.conv2d %x, %w, %b window <> : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<3xf32> -> tensor<1x3x3x4xf32>
  func.return
}
// CHECK: bias must have shape 4, got tensor<3xf32>

// -----

func.func @f(%x : tensor<2x5x5x2xf32>, %w : tensor<4x3x3x2xf32>, %b : tensor<4xf32>) {
  %y = nn.conv2d %x, %w, %b window <> : tensor<2x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<2x3x3x4xf32>
  func.return
}
// CHECK: input must have shape 1xHxWxC, got tensor<2x5x5x2xf32>

// -----

func.func @f(%x : tensor<1x5x5x2xf32>, %w : tensor<1x3x3x3xf32>, %b : tensor<3xf32>) {
  %y = nn.depthwise_conv2d %x, %w, %b window <> : tensor<1x5x5x2xf32>, tensor<1x3x3x3xf32>, tensor<3xf32> -> tensor<1x3x3x3xf32>
  func.return
}
// CHECK: weights must have shape 1xKHxKWxN, N a multiple of 2, got tensor<1x3x3x3xf32>

// -----

func.func @f(%x : tensor<1x8xf32>, %w : tensor<4x7xf32>, %b : tensor<4xf32>) {
  %y = nn.linear %x, %w, %b : tensor<1x8xf32>, tensor<4x7xf32>, tensor<4xf32> -> tensor<1x4xf32>
  func.return
}
// CHECK: weights must have shape Ox8, got tensor<4x7xf32>

// -----

func.func @f(%x : tensor<1x8xf32>, %c : tensor<4xf32>) {
  %y = nn.batch_norm %x, %c, %c, %c, %c epsilon 1.0e-05 : tensor<1x8xf32>, tensor<4xf32>
  func.return
}
// CHECK: gamma must have shape 8, got tensor<4xf32>

// -----

func.func @f(%x : tensor<1x8xf32>) {
  %y = nn.activation "relu7(x)" %x : tensor<1x8xf32>
  func.return
}
// CHECK: unknown function 'relu7', known: sigmoid, hardsigmoid

// -----

func.func @f(%x : tensor<1x8xf32>) {
  %y = nn.activation "x * (2 + " %x : tensor<1x8xf32>
  func.return
}
// CHECK: 'x * (2 + ' is no function of x: it ends too early

// -----

func.func @f(%x : tensor<1x8xf32>) {
  %y = nn.activation "elu(x)" %x : tensor<1x8xf32>
  func.return
}
// CHECK: elu takes 2 numbers, got 1

// -----

func.func @f(%x : tensor<1x8xf32>) {
  %y = nn.clamp %x <min = 2.0, max = 1.0> : tensor<1x8xf32>
  func.return
}
// CHECK: min 2.0 must not exceed max 1.0

// -----

func.func @f(%x : tensor<1x4x4x2xf32>) {
  %y = nn.max_pool2d %x pool <kernel = [5, 5]> : tensor<1x4x4x2xf32> -> tensor<1x1x1x2xf32>
  func.return
}
// CHECK: a window of 5x5 does not fit an input of 4x4

// -----

func.func @f(%x : tensor<1x4xf32>) {
  %y = nn.reshape %x : tensor<1x4xf32> -> tensor<1x5xf32>
  func.return
}
// CHECK: tensor<1x4xf32> does not have as many elements as tensor<1x5xf32>

// -----

func.func @f(%x : tensor<1x4xf32>) {
  %y = nn.transpose %x [1, 1] : tensor<1x4xf32> -> tensor<4x1xf32>
  func.return
}
// CHECK: [1, 1] is not a permutation of the axes of tensor<1x4xf32>

// -----

func.func @f(%x : tensor<1x4xf32>) {
  %y = nn.pad %x, 0.0 <low = [0], high = [1]> : tensor<1x4xf32> -> tensor<1x5xf32>
  func.return
}
// CHECK: a border of 1 axes on a tensor of 2

// -----

func.func @f(%x : tensor<1x4xf32>, %y : tensor<2x4xf32>) {
  %z = nn.concat %x, %y axis 1 : tensor<1x4xf32>, tensor<2x4xf32> -> tensor<1x8xf32>
  func.return
}
// CHECK: tensor<2x4xf32> cannot be concatenated with tensor<1x4xf32>

// -----

func.func @f(%x : tensor<1x4xf32>) {
  %y = nn.quantize %x <scales = [0.1, 0.2], axis = 1> : tensor<1x4xf32> -> tensor<1x4xi8>
  func.return
}
// CHECK: 2 scales do not fit axis 1 of tensor<1x4xf32>

// -----

func.func @f(%x : tensor<1x4xi8>) {
  %y = nn.dequantize %x <scales = [0.1], zero_point = 200> : tensor<1x4xi8> -> tensor<1x4xf32>
  func.return
}
// CHECK: zero point 200 is outside int8

// -----

func.func @f(%x : tensor<1x4xf32>) {
  %y = nn.slice %x <begin = [0, 2], strides = [1, 2]> : tensor<1x4xf32> -> tensor<1x2xf32>
  func.return
}
// CHECK: 2 elements from 2 on with stride 2 are not inside axis 1 of 4 elements

// -----

func.func @f(%x : tensor<1x2x3xf32>, %v : tensor<2xf32>) {
  %y = nn.mul %x, %v : tensor<1x2x3xf32>, tensor<2xf32> -> tensor<1x2x3xf32>
  func.return
}
// CHECK: shapes 1x2x3 and 2 cannot be broadcast

// -----

func.func @f(%x : tensor<1x1x3xf32>, %v : tensor<1x2x1xf32>) {
  %y = nn.maximum %x, %v : tensor<1x1x3xf32>, tensor<1x2x1xf32> -> tensor<1x1x3xf32>
  func.return
}
// CHECK: result must have shape 1x2x3, got tensor<1x1x3xf32>

// -----

func.func @f(%x : tensor<1x1x3xf32>, %v : tensor<1x2x1xf32>) {
  %y = nn.prelu %x, %v : tensor<1x1x3xf32>, tensor<1x2x1xf32> -> tensor<1x2x3xf32>
  func.return
}
// CHECK: result must have shape 1x1x3, got tensor<1x2x3xf32>

// -----

func.func @f(%x : tensor<1x4x3x2xf32>) {
  %y = nn.mean %x : tensor<1x4x3x2xf32> -> tensor<1x1x3x1xf32>
  func.return
}
// CHECK: the axes that are reduced are not next to each other in tensor<1x4x3x2xf32>

// -----

func.func @f(%x : tensor<1x4xf32>) {
  %i = nn.constant dense<[3, 4]> : tensor<2xui16>
  %y = nn.gather %x, %i axis 1 : tensor<1x4xf32>, tensor<2xui16> -> tensor<1x2xf32>
  func.return
}
// CHECK: index 4 is not one of 4

// -----

func.func @f(%x : tensor<1x4xf32>, %i : tensor<2xui16>) {
  %y = nn.gather %x, %i axis 2 : tensor<1x4xf32>, tensor<2xui16> -> tensor<1x2xf32>
  func.return
}
// CHECK: axis 2 does not exist in tensor<1x4xf32>

// -----

func.func @f(%x : tensor<1x4xf32>, %i : tensor<2x1xui16>) {
  %y = nn.gather %x, %i axis 1 : tensor<1x4xf32>, tensor<2x1xui16> -> tensor<1x2xf32>
  func.return
}
// CHECK: indices must be a list, got tensor<2x1xui16>

// -----

func.func @f(%x : tensor<1x2x3x1xf32>) {
  %rows = nn.constant dense<[0, 2]> : tensor<2xui16>
  %y = nn.resize_nearest %x, %rows, %rows : tensor<1x2x3x1xf32>, tensor<2xui16>, tensor<2xui16> -> tensor<1x2x2x1xf32>
  func.return
}
// CHECK: row 2 is not one of 2

// -----

func.func @f(%x : tensor<1x5x5x4xf32>, %w : tensor<3x3x3x2xf32>, %b : tensor<3xf32>) {
  %y = nn.conv2d %x, %w, %b window <> : tensor<1x5x5x4xf32>, tensor<3x3x3x2xf32>, tensor<3xf32> -> tensor<1x3x3x3xf32>
  func.return
}
// CHECK: 3 outputs cannot be divided into 2 groups

// -----

func.func @f(%x : tensor<1x5x5x2xf32>, %w : tensor<4x2x2x2xf32>, %b : tensor<4xf32>) {
  %y = nn.transpose_conv2d %x, %w, %b window <strides = [2, 2]> : tensor<1x5x5x2xf32>, tensor<4x2x2x2xf32>, tensor<4xf32> -> tensor<1x9x9x4xf32>
  func.return
}
// CHECK: a result of 9x9 is that of an input of 4x4, got 5x5

// -----

func.func @f(%x : tensor<1x5x5x2xf32>, %w : tensor<4x2x2x2xf32>, %b : tensor<2xf32>) {
  %y = nn.transpose_conv2d %x, %w, %b window <strides = [2, 2]> : tensor<1x5x5x2xf32>, tensor<4x2x2x2xf32>, tensor<2xf32> -> tensor<1x10x10x4xf32>
  func.return
}
// CHECK: bias must have shape 4, got tensor<2xf32>

// -----

func.func @f(%x : tensor<1x4x3x2xf32>) {
  %y = nn.arg_max %x : tensor<1x4x3x2xf32> -> tensor<1x1x3x1xi32>
  func.return
}
// CHECK: the axes that are reduced are not next to each other in tensor<1x4x3x2xf32>

// -----

func.func @f(%x : tensor<1x4xf32>) {
  %y = nn.reshape %x : tensor<1x4xf32> -> tensor<4x1xi32>
  func.return
}
// CHECK: tensor<4x1xi32> does not have the elements of tensor<1x4xf32>

// -----

func.func @f(%x : tensor<1x4x3x2xf32>, %i : tensor<5xui16>, %a : tensor<4x2xf32>, %j : tensor<2xui16>, %b : tensor<2x3xf32>) {
  %y = nn.resample %x, %i by %a, %j by %b : tensor<1x4x3x2xf32>, tensor<5xui16>, tensor<4x2xf32>, tensor<2xui16>, tensor<2x3xf32> -> tensor<1x5x2x2xf32>
  func.return
}
// CHECK: row weights must be up to 4 for each row, got tensor<4x2xf32>

// -----

func.func @f(%x : tensor<1x4x3x2xf32>, %i : tensor<5xui16>, %a : tensor<5x2xf32>, %b : tensor<2x2xf32>) {
  %j = nn.constant dense<[0, 2]> : tensor<2xui16>
  %y = nn.resample %x, %i by %a, %j by %b : tensor<1x4x3x2xf32>, tensor<5xui16>, tensor<5x2xf32>, tensor<2xui16>, tensor<2x2xf32> -> tensor<1x5x2x2xf32>
  func.return
}
// CHECK: column 2 is not one of 2

// -----

func.func @f(%x : tensor<1x4x3x2xf32>, %c : tensor<2xf32>) {
  %y = nn.normalize %x, %c, %c by <groups = 3> : tensor<1x4x3x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x4x3x2xf32>
  func.return
}
// CHECK: 2 channels cannot be divided into 3 groups

// -----

func.func @f(%x : tensor<1x4x3x2xf32>, %c : tensor<2xf32>, %d : tensor<3xf32>) {
  %y = nn.normalize %x, %c, %d by <> : tensor<1x4x3x2xf32>, tensor<2xf32>, tensor<3xf32> -> tensor<1x4x3x2xf32>
  func.return
}
// CHECK: bias must have shape 2, got tensor<3xf32>

// -----

func.func @f(%x : tensor<1x4x40000x2xf32>, %c : tensor<2xf32>) {
  %y = nn.normalize %x, %c, %c by <> : tensor<1x4x40000x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x4x40000x2xf32>
  func.return
}
// CHECK: 80000 values cannot be normalised together, at most 65536

// -----

func.func @f(%x : tensor<1x4x3x2xf32>, %c : tensor<2xf32>) {
  %y = nn.normalize %x, %c, %c by <epsilon = -1.0> : tensor<1x4x3x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x4x3x2xf32>
  func.return
}
// CHECK: epsilon must be a number of 0 or more, got -1.0

// -----

func.func @f(%x : tensor<1x4xui8>) {
  %y = nn.from_uint8 %x : tensor<1x4xui8> -> tensor<4xf32>
  func.return
}
// CHECK: result must have shape 1x4, got tensor<4xf32>

// -----

func.func @f(%t : tensor<0x3xf32>, %i : tensor<1xi32>) {
  %y = nn.embedding %t, %i : tensor<0x3xf32>, tensor<1xi32> -> tensor<1x3xf32>
  func.return
}
// CHECK: a table must have rows, got tensor<0x3xf32>

// -----

func.func @f(%t : tensor<5x3xf32>, %i : tensor<1x4xi32>) {
  %y = nn.embedding %t, %i : tensor<5x3xf32>, tensor<1x4xi32> -> tensor<1x3xf32>
  func.return
}
// CHECK: result must have shape 1x4x3, got tensor<1x3xf32>

// -----

func.func @f(%m : tensor<3xf32>, %x : tensor<1x4xf32>, %y : tensor<1xf32>) {
  %z = nn.select %m, %x, %y : tensor<3xf32>, tensor<1x4xf32>, tensor<1xf32> -> tensor<1x4xf32>
  func.return
}
// CHECK: shapes 3 and 1x4 and 1 cannot be broadcast

// -----

func.func @f(%x : tensor<1x5x5x2xf32>, %w : tensor<4x3x3x2xf32>, %b : tensor<4xf32>) {
  %y = nn.conv2d %x, %w, %b window <padding = [1, 1, 1, 1.5]> : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x5x5x4xf32>
  func.return
}
// CHECK: field 'padding' cannot be [1, 1, 1, 1.5]

// -----

func.func @f(%a : tensor<1x2x3x4xf32>, %b : tensor<1x3x4x5xf32>) {
  %y = nn.matmul %a, %b : tensor<1x2x3x4xf32>, tensor<1x3x4x5xf32> -> tensor<1x2x3x5xf32>
  func.return
}
// CHECK: tensor<1x2x3x4xf32> does not have as many matrices as tensor<1x3x4x5xf32>

// -----

func.func @f(%a : tensor<1x3x4xf32>, %b : tensor<1x4x5xf32>) {
  %y = nn.matmul %a, %b transposed : tensor<1x3x4xf32>, tensor<1x4x5xf32> -> tensor<1x3x5xf32>
  func.return
}
// CHECK: 4 columns of the left matrices do not fit 5 rows of the right ones

// -----

func.func @f(%a : tensor<1x3x4xf32>, %b : tensor<1x4x5xf32>) {
  %y = nn.matmul %a, %b : tensor<1x3x4xf32>, tensor<1x4x5xf32> -> tensor<1x5x3xf32>
  func.return
}
// CHECK: result must have shape 1x3x5, got tensor<1x5x3xf32>

// -----

func.func @f(%x : tensor<1x3x4xf32>) {
  %m = nn.constant dense<[[[1, 1, 0, 0]], [[0, 0, 0, 0]]]> : tensor<2x1x4xi8>
  %y = nn.masked_softmax %x, %m : tensor<1x3x4xf32>, tensor<2x1x4xi8>
  func.return
}
// CHECK: result must have shape 2x3x4, got tensor<1x3x4xf32>

// -----

func.func @f(%x : tensor<1x2x4xf32>) {
  %m = nn.constant dense<[[[1, 1, 0, 0], [0, 0, 0, 0]]]> : tensor<1x2x4xi8>
  %y = nn.masked_softmax %x, %m : tensor<1x2x4xf32>, tensor<1x2x4xi8>
  func.return
}
// CHECK: a mask must leave something of each row
