// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p convert-qnn-to-kernels --verify-diagnostics --split-input-file | filecheck %s


func.func @main(%x : tensor<1x3x3x1xi8>) -> tensor<1x1x1x1xi8> {
  %w = qnn.constant dense<1> : tensor<1x3x3x1xi8, #sparse.encoding<bitmap>>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.depthwise_conv2d %x, %w, %b requant(%b, %b) <> window <> {layer = "dw1"} : tensor<1x3x3x1xi8>, tensor<1x3x3x1xi8, #sparse.encoding<bitmap>>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1x1x1xi8>
  func.return %y : tensor<1x1x1x1xi8>
}
// CHECK: layer 'dw1' (qnn.depthwise_conv2d): no kernel takes weights stored as bitmap here, store them dense

// -----

func.func @main(%x : tensor<1x1xi8>) -> tensor<1x1xi8> {
  %w = qnn.constant dense<1> : tensor<1x1xi8>
  %b = qnn.constant dense<2147483647> : tensor<1xi32>
  %s = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%s, %s) <> {layer = "fc"} : tensor<1x1xi8>, tensor<1x1xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return %y : tensor<1x1xi8>
}
// CHECK: layer 'fc' (qnn.linear): an accumulator can leave 32 bits: calibrate with larger ranges or reduce the weights

// -----

func.func @main(%x : tensor<1x1xi8>, %w : tensor<1x1xi8>) -> tensor<1x1xi8> {
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%b, %b) <> {layer = "fc"} : tensor<1x1xi8>, tensor<1x1xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return %y : tensor<1x1xi8>
}
// CHECK: layer 'fc' (qnn.linear): weights must be constant

// -----

func.func @main(%x : tensor<2x2x2x2x2x2x2xi8>) -> tensor<2x2x2x2x2x2x2xi8> {
  %y = qnn.transpose %x [6, 5, 4, 3, 2, 1, 0] {layer = "swap"} : tensor<2x2x2x2x2x2x2xi8> -> tensor<2x2x2x2x2x2x2xi8>
  func.return %y : tensor<2x2x2x2x2x2x2xi8>
}
// CHECK: layer 'swap' (qnn.transpose): a transpose of more than 6 axes is not supported

// -----

func.func @main(%x : tensor<1x1x1x1x1xi8>) -> tensor<2x2x2x2x2xi8> {
  %y = qnn.pad %x, 0 <low = [1, 0, 1, 0, 1], high = [0, 1, 0, 1, 0]> {layer = "around"} : tensor<1x1x1x1x1xi8> -> tensor<2x2x2x2x2xi8>
  func.return %y : tensor<2x2x2x2x2xi8>
}
// CHECK: layer 'around' (qnn.pad): a border of more than 4 axes is not supported

// -----

func.func @main(%x : tensor<3x3x3x3x3x3x3xi8>) -> tensor<2x2x2x2x2x2x2xi8> {
  %y = qnn.slice %x <begin = [0, 0, 0, 0, 0, 0, 0], strides = [1, 1, 1, 1, 1, 1, 1]> {layer = "deep"} : tensor<3x3x3x3x3x3x3xi8> -> tensor<2x2x2x2x2x2x2xi8>
  func.return %y : tensor<2x2x2x2x2x2x2xi8>
}

// CHECK: layer 'deep' (qnn.slice): a slice of more than 6 axes is not supported

// -----

func.func @main(%x : tensor<1x4x3x2xi8>, %rows : tensor<3xui16>) -> tensor<1x3x3x2xi8> {
  %y = qnn.resize_nearest %x, %rows, %rows {layer = "up"} : tensor<1x4x3x2xi8>, tensor<3xui16>, tensor<3xui16> -> tensor<1x3x3x2xi8>
  func.return %y : tensor<1x3x3x2xi8>
}

// CHECK: layer 'up' (qnn.resize_nearest): rows and columns must be constant

// -----

func.func @main(%x : tensor<1x2x1x2x1xi8>, %y : tensor<2x1x2x1x2xi8>) -> tensor<2x2x2x2x2xi8> {
  %z = qnn.maximum %x, %y {layer = "larger"} : tensor<1x2x1x2x1xi8>, tensor<2x1x2x1x2xi8> -> tensor<2x2x2x2x2xi8>
  func.return %z : tensor<2x2x2x2x2xi8>
}

// CHECK: layer 'larger' (qnn.maximum): its operands broadcast along 5 axes in turn, at most 4 can

// -----

func.func @main(%x : tensor<1x4xi8>, %i : tensor<2xui16>) -> tensor<1x2xi8> {
  %y = qnn.gather %x, %i axis 1 {layer = "turn"} : tensor<1x4xi8>, tensor<2xui16> -> tensor<1x2xi8>
  func.return %y : tensor<1x2xi8>
}

// CHECK: layer 'turn' (qnn.gather): indices must be constant

// -----

func.func @main(%x : tensor<1x1x2x3xi8>) -> tensor<1x1x2x3xi8> {
  %i = qnn.constant dense<0> : tensor<1xui16>
  %a = qnn.constant dense<1> : tensor<1x1xi16>
  %j = qnn.constant dense<0> : tensor<2xui16>
  %b = qnn.constant dense<[[1, 2], [2, 2]]> : tensor<2x2xi16>
  %y = qnn.resample %x, %i by %a, %j by %b <> {layer = "up"} : tensor<1x1x2x3xi8>, tensor<1xui16>, tensor<1x1xi16>, tensor<2xui16>, tensor<2x2xi16> -> tensor<1x1x2x3xi8>
  func.return %y : tensor<1x1x2x3xi8>
}

// CHECK: layer 'up' (qnn.resample): the weights of its pixels have different sums

// -----

func.func @main(%x : tensor<1x1x2x3xi8>, %m : tensor<3xi32>) -> tensor<1x1x2x3xi8> {
  %c = qnn.constant dense<1> : tensor<3xi32>
  %y = qnn.normalize %x, %c requant(%m, %c) <> {layer = "norm"} : tensor<1x1x2x3xi8>, tensor<3xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<1x1x2x3xi8>
  func.return %y : tensor<1x1x2x3xi8>
}

// CHECK: layer 'norm' (qnn.normalize): bias, multiplier and shift must be constant

// -----

func.func @main(%x : tensor<1x1x3x1xi8>) -> tensor<1x1x3x1xi8> {
  %c = qnn.constant dense<9> : tensor<1xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %y = qnn.normalize %x, %c requant(%m, %c) <> {layer = "norm"} : tensor<1x1x3x1xi8>, tensor<1xi32>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1x3x1xi8>
  func.return %y : tensor<1x1x3x1xi8>
}

// CHECK: layer 'norm' (qnn.normalize): a scaled value can leave 32 bits

// -----

func.func @main(%q : tensor<1x1x1x4xi8>, %k : tensor<1x1x4096x4xi8>) -> tensor<1x1x1x4xi8> {
  %y = qnn.attention %q, %k, %k over <outer = 1, heads = 1, queries = 1, keys = 4096, width = 4, value_width = 4, query = [0, 4, 4, 4], key = [0, 16384, 16384, 4], value = [0, 16384, 16384, 4], result = [0, 4, 4, 4]> scores <lhs_zp = 0, rhs_zp = 0, multiplier = 1073741824, shift = -6, output_zp = 2> softmax <multiplier = 1717986918, shift = 23, diff_min = -248> values <lhs_zp = -128, rhs_zp = 0, multiplier = 1073741824, shift = -7, output_zp = -4> {layer = "attention"} : tensor<1x1x1x4xi8>, tensor<1x1x4096x4xi8>, tensor<1x1x4096x4xi8> -> tensor<1x1x1x4xi8>
  func.return %y : tensor<1x1x1x4xi8>
}

// CHECK: layer 'attention' (qnn.attention): it has more than 4095 keys
