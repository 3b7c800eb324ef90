// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p eliminate-dead-channels --split-input-file | filecheck %s

// Channel 1 of the first layer meets only zeros: its filter and its column go.

func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x2x2x1xi8> {
  %m = qnn.constant dense<1073741824> : tensor<3xi32>
  %s = qnn.constant dense<0> : tensor<3xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant named "a.weight" dense<[[[[1]]], [[[2]]], [[[3]]]]> : tensor<3x1x1x1xi8>
  %b = qnn.constant named "a.bias" dense<[4, 5, 6]> : tensor<3xi32>
  %v = qnn.constant named "b.weight" dense<[[[[7, 0, 9]]]]> : tensor<1x1x1x3xi8>
  %c = qnn.constant named "b.bias" dense<1> : tensor<1xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> {layer = "a"} : tensor<1x2x2x1xi8>, tensor<3x1x1x1xi8>, tensor<3xi32>, tensor<3xi32> -> tensor<1x2x2x3xi8>
  %z = qnn.conv2d %y, %v, %c requant(%m1, %s1) <> window <> {layer = "b"} : tensor<1x2x2x3xi8>, tensor<1x1x1x3xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x2x2x1xi8>
  func.return %z : tensor<1x2x2x1xi8>
}

// CHECK:       builtin.module attributes {sparsec.removed = {
// CHECK-SAME:    a = {dead_inputs = array<i64: 1>, weights = array<i64: 3, 2>, macs = array<i64: 12, 8>}
// CHECK-SAME:    b = {weights = array<i64: 3, 2>, macs = array<i64: 12, 8>}
// CHECK-SAME:    }, sparsec.live_bytes = array<i64: 16, 12>}
// CHECK:         qnn.constant named "a.bias" dense<[4, 6]> : tensor<2xi32>
// CHECK:         qnn.constant named "a.weight" dense<{{\[\[\[\[}}1]]], {{\[\[\[}}3]]]]> : tensor<2x1x1x1xi8>
// CHECK-NEXT:    qnn.conv2d %x, {{.*}} -> tensor<1x2x2x2xi8>
// CHECK-NEXT:    qnn.constant named "b.weight" dense<{{\[\[\[\[}}7, 9]]]]> : tensor<1x1x1x2xi8>
// CHECK-NEXT:    qnn.conv2d %y, {{.*}} -> tensor<1x2x2x1xi8>

// -----

// A filter of zeros gives requantize(10) = 5, and 5 * 7 goes to the bias; the clamp of the third
// channel holds it at 20 whatever the input.

func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x2x2x1xi8> {
  %m = qnn.constant dense<1073741824> : tensor<3xi32>
  %s = qnn.constant dense<0> : tensor<3xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<[[[[0]]], [[[1]]], [[[3]]]]> : tensor<3x1x1x1xi8>
  %b = qnn.constant dense<[10, 0, 2000]> : tensor<3xi32>
  %v = qnn.constant dense<[[[[7, 8, 9]]]]> : tensor<1x1x1x3xi8>
  %c = qnn.constant named "b.bias" dense<1> : tensor<1xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <clamp = [-20, 20]> window <> {layer = "a"} : tensor<1x2x2x1xi8>, tensor<3x1x1x1xi8>, tensor<3xi32>, tensor<3xi32> -> tensor<1x2x2x3xi8>
  %z = qnn.conv2d %y, %v, %c requant(%m1, %s1) <> window <> {layer = "b"} : tensor<1x2x2x3xi8>, tensor<1x1x1x3xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x2x2x1xi8>
  func.return %z : tensor<1x2x2x1xi8>
}

// CHECK:       a = {dead_outputs = array<i64: 0>, constant = array<i64: 2>, weights = array<i64: 3, 1>
// CHECK:       qnn.constant named "b.bias" dense<216> : tensor<1xi32>
// CHECK:       qnn.conv2d {{.*}} -> tensor<1x2x2x1xi8>

// -----

// The border reads as 0 and the constant is 5. One position sees one border: a constant after all.

func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x2x2x1xi8> {
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<0> : tensor<2xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<[[[[0]]], [[[1]]]]> : tensor<2x1x1x1xi8>
  %b = qnn.constant dense<[10, 0]> : tensor<2xi32>
  %v = qnn.constant dense<1> : tensor<1x3x3x2xi8>
  %c = qnn.constant dense<1> : tensor<1xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> : tensor<1x2x2x1xi8>, tensor<2x1x1x1xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x2x2xi8>
  %z = qnn.conv2d %y, %v, %c requant(%m1, %s1) <> window <padding = [1, 1, 0, 0]> : tensor<1x2x2x2xi8>, tensor<1x3x3x2xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1x1x1xi8>
  %p = qnn.pad %z, 0 <low = [0, 1, 1, 0], high = [0, 0, 0, 0]> : tensor<1x1x1x1xi8> -> tensor<1x2x2x1xi8>
  func.return %p : tensor<1x2x2x1xi8>
}

// CHECK-NOT:   tensor<1x2x2x2xi8>
// CHECK:       qnn.pad

// -----

// Where positions see different borders, the channel stays.

func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x2x2x1xi8> {
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<0> : tensor<2xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<[[[[0]]], [[[1]]]]> : tensor<2x1x1x1xi8>
  %b = qnn.constant dense<[10, 0]> : tensor<2xi32>
  %v = qnn.constant dense<1> : tensor<1x2x2x2xi8>
  %c = qnn.constant dense<1> : tensor<1xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> : tensor<1x2x2x1xi8>, tensor<2x1x1x1xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x2x2xi8>
  %z = qnn.conv2d %y, %v, %c requant(%m1, %s1) <> window <padding = [1, 1, 0, 0]> : tensor<1x2x2x2xi8>, tensor<1x2x2x2xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x2x2x1xi8>
  func.return %z : tensor<1x2x2x1xi8>
}

// CHECK-NOT:   sparsec.removed
// CHECK:       qnn.conv2d {{.*}} -> tensor<1x2x2x2xi8>
// CHECK-NEXT:  qnn.conv2d {{.*}} -> tensor<1x2x2x1xi8>

// -----

// Encoded weights are left alone.

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x2xi8> {
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<1> : tensor<4x4xi8>
  %b = qnn.constant dense<0> : tensor<4xi32>
  %v = qnn.constant dense<0> : tensor<2x4xi8, #sparse.encoding<delta8>>
  %c = qnn.constant dense<1> : tensor<2xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <> : tensor<1x4xi8>, tensor<4x4xi8>, tensor<4xi32>, tensor<1xi32> -> tensor<1x4xi8>
  %z = qnn.linear %y, %v, %c requant(%m, %s) <> : tensor<1x4xi8>, tensor<2x4xi8, #sparse.encoding<delta8>>, tensor<2xi32>, tensor<1xi32> -> tensor<1x2xi8>
  func.return %z : tensor<1x2xi8>
}

// CHECK:       qnn.linear %x, {{.*}} -> tensor<1x4xi8>

// -----

// A dead channel goes through a product with a number for each channel, and so does its number. The
// vector of another operation, which needs all of it, stays.

func.func @main(%x : tensor<1x2x2x1xi8>, %u : tensor<1x2x2x3xi8>) -> (tensor<1x2x2x1xi8>, tensor<1x2x2x3xi8>) {
  %m = qnn.constant dense<1073741824> : tensor<3xi32>
  %s = qnn.constant dense<0> : tensor<3xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant named "a.weight" dense<[[[[1]]], [[[2]]], [[[3]]]]> : tensor<3x1x1x1xi8>
  %b = qnn.constant named "a.bias" dense<[4, 5, 6]> : tensor<3xi32>
  %n = qnn.constant named "scale" dense<[10, 20, 30]> : tensor<3xi8>
  %v = qnn.constant named "b.weight" dense<[[[[7, 0, 9]]]]> : tensor<1x1x1x3xi8>
  %c = qnn.constant named "b.bias" dense<1> : tensor<1xi32>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> {layer = "a"} : tensor<1x2x2x1xi8>, tensor<3x1x1x1xi8>, tensor<3xi32>, tensor<3xi32> -> tensor<1x2x2x3xi8>
  %p = qnn.mul %y, %n <input1_zp = 0, input2_zp = 0, multiplier = 1073741824, shift = -3, output_zp = 0> : tensor<1x2x2x3xi8>, tensor<3xi8> -> tensor<1x2x2x3xi8>
  %z = qnn.conv2d %p, %v, %c requant(%m1, %s1) <> window <> {layer = "b"} : tensor<1x2x2x3xi8>, tensor<1x1x1x3xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x2x2x1xi8>
  %q = qnn.maximum %u, %n : tensor<1x2x2x3xi8>, tensor<3xi8> -> tensor<1x2x2x3xi8>
  func.return %z, %q : tensor<1x2x2x1xi8>, tensor<1x2x2x3xi8>
}

// CHECK:       a = {dead_inputs = array<i64: 1>
// CHECK:       qnn.constant named "scale" dense<[10, 20, 30]> : tensor<3xi8>
// CHECK:       qnn.constant named "scale" dense<[10, 30]> : tensor<2xi8>
// CHECK:       qnn.conv2d %x, {{.*}} -> tensor<1x2x2x2xi8>
// CHECK-NEXT:  qnn.mul {{.*}} -> tensor<1x2x2x2xi8>
// CHECK:       qnn.maximum %u, {{.*}} -> tensor<1x2x2x3xi8>

// -----

// A number at the zero point makes a channel one value, whatever comes in: 5, and 5 * 8 goes to the
// bias. What the constant operations give is a constant, and so is what they are added to.

func.func @main(%x : tensor<1x2x2x2xi8>) -> tensor<1x2x2x2xi8> {
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<1> : tensor<2xi32>
  %w = qnn.constant named "a.weight" dense<[[[[1, 2]]], [[[3, 4]]]]> : tensor<2x1x1x2xi8>
  %b = qnn.constant named "a.bias" dense<[4, 5]> : tensor<2xi32>
  %n = qnn.constant named "scale" dense<[10, 0]> : tensor<2xi8>
  %v = qnn.constant named "b.weight" dense<[[[[7, 8]]], [[[9, 0]]]]> : tensor<2x1x1x2xi8>
  %c = qnn.constant named "b.bias" dense<1> : tensor<2xi32>
  %k = qnn.constant dense<[1, 7]> : tensor<2xi8>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> {layer = "a"} : tensor<1x2x2x2xi8>, tensor<2x1x1x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x2x2xi8>
  %p = qnn.mul %y, %n <input1_zp = 0, input2_zp = 0, multiplier = 1073741824, shift = -3, output_zp = 5> : tensor<1x2x2x2xi8>, tensor<2xi8> -> tensor<1x2x2x2xi8>
  %z = qnn.conv2d %p, %v, %c requant(%m, %s) <> window <> {layer = "b"} : tensor<1x2x2x2xi8>, tensor<2x1x1x2xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x2x2x2xi8>
  %i = qnn.maximum %k, %n : tensor<2xi8>, tensor<2xi8> -> tensor<2xi8>
  %j = qnn.minimum %i, %n : tensor<2xi8>, tensor<2xi8> -> tensor<2xi8>
  %q = qnn.maximum %z, %j : tensor<1x2x2x2xi8>, tensor<2xi8> -> tensor<1x2x2x2xi8>
  func.return %q : tensor<1x2x2x2xi8>
}

// CHECK:       a = {dead_inputs = array<i64: 1>
// CHECK:       qnn.conv2d {{.*}} -> tensor<1x2x2x1xi8>
// CHECK-NEXT:  qnn.mul {{.*}} -> tensor<1x2x2x1xi8>
// CHECK:       qnn.constant named "b.bias" dense<[41, 1]> : tensor<2xi32>
// CHECK:       qnn.conv2d
// CHECK-NEXT:  qnn.constant named "minimum.constant" dense<[10, 0]> : tensor<2xi8>
// CHECK-NEXT:  qnn.maximum
// CHECK-NEXT:  func.return

// It cannot fail on a valid module; an option it does not have is refused.

// -----

// The slice takes channels 1 and 2; channel 0 meets only zeros behind the resize, and channel 2 only
// those behind the slice. Both go: what was channel 1 of 4 is channel 0 of 2.

func.func @main(%x : tensor<1x1x2x1xi8>) -> (tensor<1x1x2x1xi8>, tensor<1x1x2x1xi8>) {
  %m = qnn.constant dense<1073741824> : tensor<4xi32>
  %s = qnn.constant dense<0> : tensor<4xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<[[[[1]]], [[[2]]], [[[3]]], [[[4]]]]> : tensor<4x1x1x1xi8>
  %b = qnn.constant dense<[4, 5, 6, 7]> : tensor<4xi32>
  %v = qnn.constant named "slice.weight" dense<[[[[8, 0]]]]> : tensor<1x1x1x2xi8>
  %u = qnn.constant named "resize.weight" dense<[[[[0, 0, 0, 9]]]]> : tensor<1x1x1x4xi8>
  %rows = qnn.constant dense<0> : tensor<1xui16>
  %columns = qnn.constant dense<[1, 0]> : tensor<2xui16>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> {layer = "a"} : tensor<1x1x2x1xi8>, tensor<4x1x1x1xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x1x2x4xi8>
  %part = qnn.slice %y <begin = [0, 0, 0, 1], strides = [1, 1, 1, 1]> : tensor<1x1x2x4xi8> -> tensor<1x1x2x2xi8>
  %turned = qnn.resize_nearest %y, %rows, %columns : tensor<1x1x2x4xi8>, tensor<1xui16>, tensor<2xui16> -> tensor<1x1x2x4xi8>
  %p = qnn.conv2d %part, %v, %s1 requant(%m1, %s1) <> window <> {layer = "b"} : tensor<1x1x2x2xi8>, tensor<1x1x1x2xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1x2x1xi8>
  %q = qnn.conv2d %turned, %u, %s1 requant(%m1, %s1) <> window <> {layer = "c"} : tensor<1x1x2x4xi8>, tensor<1x1x1x4xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1x2x1xi8>
  func.return %p, %q : tensor<1x1x2x1xi8>, tensor<1x1x2x1xi8>
}

// CHECK:       builtin.module attributes {sparsec.removed = {
// CHECK:         qnn.slice %y <begin = [0, 0, 0, 0], strides = [1, 1, 1, 1]> : tensor<1x1x2x2xi8> -> tensor<1x1x2x1xi8>
// CHECK-NEXT:    qnn.resize_nearest %y, %rows, %columns : tensor<1x1x2x2xi8>, tensor<1xui16>, tensor<2xui16> -> tensor<1x1x2x2xi8>

// -----

// A mean has the channels of its image: of the first, whose weight behind the mean is zero, nothing stays.

func.func @main(%x : tensor<1x4x2x1xi8>) -> tensor<1x1x1x1xi8> {
  %m = qnn.constant dense<1073741824> : tensor<2xi32>
  %s = qnn.constant dense<0> : tensor<2xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<[[[[1]]], [[[2]]]]> : tensor<2x1x1x1xi8>
  %b = qnn.constant dense<[4, 5]> : tensor<2xi32>
  %v = qnn.constant dense<[[[[0, 8]]]]> : tensor<1x1x1x2xi8>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> {layer = "a"} : tensor<1x4x2x1xi8>, tensor<2x1x1x1xi8>, tensor<2xi32>, tensor<2xi32> -> tensor<1x4x2x2xi8>
  %mean = qnn.mean %y <multiplier = 1073741824, shift = -2> {layer = "gap"} : tensor<1x4x2x2xi8> -> tensor<1x1x1x2xi8>
  %z = qnn.conv2d %mean, %v, %s1 requant(%m1, %s1) <> window <> {layer = "b"} : tensor<1x1x1x2xi8>, tensor<1x1x1x2xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1x1x1xi8>
  func.return %z : tensor<1x1x1x1xi8>
}

// CHECK:         qnn.mean %y <multiplier = 1073741824, shift = -2> {layer = "gap"} : tensor<1x4x2x1xi8> -> tensor<1x1x1x1xi8>

// -----

// Every second channel: none of them can go.

func.func @main(%x : tensor<1x2x2x1xi8>) -> tensor<1x2x2x1xi8> {
  %m = qnn.constant dense<1073741824> : tensor<4xi32>
  %s = qnn.constant dense<0> : tensor<4xi32>
  %m1 = qnn.constant dense<1073741824> : tensor<1xi32>
  %s1 = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<[[[[1]]], [[[2]]], [[[3]]], [[[4]]]]> : tensor<4x1x1x1xi8>
  %b = qnn.constant dense<[4, 5, 6, 7]> : tensor<4xi32>
  %v = qnn.constant dense<[[[[8, 9]]]]> : tensor<1x1x1x2xi8>
  %y = qnn.conv2d %x, %w, %b requant(%m, %s) <> window <> {layer = "a"} : tensor<1x2x2x1xi8>, tensor<4x1x1x1xi8>, tensor<4xi32>, tensor<4xi32> -> tensor<1x2x2x4xi8>
  %part = qnn.slice %y <begin = [0, 0, 0, 0], strides = [1, 1, 1, 2]> : tensor<1x2x2x4xi8> -> tensor<1x2x2x2xi8>
  %p = qnn.conv2d %part, %v, %s1 requant(%m1, %s1) <> window <> {layer = "b"} : tensor<1x2x2x2xi8>, tensor<1x1x1x2xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x2x2x1xi8>
  func.return %p : tensor<1x2x2x1xi8>
}

// CHECK:         qnn.slice %y <begin = [0, 0, 0, 0], strides = [1, 1, 1, 2]> : tensor<1x2x2x4xi8> -> tensor<1x2x2x2xi8>
