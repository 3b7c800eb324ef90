// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fold-qdq --split-input-file | filecheck %s

// A convolution between Q and DQ, a clamp and per-channel scales.

func.func @main(%x : tensor<1x5x5x2xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x2x2x4xf32> {
  %w = nn.constant named "conv1.weight" dense<1> : tensor<4x3x3x2xi8>
  %wd = nn.dequantize %w <scales = [0.5, 0.5, 0.5, 0.25], axis = 0> : tensor<4x3x3x2xi8> -> tensor<4x3x3x2xf32>
  %b = nn.constant named "conv1.bias" dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %q = nn.quantize %x <scales = [0.05], zero_point = 3> : tensor<1x5x5x2xf32> -> tensor<1x5x5x2xi8>
  %d = nn.dequantize %q <scales = [0.05], zero_point = 3> : tensor<1x5x5x2xi8> -> tensor<1x5x5x2xf32>
  %y = nn.conv2d %d, %wd, %b window <strides = [2, 2]> clamp <min = 0.0, max = 6.0> {layer = "conv1"} : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x2x2x4xf32>
  %yq = nn.quantize %y <scales = [0.1], zero_point = -100> : tensor<1x2x2x4xf32> -> tensor<1x2x2x4xi8>
  %yd = nn.dequantize %yq <scales = [0.1], zero_point = -100> : tensor<1x2x2x4xi8> -> tensor<1x2x2x4xf32>
  func.return %yd : tensor<1x2x2x4xf32>
}

// CHECK:       func.func @main(%x: tensor<1x5x5x2xi8> {qnn.quantization = #nn.quantization<scales = [0.05], zero_point = 3>}) -> (tensor<1x2x2x4xi8> {qnn.quantization = #nn.quantization<scales = [0.1], zero_point = -100>})
// CHECK-NEXT:    qnn.constant named "conv1.weight" dense<1>
// CHECK-NEXT:    qnn.constant named "conv1.bias" dense<[40, 80, 120, 320]> : tensor<4xi32>
// CHECK-NEXT:    qnn.constant named "conv1.multiplier" dense<1073741824> : tensor<4xi32>
// CHECK-NEXT:    qnn.constant named "conv1.shift" dense<[-1, -1, -1, -2]> : tensor<4xi32>
// CHECK-NEXT:    %y = qnn.conv2d %x, {{.*}} <input_zp = 3, output_zp = -100, clamp = [-100, -40]> window <strides = [2, 2]> {layer = "conv1"}
// CHECK-NEXT:    func.return %y

// -----

// A per-tensor linear layer keeps one multiplier; quantized weights may be given as Q/DQ of floats.

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = nn.constant named "fc.weight" dense<[[0.5, -0.5], [1.0, 0.0]]> : tensor<2x2xf32>
  %wq = nn.quantize %w <scales = [0.5]> : tensor<2x2xf32> -> tensor<2x2xi8>
  %wd = nn.dequantize %wq <scales = [0.5]> : tensor<2x2xi8> -> tensor<2x2xf32>
  %b = nn.constant dense<0.0> : tensor<2xf32>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.linear %d, %wd, %b : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  %yq = nn.quantize %y <scales = [0.25]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %yd = nn.dequantize %yq <scales = [0.25]> : tensor<1x2xi8> -> tensor<1x2xf32>
  func.return %yd : tensor<1x2xf32>
}

// CHECK:       qnn.constant named "fc.weight" dense<[[1, -1], [2, 0]]> : tensor<2x2xi8>
// CHECK:       qnn.constant named "linear.multiplier" dense<1073741824> : tensor<1xi32>
// CHECK:       qnn.linear %x

// -----

// Moving layers commute with quantization: it goes before them. Pooling keeps its quantization, and
// a different one behind it becomes a rescale.

func.func @main(%x : tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32> {
  %t = nn.transpose %x [0, 2, 3, 1] : tensor<1x2x4x4xf32> -> tensor<1x4x4x2xf32>
  %q = nn.quantize %t <scales = [0.5]> : tensor<1x4x4x2xf32> -> tensor<1x4x4x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x4x4x2xi8> -> tensor<1x4x4x2xf32>
  %m = nn.avg_pool2d %d pool <strides = [2, 2], kernel = [2, 2]> {layer = "pool"} : tensor<1x4x4x2xf32> -> tensor<1x2x2x2xf32>
  %mq = nn.quantize %m <scales = [0.25], zero_point = 5> : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xi8>
  %md = nn.dequantize %mq <scales = [0.25], zero_point = 5> : tensor<1x2x2x2xi8> -> tensor<1x2x2x2xf32>
  func.return %md : tensor<1x2x2x2xf32>
}

// CHECK:       func.func @main(%x: tensor<1x2x4x4xi8> {{.*}}
// CHECK-NEXT:    qnn.transpose %x [0, 2, 3, 1]
// CHECK-NEXT:    qnn.avg_pool2d {{.*}} pool <strides = [2, 2], kernel = [2, 2]> <> {layer = "pool"}
// CHECK-NEXT:    qnn.rescale {{.*}} <multiplier = 1073741824, shift = 2, output_zp = 5>
// CHECK-NEXT:    func.return

// -----

// Element-wise layers, softmax with its fixed output, concatenation of inputs in other scales.

func.func @main(%x : tensor<1x4xf32>) -> tensor<1x8xf32> {
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x4xf32> -> tensor<1x4xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x4xi8> -> tensor<1x4xf32>
  %s = nn.softmax %d : tensor<1x4xf32>
  %a = nn.activation "sigmoid(x)" %d {layer = "act"} : tensor<1x4xf32>
  %sum = nn.add %s, %a : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x4xf32>
  %sumq = nn.quantize %sum <scales = [0.0078125], zero_point = -128> : tensor<1x4xf32> -> tensor<1x4xi8>
  %sumd = nn.dequantize %sumq <scales = [0.0078125], zero_point = -128> : tensor<1x4xi8> -> tensor<1x4xf32>
  %c = nn.concat %sumd, %a axis 1 : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x8xf32>
  %cq = nn.quantize %c <scales = [0.0078125], zero_point = -128> : tensor<1x8xf32> -> tensor<1x8xi8>
  %cd = nn.dequantize %cq <scales = [0.0078125], zero_point = -128> : tensor<1x8xi8> -> tensor<1x8xf32>
  func.return %cd : tensor<1x8xf32>
}

// CHECK:       [[S:%.*]] = qnn.softmax %x <multiplier = 1073741824, shift = 26, diff_min = {{-[0-9]+}}>
// CHECK:       [[T:%.*]] = qnn.constant named "act.table"
// CHECK:       [[A:%.*]] = qnn.lookup %x, [[T]] {layer = "act"}
// CHECK:       [[SUM:%.*]] = qnn.add [[S]], [[A]] <input1_zp = -128
// CHECK:       [[R:%.*]] = qnn.rescale [[A]] <input_zp = -128, multiplier = 1073741824, output_zp = -128>
// CHECK:       qnn.concat [[SUM]], [[R]] axis 1

// -----

// A module without float layers stays as it is.

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> {
  func.return %x : tensor<1x4xi8>
}

// CHECK:       func.func @main(%x: tensor<1x4xi8>) -> tensor<1x4xi8>
// CHECK-NEXT:    func.return %x

// -----

// Two readers of one int8 value have a dequantize each; the bounds of the clamp are out of reach.

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d1 = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %d2 = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %c = nn.clamp %d1 <min = -64.0, max = 63.5> {layer = "clamp"} : tensor<1x2xf32>
  %cq = nn.quantize %c <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %cd = nn.dequantize %cq <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.add %cd, %d2 : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %yq = nn.quantize %y <scales = [1.0]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %yd = nn.dequantize %yq <scales = [1.0]> : tensor<1x2xi8> -> tensor<1x2xf32>
  func.return %yd : tensor<1x2xf32>
}

// CHECK:       func.func @main(%x: tensor<1x2xi8>
// CHECK-NEXT:    %y = qnn.add %x, %x
// CHECK-NEXT:    func.return %y

// -----

// A slice takes stored numbers.

func.func @main(%x : tensor<1x4xf32>) -> tensor<1x2xf32> {
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x4xf32> -> tensor<1x4xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x4xi8> -> tensor<1x4xf32>
  %y = nn.slice %d <begin = [0, 3], strides = [1, -2]> {layer = "cut"} : tensor<1x4xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK:       %y = qnn.slice %x <begin = [0, 3], strides = [1, -2]> {layer = "cut"} : tensor<1x4xi8> -> tensor<1x2xi8>
// CHECK-NEXT:  func.return %y

// -----

// Operations on two tensors that broadcast; the larger one is taken among numbers of one quantization.

func.func @main(%x : tensor<1x2x3xf32>, %g : tensor<1x1x3xf32>) -> (tensor<1x2x3xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>) {
  %xq = nn.quantize %x <scales = [0.5], zero_point = 3> : tensor<1x2x3xf32> -> tensor<1x2x3xi8>
  %xd = nn.dequantize %xq <scales = [0.5], zero_point = 3> : tensor<1x2x3xi8> -> tensor<1x2x3xf32>
  %gq = nn.quantize %g <scales = [0.25]> : tensor<1x1x3xf32> -> tensor<1x1x3xi8>
  %gd = nn.dequantize %gq <scales = [0.25]> : tensor<1x1x3xi8> -> tensor<1x1x3xf32>
  %mul = nn.mul %xd, %gd clamp <min = 0.0> {layer = "gate"} : tensor<1x2x3xf32>, tensor<1x1x3xf32> -> tensor<1x2x3xf32>
  %mulq = nn.quantize %mul <scales = [1.0], zero_point = -7> : tensor<1x2x3xf32> -> tensor<1x2x3xi8>
  %muld = nn.dequantize %mulq <scales = [1.0], zero_point = -7> : tensor<1x2x3xi8> -> tensor<1x2x3xf32>
  %sub = nn.sub %gd, %xd : tensor<1x1x3xf32>, tensor<1x2x3xf32> -> tensor<1x2x3xf32>
  %subq = nn.quantize %sub <scales = [1.0]> : tensor<1x2x3xf32> -> tensor<1x2x3xi8>
  %subd = nn.dequantize %subq <scales = [1.0]> : tensor<1x2x3xi8> -> tensor<1x2x3xf32>
  %add = nn.add %xd, %gd : tensor<1x2x3xf32>, tensor<1x1x3xf32> -> tensor<1x2x3xf32>
  %addq = nn.quantize %add <scales = [1.0]> : tensor<1x2x3xf32> -> tensor<1x2x3xi8>
  %addd = nn.dequantize %addq <scales = [1.0]> : tensor<1x2x3xi8> -> tensor<1x2x3xf32>
  %max = nn.maximum %xd, %gd {layer = "max"} : tensor<1x2x3xf32>, tensor<1x1x3xf32> -> tensor<1x2x3xf32>
  %prelu = nn.prelu %xd, %gd : tensor<1x2x3xf32>, tensor<1x1x3xf32> -> tensor<1x2x3xf32>
  %preluq = nn.quantize %prelu <scales = [0.5]> : tensor<1x2x3xf32> -> tensor<1x2x3xi8>
  %prelud = nn.dequantize %preluq <scales = [0.5]> : tensor<1x2x3xi8> -> tensor<1x2x3xf32>
  func.return %muld, %subd, %addd, %max, %prelud : tensor<1x2x3xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>, tensor<1x2x3xf32>
}

// CHECK:       qnn.mul %x, %g <input1_zp = 3, input2_zp = 0, multiplier = 1073741824, shift = -2, output_zp = -7, clamp = [-7, 127]> {layer = "gate"}
// CHECK-NEXT:  qnn.sub %g, %x <input1_zp = 0,
// CHECK-NEXT:  qnn.broadcast_add %x, %g <input1_zp = 3,
// CHECK-NEXT:  [[G:%.*]] = qnn.rescale %g <multiplier = 1073741824, output_zp = 3> {layer = "max"}
// CHECK-NEXT:  qnn.maximum %x, [[G]] {layer = "max"} : tensor<1x2x3xi8>, tensor<1x1x3xi8> -> tensor<1x2x3xi8>
// CHECK-NEXT:  qnn.prelu %x, %g <input_zp = 3, alpha_zp = 0, multiplier = 1073741824, shift = 1, alpha_multiplier = 1073741824, alpha_shift = -1, output_zp = 0>

// -----

// A mean is divided in the multiplier, a sum is not; the largest keeps the quantization.

func.func @main(%x : tensor<1x4x2xf32>) -> (tensor<1x1x2xf32>, tensor<1x4x1xf32>, tensor<1x1x2xf32>, tensor<1x1x2xi32>) {
  %q = nn.quantize %x <scales = [0.5], zero_point = 3> : tensor<1x4x2xf32> -> tensor<1x4x2xi8>
  %d = nn.dequantize %q <scales = [0.5], zero_point = 3> : tensor<1x4x2xi8> -> tensor<1x4x2xf32>
  %m = nn.mean %d {layer = "mean"} : tensor<1x4x2xf32> -> tensor<1x1x2xf32>
  %mq = nn.quantize %m <scales = [0.25]> : tensor<1x1x2xf32> -> tensor<1x1x2xi8>
  %md = nn.dequantize %mq <scales = [0.25]> : tensor<1x1x2xi8> -> tensor<1x1x2xf32>
  %s = nn.sum %d : tensor<1x4x2xf32> -> tensor<1x4x1xf32>
  %sq = nn.quantize %s <scales = [1.0], zero_point = -7> : tensor<1x4x1xf32> -> tensor<1x4x1xi8>
  %sd = nn.dequantize %sq <scales = [1.0], zero_point = -7> : tensor<1x4x1xi8> -> tensor<1x4x1xf32>
  %l = nn.reduce_max %d : tensor<1x4x2xf32> -> tensor<1x1x2xf32>
  %i = nn.arg_max %d : tensor<1x4x2xf32> -> tensor<1x1x2xi32>
  func.return %md, %sd, %l, %i : tensor<1x1x2xf32>, tensor<1x4x1xf32>, tensor<1x1x2xf32>, tensor<1x1x2xi32>
}

// CHECK:       qnn.mean %x <input_zp = 3, multiplier = 1073741824> {layer = "mean"} : tensor<1x4x2xi8> -> tensor<1x1x2xi8>
// CHECK-NEXT:  qnn.mean %x <input_zp = 3, multiplier = 1073741824, output_zp = -7> : tensor<1x4x2xi8> -> tensor<1x4x1xi8>
// CHECK-NEXT:  qnn.reduce_max %x : tensor<1x4x2xi8> -> tensor<1x1x2xi8>
// CHECK-NEXT:  qnn.arg_max %x : tensor<1x4x2xi8> -> tensor<1x1x2xi32>

// -----

// What is picked keeps its numbers, and the indices stay integers.

func.func @main(%x : tensor<1x2x2x1xf32>) -> tensor<1x3x1x1xf32> {
  %i = nn.constant named "up" dense<[1, 0, 0]> : tensor<3xui16>
  %j = nn.constant dense<[0]> : tensor<1xui16>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2x2x1xf32> -> tensor<1x2x2x1xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2x2x1xi8> -> tensor<1x2x2x1xf32>
  %y = nn.resize_nearest %d, %i, %i {layer = "up"} : tensor<1x2x2x1xf32>, tensor<3xui16>, tensor<3xui16> -> tensor<1x3x3x1xf32>
  %z = nn.gather %y, %j axis 2 {layer = "first"} : tensor<1x3x3x1xf32>, tensor<1xui16> -> tensor<1x3x1x1xf32>
  func.return %z : tensor<1x3x1x1xf32>
}

// CHECK:       %y = qnn.resize_nearest %x, {{.*}} {layer = "up"} : tensor<1x2x2x1xi8>, tensor<3xui16>, tensor<3xui16> -> tensor<1x3x3x1xi8>
// CHECK:       qnn.constant named "first.indices" dense<0> : tensor<1xui16>
// CHECK-NEXT:  %z = qnn.gather %y, {{.*}} axis 2 {layer = "first"} : tensor<1x3x3x1xi8>, tensor<1xui16> -> tensor<1x3x1x1xi8>
// CHECK-NEXT:  func.return %z

// -----

// Two groups of so few channels are one convolution, with zeros between them; a transposed one in groups of one channel
// has an output for each of the two places between its pixels, which are then put beside each other.

func.func @main(%x : tensor<1x1x3x2xf32>) -> (tensor<1x1x3x4xf32>, tensor<1x1x6x2xf32>) {
  %w = nn.constant named "conv.weight" dense<[[[[1]]], [[[2]]], [[[3]]], [[[4]]]]> : tensor<4x1x1x1xi8>
  %wd = nn.dequantize %w <scales = [0.5]> : tensor<4x1x1x1xi8> -> tensor<4x1x1x1xf32>
  %b = nn.constant named "conv.bias" dense<0.0> : tensor<4xf32>
  %v = nn.constant named "up.weight" dense<[[[[1], [2]]], [[[3], [4]]]]> : tensor<2x1x2x1xi8>
  %vd = nn.dequantize %v <scales = [0.5]> : tensor<2x1x2x1xi8> -> tensor<2x1x2x1xf32>
  %c = nn.constant named "up.bias" dense<0.0> : tensor<2xf32>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x1x3x2xf32> -> tensor<1x1x3x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x1x3x2xi8> -> tensor<1x1x3x2xf32>
  %y = nn.conv2d %d, %wd, %b window <> {layer = "conv"} : tensor<1x1x3x2xf32>, tensor<4x1x1x1xf32>, tensor<4xf32> -> tensor<1x1x3x4xf32>
  %yq = nn.quantize %y <scales = [1.0]> : tensor<1x1x3x4xf32> -> tensor<1x1x3x4xi8>
  %yd = nn.dequantize %yq <scales = [1.0]> : tensor<1x1x3x4xi8> -> tensor<1x1x3x4xf32>
  %z = nn.transpose_conv2d %d, %vd, %c window <strides = [1, 2]> {layer = "up"} : tensor<1x1x3x2xf32>, tensor<2x1x2x1xf32>, tensor<2xf32> -> tensor<1x1x6x2xf32>
  %zq = nn.quantize %z <scales = [1.0]> : tensor<1x1x6x2xf32> -> tensor<1x1x6x2xi8>
  %zd = nn.dequantize %zq <scales = [1.0]> : tensor<1x1x6x2xi8> -> tensor<1x1x6x2xf32>
  func.return %yd, %zd : tensor<1x1x3x4xf32>, tensor<1x1x6x2xf32>
}

// CHECK:       qnn.constant named "conv.weight" dense<{{\[\[\[\[}}1, 2, 3, 4]]]]> : tensor<1x1x1x4xi8>
// CHECK:       %y = qnn.depthwise_conv2d %x, {{.*}} {layer = "conv"}
// CHECK:       qnn.constant named "up.weight" dense<{{\[\[\[\[}}1, 2, 3, 4]]]]> : tensor<1x1x1x4xi8>
// CHECK:       [[A:%.*]] = qnn.depthwise_conv2d %x, {{.*}} window <> {layer = "up"} : {{.*}} -> tensor<1x1x3x4xi8>
// CHECK-NEXT:  [[B:%.*]] = qnn.reshape [[A]] {layer = "up"} : tensor<1x1x3x4xi8> -> tensor<1x1x3x2x1x2xi8>
// CHECK-NEXT:  [[C:%.*]] = qnn.transpose [[B]] [0, 1, 4, 2, 5, 3] {layer = "up"}
// CHECK-NEXT:  [[D:%.*]] = qnn.reshape [[C]] {layer = "up"} : tensor<1x1x1x3x2x2xi8> -> tensor<1x1x6x2xi8>
// CHECK-NEXT:  func.return %y, [[D]]

// -----

// Groups of 16 channels are convolutions of their own.

func.func @main(%x : tensor<1x1x1x32xf32>) -> tensor<1x1x1x2xf32> {
  %w = nn.constant named "conv.weight" dense<1> : tensor<2x1x1x16xi8>
  %wd = nn.dequantize %w <scales = [0.5]> : tensor<2x1x1x16xi8> -> tensor<2x1x1x16xf32>
  %b = nn.constant named "conv.bias" dense<0.0> : tensor<2xf32>
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x1x1x32xf32> -> tensor<1x1x1x32xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x1x1x32xi8> -> tensor<1x1x1x32xf32>
  %y = nn.conv2d %d, %wd, %b window <> {layer = "conv"} : tensor<1x1x1x32xf32>, tensor<2x1x1x16xf32>, tensor<2xf32> -> tensor<1x1x1x2xf32>
  %yq = nn.quantize %y <scales = [1.0]> : tensor<1x1x1x2xf32> -> tensor<1x1x1x2xi8>
  %yd = nn.dequantize %yq <scales = [1.0]> : tensor<1x1x1x2xi8> -> tensor<1x1x1x2xf32>
  func.return %yd : tensor<1x1x1x2xf32>
}

// CHECK:       qnn.slice %x <begin = [0, 0, 0, 0], strides = [1, 1, 1, 1]> {layer = "conv"} : tensor<1x1x1x32xi8> -> tensor<1x1x1x16xi8>
// CHECK-NEXT:  qnn.constant named "conv.weight.block0" dense<1> : tensor<1x1x1x16xi8>
// CHECK:       [[A:%.*]] = qnn.conv2d
// CHECK:       qnn.slice %x <begin = [0, 0, 0, 16], strides = [1, 1, 1, 1]> {layer = "conv"}
// CHECK:       [[B:%.*]] = qnn.conv2d
// CHECK-NEXT:  qnn.concat [[A]], [[B]] axis 3 {layer = "conv"} : tensor<1x1x1x1xi8>, tensor<1x1x1x1xi8> -> tensor<1x1x1x2xi8>

// -----

// Weights that are quarters are multiples of 512, whose sum is 2048; of one row a single weight of 2048. Both sums are part
// of the multiplier, 1/2 / 2^22.

func.func @main(%x : tensor<1x1x2x3xf32>) -> tensor<1x1x2x3xf32> {
  %i = nn.constant dense<0> : tensor<1xui16>
  %a = nn.constant dense<1.0> : tensor<1x1xf32>
  %j = nn.constant dense<0> : tensor<2xui16>
  %b = nn.constant dense<[[0.75, 0.25], [0.25, 0.75]]> : tensor<2x2xf32>
  %q = nn.quantize %x <scales = [0.5], zero_point = 3> : tensor<1x1x2x3xf32> -> tensor<1x1x2x3xi8>
  %d = nn.dequantize %q <scales = [0.5], zero_point = 3> : tensor<1x1x2x3xi8> -> tensor<1x1x2x3xf32>
  %y = nn.resample %d, %i by %a, %j by %b {layer = "up"} : tensor<1x1x2x3xf32>, tensor<1xui16>, tensor<1x1xf32>, tensor<2xui16>, tensor<2x2xf32> -> tensor<1x1x2x3xf32>
  %yq = nn.quantize %y <scales = [1.0], zero_point = -5> : tensor<1x1x2x3xf32> -> tensor<1x1x2x3xi8>
  %yd = nn.dequantize %yq <scales = [1.0], zero_point = -5> : tensor<1x1x2x3xi8> -> tensor<1x1x2x3xf32>
  func.return %yd : tensor<1x1x2x3xf32>
}

// CHECK:      qnn.constant named "up.row_taps" dense<2048> : tensor<1x1xi16>
// CHECK:      qnn.constant named "up.column_taps" dense<{{\[\[}}1536, 512], [512, 1536]]> : tensor<2x2xi16>
// CHECK-NEXT: qnn.resample %x, {{.*}} <input_zp = 3, multiplier = 1073741824, shift = -22, output_zp = -5> {layer = "up"}

// -----

// A normalisation takes its factors in steps of the output, its epsilon in steps of the input: 1.0 / 0.25 * 4 / 2^13 is
// 2^-9, -0.5 / 0.25 * 2^8 is -512, and 0.25 / 0.5^2 * 2^2 * 2^8 is 1024. All factors
// have the shift of the largest one.

func.func @main(%x : tensor<1x3x1x2xf32>) -> tensor<1x3x1x2xf32> {
  %s = nn.constant dense<[1.0, -2.0]> : tensor<2xf32>
  %b = nn.constant dense<[-0.5, 0.0]> : tensor<2xf32>
  %q = nn.quantize %x <scales = [0.5], zero_point = 3> : tensor<1x3x1x2xf32> -> tensor<1x3x1x2xi8>
  %d = nn.dequantize %q <scales = [0.5], zero_point = 3> : tensor<1x3x1x2xi8> -> tensor<1x3x1x2xf32>
  %y = nn.normalize %d, %s, %b by <epsilon = 0.25> clamp <min = 0.0> {layer = "norm"} : tensor<1x3x1x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x3x1x2xf32>
  %yq = nn.quantize %y <scales = [0.25], zero_point = -5> : tensor<1x3x1x2xf32> -> tensor<1x3x1x2xi8>
  %yd = nn.dequantize %yq <scales = [0.25], zero_point = -5> : tensor<1x3x1x2xi8> -> tensor<1x3x1x2xf32>
  func.return %yd : tensor<1x3x1x2xf32>
}

// CHECK:      %[[B:.*]] = qnn.constant named "norm.bias" dense<[-512, 0]> : tensor<2xi32>
// CHECK-NEXT: %[[M:.*]] = qnn.constant named "norm.multiplier" dense<[536870912, -1073741824]> : tensor<2xi32>
// CHECK-NEXT: %[[S:.*]] = qnn.constant named "norm.shift" dense<-9> : tensor<2xi32>
// CHECK-NEXT: qnn.normalize %x, %[[B]] requant(%[[M]], %[[S]]) <input_zp = 3, output_zp = -5, epsilon = 1024, clamp = [-5, 127]> {layer = "norm"}

// -----

// Bytes become int8, what is a line of them stays as it is, and rows of a table are picked by given indices.

func.func @main(%x : tensor<1x2xui8>, %i : tensor<1x3xi32>) -> (tensor<1x2xf32>, tensor<1x3x2xf32>, tensor<1x3xi32>) {
  %f = nn.from_uint8 %x {layer = "x"} : tensor<1x2xui8> -> tensor<1x2xf32>
  %fq = nn.quantize %f <scales = [1.0], zero_point = -128> : tensor<1x2xf32> -> tensor<1x2xi8>
  %fd = nn.dequantize %fq <scales = [1.0], zero_point = -128> : tensor<1x2xi8> -> tensor<1x2xf32>
  %a = nn.activation "x / 4" %fd : tensor<1x2xf32>
  %aq = nn.quantize %a <scales = [0.25], zero_point = -128> : tensor<1x2xf32> -> tensor<1x2xi8>
  %ad = nn.dequantize %aq <scales = [0.25], zero_point = -128> : tensor<1x2xi8> -> tensor<1x2xf32>
  %t = nn.constant named "table" dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>
  %td = nn.dequantize %t <scales = [0.5]> : tensor<2x2xi8> -> tensor<2x2xf32>
  %e = nn.embedding %td, %i {layer = "words"} : tensor<2x2xf32>, tensor<1x3xi32> -> tensor<1x3x2xf32>
  func.return %ad, %e, %i : tensor<1x2xf32>, tensor<1x3x2xf32>, tensor<1x3xi32>
}

// CHECK:       func.func @main(%x: tensor<1x2xui8> {qnn.quantization = {{.*}}}, %i: tensor<1x3xi32> {qnn.quantization = {{.*}}}) -> (tensor<1x2xi8> {qnn.quantization = #{{.*}}<scales = [0.25], zero_point = -128>}
// CHECK-NEXT:    %f = qnn.from_uint8 %x {layer = "x"} : tensor<1x2xui8> -> tensor<1x2xi8>
// CHECK-NEXT:    [[T:%.*]] = qnn.constant named "table" dense<{{\[\[}}1, 2], [3, 4]]> : tensor<2x2xi8>
// CHECK-NEXT:    qnn.embedding [[T]], %i {layer = "words"} : tensor<2x2xi8>, tensor<1x3xi32> -> tensor<1x3x2xi8>

// -----

// A mask that is 0 at another number than 0 is brought there.

func.func @main(%m : tensor<1x2xf32>, %x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %mq = nn.quantize %m <scales = [0.5], zero_point = -7> : tensor<1x2xf32> -> tensor<1x2xi8>
  %md = nn.dequantize %mq <scales = [0.5], zero_point = -7> : tensor<1x2xi8> -> tensor<1x2xf32>
  %xq = nn.quantize %x <scales = [2.0]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %xd = nn.dequantize %xq <scales = [2.0]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %z = nn.select %md, %xd, %xd {layer = "z"} : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  func.return %z : tensor<1x2xf32>
}

// CHECK:       [[M:%.*]] = qnn.rescale %m <input_zp = -7, multiplier = 1073741824> {layer = "z"}
// CHECK-NEXT:  qnn.select [[M]], %x, %x {layer = "z"} : tensor<1x2xi8>, tensor<1x2xi8>, tensor<1x2xi8> -> tensor<1x2xi8>
