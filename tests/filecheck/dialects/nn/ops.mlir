// SPDX-License-Identifier: Apache-2.0

// RUN: ROUNDTRIP

func.func @layers(%x : tensor<1x5x5x2xf32>, %d : tensor<1x3x3x4xf32>, %b : tensor<4xf32>, %r : tensor<1x8xf32>) {
  %w = nn.constant named "conv.weight" dense<1.0> : tensor<4x3x3x2xf32>
  %fc = nn.constant dense<0.5> : tensor<4x8xf32>
  %conv = nn.conv2d %x, %w, %b window <strides = [2, 2]> clamp <min = 0.0, max = 6.0> {layer = "conv"} : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x2x2x4xf32>
  %depthwise = nn.depthwise_conv2d %x, %d, %b window <padding = [1, 1, 1, 1], dilations = [1, 1]> : tensor<1x5x5x2xf32>, tensor<1x3x3x4xf32>, tensor<4xf32> -> tensor<1x5x5x4xf32>
  %transposed = nn.transpose_conv2d %x, %w, %b window <strides = [2, 2], padding = [1, 0, 1, 0]> : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x9x11x4xf32>
  %grouped = nn.conv2d %conv, %w, %b window <padding = [1, 1, 1, 1]> : tensor<1x2x2x4xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x2x2x4xf32>
  %linear = nn.linear %r, %fc, %b {nn.range = array<f64: -1.0, 2.5>} : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
  %norm = nn.batch_norm %conv, %b, %b, %b, %b epsilon 1.0e-05 : tensor<1x2x2x4xf32>, tensor<4xf32>
  %clamp = nn.clamp %norm <min = 0.0> : tensor<1x2x2x4xf32>
  %activation = nn.activation "gelu(x)" %clamp : tensor<1x2x2x4xf32>
  %function = nn.activation "where(x >= 0, x, 0.1 * (x - 1))" %clamp : tensor<1x2x2x4xf32>
  %softmax = nn.softmax %linear : tensor<1x4xf32>
  %add = nn.add %norm, %clamp clamp <max = 1.0> : tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32> -> tensor<1x2x2x4xf32>
  func.return
}
// CHECK-LABEL: @layers
// CHECK: nn.constant named "conv.weight" dense<1.000000e+00> : tensor<4x3x3x2xf32>
// CHECK-NEXT: nn.constant dense<5.000000e-01> : tensor<4x8xf32>
// CHECK-NEXT: nn.conv2d %x, %w, %b window <strides = [2, 2]> clamp <min = 0.0, max = 6.0> {layer = "conv"} : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x2x2x4xf32>
// CHECK-NEXT: nn.depthwise_conv2d %x, %d, %b window <padding = [1, 1, 1, 1]> : tensor<1x5x5x2xf32>, tensor<1x3x3x4xf32>, tensor<4xf32> -> tensor<1x5x5x4xf32>
// CHECK-NEXT: nn.transpose_conv2d %x, %w, %b window <strides = [2, 2], padding = [1, 0, 1, 0]> : tensor<1x5x5x2xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x9x11x4xf32>
// CHECK-NEXT: nn.conv2d %conv, %w, %b window <padding = [1, 1, 1, 1]> : tensor<1x2x2x4xf32>, tensor<4x3x3x2xf32>, tensor<4xf32> -> tensor<1x2x2x4xf32>
// CHECK-NEXT: nn.linear %r, %fc, %b {nn.range = array<f64: -1.000000e+00, 2.500000e+00>} : tensor<1x8xf32>, tensor<4x8xf32>, tensor<4xf32> -> tensor<1x4xf32>
// CHECK-NEXT: nn.batch_norm %conv, %b, %b, %b, %b epsilon 1.000000e-05 : tensor<1x2x2x4xf32>, tensor<4xf32>
// CHECK-NEXT: nn.clamp %norm <min = 0.0> : tensor<1x2x2x4xf32>
// CHECK-NEXT: nn.activation "gelu(x)" %clamp : tensor<1x2x2x4xf32>
// CHECK-NEXT: nn.activation "where(x >= 0, x, 0.1 * (x - 1))" %clamp : tensor<1x2x2x4xf32>
// CHECK-NEXT: nn.softmax %linear : tensor<1x4xf32>
// CHECK-NEXT: nn.add %norm, %clamp clamp <max = 1.0> : tensor<1x2x2x4xf32>, tensor<1x2x2x4xf32> -> tensor<1x2x2x4xf32>

func.func @two_tensors(%x : tensor<1x2x3xf32>, %v : tensor<3xf32>, %g : tensor<1x2x1xf32>) {
  %add = nn.add %x, %v : tensor<1x2x3xf32>, tensor<3xf32> -> tensor<1x2x3xf32>
  %sub = nn.sub %v, %x clamp <min = 0.0> : tensor<3xf32>, tensor<1x2x3xf32> -> tensor<1x2x3xf32>
  %mul = nn.mul %g, %v {layer = "gate"} : tensor<1x2x1xf32>, tensor<3xf32> -> tensor<1x2x3xf32>
  %maximum = nn.maximum %x, %g : tensor<1x2x3xf32>, tensor<1x2x1xf32> -> tensor<1x2x3xf32>
  %minimum = nn.minimum %x, %x : tensor<1x2x3xf32>, tensor<1x2x3xf32> -> tensor<1x2x3xf32>
  %prelu = nn.prelu %x, %v : tensor<1x2x3xf32>, tensor<3xf32> -> tensor<1x2x3xf32>
  func.return
}
// CHECK-LABEL: @two_tensors
// CHECK-NEXT: nn.add %x, %v : tensor<1x2x3xf32>, tensor<3xf32> -> tensor<1x2x3xf32>
// CHECK-NEXT: nn.sub %v, %x clamp <min = 0.0> : tensor<3xf32>, tensor<1x2x3xf32> -> tensor<1x2x3xf32>
// CHECK-NEXT: nn.mul %g, %v {layer = "gate"} : tensor<1x2x1xf32>, tensor<3xf32> -> tensor<1x2x3xf32>
// CHECK-NEXT: nn.maximum %x, %g : tensor<1x2x3xf32>, tensor<1x2x1xf32> -> tensor<1x2x3xf32>
// CHECK-NEXT: nn.minimum %x, %x : tensor<1x2x3xf32>, tensor<1x2x3xf32> -> tensor<1x2x3xf32>
// CHECK-NEXT: nn.prelu %x, %v : tensor<1x2x3xf32>, tensor<3xf32> -> tensor<1x2x3xf32>

func.func @reductions(%x : tensor<1x4x3x2xf32>) {
  %mean = nn.mean %x {layer = "gap"} : tensor<1x4x3x2xf32> -> tensor<1x1x1x2xf32>
  %sum = nn.sum %x : tensor<1x4x3x2xf32> -> tensor<1x4x3x1xf32>
  %largest = nn.reduce_max %x : tensor<1x4x3x2xf32> -> tensor<1x4x1x2xf32>
  %smallest = nn.reduce_min %x : tensor<1x4x3x2xf32> -> tensor<1x1x3x2xf32>
  %where = nn.arg_max %x {layer = "class"} : tensor<1x4x3x2xf32> -> tensor<1x4x3x1xi32>
  %least = nn.arg_min %x : tensor<1x4x3x2xf32> -> tensor<1x1x1x2xi32>
  %flat = nn.reshape %where : tensor<1x4x3x1xi32> -> tensor<1x12xi32>
  func.return
}
// CHECK-LABEL: @reductions
// CHECK-NEXT: nn.mean %x {layer = "gap"} : tensor<1x4x3x2xf32> -> tensor<1x1x1x2xf32>
// CHECK-NEXT: nn.sum %x : tensor<1x4x3x2xf32> -> tensor<1x4x3x1xf32>
// CHECK-NEXT: nn.reduce_max %x : tensor<1x4x3x2xf32> -> tensor<1x4x1x2xf32>
// CHECK-NEXT: nn.reduce_min %x : tensor<1x4x3x2xf32> -> tensor<1x1x3x2xf32>
// CHECK-NEXT: nn.arg_max %x {layer = "class"} : tensor<1x4x3x2xf32> -> tensor<1x4x3x1xi32>
// CHECK-NEXT: nn.arg_min %x : tensor<1x4x3x2xf32> -> tensor<1x1x1x2xi32>
// CHECK-NEXT: nn.reshape %where : tensor<1x4x3x1xi32> -> tensor<1x12xi32>

func.func @data_movement(%x : tensor<1x4x4x2xf32>) {
  %max = nn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> : tensor<1x4x4x2xf32> -> tensor<1x2x2x2xf32>
  %avg = nn.avg_pool2d %x pool <padding = [1, 0, 0, 1], kernel = [3, 3]> clamp <min = 0.0> : tensor<1x4x4x2xf32> -> tensor<1x3x3x2xf32>
  %pad = nn.pad %x, 0.0 <low = [0, 1, 0, 0], high = [0, 0, 2, 0]> : tensor<1x4x4x2xf32> -> tensor<1x5x6x2xf32>
  %reshape = nn.reshape %x : tensor<1x4x4x2xf32> -> tensor<1x32xf32>
  %transpose = nn.transpose %x [0, 3, 1, 2] : tensor<1x4x4x2xf32> -> tensor<1x2x4x4xf32>
  %i = nn.constant dense<[3, 0, 0]> : tensor<3xui16>
  %resize = nn.resize_nearest %x, %i, %i : tensor<1x4x4x2xf32>, tensor<3xui16>, tensor<3xui16> -> tensor<1x3x3x2xf32>
  %gather = nn.gather %x, %i axis 1 : tensor<1x4x4x2xf32>, tensor<3xui16> -> tensor<1x3x4x2xf32>
  %slice = nn.slice %x <begin = [0, 3, 0, 1], strides = [1, -2, 1, 1]> : tensor<1x4x4x2xf32> -> tensor<1x2x4x1xf32>
  %concat = nn.concat %x, %x axis 3 : tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32> -> tensor<1x4x4x4xf32>
  %q = nn.quantize %x <scales = [0.05], zero_point = 3> : tensor<1x4x4x2xf32> -> tensor<1x4x4x2xi8>
  %dq = nn.dequantize %q <scales = [0.05, 0.1], axis = 3> : tensor<1x4x4x2xi8> -> tensor<1x4x4x2xf32>
  func.return
}
// CHECK-LABEL: @data_movement
// CHECK: nn.max_pool2d %x pool <strides = [2, 2], kernel = [2, 2]> : tensor<1x4x4x2xf32> -> tensor<1x2x2x2xf32>
// CHECK-NEXT: nn.avg_pool2d %x pool <padding = [1, 0, 0, 1], kernel = [3, 3]> clamp <min = 0.0> : tensor<1x4x4x2xf32> -> tensor<1x3x3x2xf32>
// CHECK-NEXT: nn.pad %x, 0.000000e+00 <low = [0, 1, 0, 0], high = [0, 0, 2, 0]> : tensor<1x4x4x2xf32> -> tensor<1x5x6x2xf32>
// CHECK-NEXT: nn.reshape %x : tensor<1x4x4x2xf32> -> tensor<1x32xf32>
// CHECK-NEXT: nn.transpose %x [0, 3, 1, 2] : tensor<1x4x4x2xf32> -> tensor<1x2x4x4xf32>
// CHECK-NEXT: nn.constant dense<[3, 0, 0]> : tensor<3xui16>
// CHECK-NEXT: nn.resize_nearest %x, %i, %i : tensor<1x4x4x2xf32>, tensor<3xui16>, tensor<3xui16> -> tensor<1x3x3x2xf32>
// CHECK-NEXT: nn.gather %x, %i axis 1 : tensor<1x4x4x2xf32>, tensor<3xui16> -> tensor<1x3x4x2xf32>
// CHECK-NEXT: nn.slice %x <begin = [0, 3, 0, 1], strides = [1, -2, 1, 1]> : tensor<1x4x4x2xf32> -> tensor<1x2x4x1xf32>
// CHECK-NEXT: nn.concat %x, %x axis 3 : tensor<1x4x4x2xf32>, tensor<1x4x4x2xf32> -> tensor<1x4x4x4xf32>
// CHECK-NEXT: nn.quantize %x <scales = [0.05], zero_point = 3> : tensor<1x4x4x2xf32> -> tensor<1x4x4x2xi8>
// CHECK-NEXT: nn.dequantize %q <scales = [0.05, 0.1], axis = 3> : tensor<1x4x4x2xi8> -> tensor<1x4x4x2xf32>

// -----

func.func @resampling(%x : tensor<1x4x3x2xf32>, %a : tensor<5x2xf32>, %b : tensor<2x3xf32>) {
  %i = nn.constant dense<[0, 0, 1, 2, 2]> : tensor<5xui16>
  %j = nn.constant dense<0> : tensor<2xui16>
  %y = nn.resample %x, %i by %a, %j by %b {layer = "up"} : tensor<1x4x3x2xf32>, tensor<5xui16>, tensor<5x2xf32>, tensor<2xui16>, tensor<2x3xf32> -> tensor<1x5x2x2xf32>
  func.return
}

// CHECK-LABEL: @resampling
// CHECK:      nn.resample %x, %i by %a, %j by %b {layer = "up"} : tensor<1x4x3x2xf32>, tensor<5xui16>, tensor<5x2xf32>, tensor<2xui16>, tensor<2x3xf32> -> tensor<1x5x2x2xf32>

// -----

func.func @normalization(%x : tensor<1x4x3x2xf32>, %c : tensor<2xf32>) {
  %layer = nn.normalize %x, %c, %c by <epsilon = 1.0e-05> : tensor<1x4x3x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x4x3x2xf32>
  %root = nn.normalize %x, %c, %c by <groups = 2, centered = 0> clamp <min = 0.0> {layer = "rms"} : tensor<1x4x3x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x4x3x2xf32>
  func.return
}

// CHECK-LABEL: @normalization
// CHECK-NEXT: nn.normalize %x, %c, %c by <epsilon = 1.0e-05> : tensor<1x4x3x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x4x3x2xf32>
// CHECK-NEXT: nn.normalize %x, %c, %c by <groups = 2, centered = 0> clamp <min = 0.0> {layer = "rms"} : tensor<1x4x3x2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<1x4x3x2xf32>

func.func @of_integers(%image : tensor<1x2x2x3xui8>, %i : tensor<1x4xi32>, %table : tensor<5x3xf32>) {
  %x = nn.from_uint8 %image {layer = "image"} : tensor<1x2x2x3xui8> -> tensor<1x2x2x3xf32>
  %e = nn.embedding %table, %i {layer = "words"} : tensor<5x3xf32>, tensor<1x4xi32> -> tensor<1x4x3xf32>
  func.return
}

// CHECK-LABEL: @of_integers
// CHECK-NEXT:    %x = nn.from_uint8 %image {layer = "image"} : tensor<1x2x2x3xui8> -> tensor<1x2x2x3xf32>
// CHECK-NEXT:    %e = nn.embedding %table, %i {layer = "words"} : tensor<5x3xf32>, tensor<1x4xi32> -> tensor<1x4x3xf32>

func.func @selected(%mask : tensor<4x2xf32>, %x : tensor<1x4x2xf32>, %y : tensor<1xf32>) {
  %z = nn.select %mask, %x, %y {layer = "fill"} : tensor<4x2xf32>, tensor<1x4x2xf32>, tensor<1xf32> -> tensor<1x4x2xf32>
  func.return
}

// CHECK-LABEL: @selected
// CHECK-NEXT:    %z = nn.select %mask, %x, %y {layer = "fill"} : tensor<4x2xf32>, tensor<1x4x2xf32>, tensor<1xf32> -> tensor<1x4x2xf32>

func.func @products(%q : tensor<1x2x3x4xf32>, %k : tensor<1x2x5x4xf32>, %v : tensor<1x2x6x5xf32>, %u : tensor<1x2x6x3xf32>) {
  %s = nn.matmul %q, %k transposed : tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x3x5xf32>
  %m = nn.constant dense<[[[[1, 0, 1, 1, 0]]]]> : tensor<1x1x1x5xi8>
  %p = nn.masked_softmax %s, %m : tensor<1x2x3x5xf32>, tensor<1x1x1x5xi8>
  %y = nn.matmul %v, %p transposed : tensor<1x2x6x5xf32>, tensor<1x2x3x5xf32> -> tensor<1x2x6x3xf32>
  %z = nn.matmul %p transposed, %u transposed : tensor<1x2x3x5xf32>, tensor<1x2x6x3xf32> -> tensor<1x2x5x6xf32>
  func.return
}

// CHECK:      func.func @products
// CHECK-NEXT: %s = nn.matmul %q, %k transposed : tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32> -> tensor<1x2x3x5xf32>
// CHECK-NEXT: %m = nn.constant
// CHECK-NEXT: %p = nn.masked_softmax %s, %m : tensor<1x2x3x5xf32>, tensor<1x1x1x5xi8>
// CHECK-NEXT: %y = nn.matmul %v, %p transposed : tensor<1x2x6x5xf32>, tensor<1x2x3x5xf32> -> tensor<1x2x6x3xf32>
// CHECK-NEXT: %z = nn.matmul %p transposed, %u transposed :
