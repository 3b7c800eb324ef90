// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fuse-layers --split-input-file | filecheck %s

// A border of zeros, a constant per channel and a clamp, all in one convolution.

func.func @main(%x : tensor<1x3x3x1xf32>) -> tensor<1x3x3x2xf32> {
  %w = nn.constant named "conv.weight" dense<1.0> : tensor<2x3x3x1xf32>
  %b = nn.constant named "conv.bias" dense<[1.0, 2.0]> : tensor<2xf32>
  %c = nn.constant dense<0.5> : tensor<1x3x3x2xf32>
  %p = nn.pad %x, 0.0 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : tensor<1x3x3x1xf32> -> tensor<1x5x5x1xf32>
  %y = nn.conv2d %p, %w, %b window <> {layer = "conv"} : tensor<1x5x5x1xf32>, tensor<2x3x3x1xf32>, tensor<2xf32> -> tensor<1x3x3x2xf32>
  %s = nn.add %y, %c : tensor<1x3x3x2xf32>, tensor<1x3x3x2xf32> -> tensor<1x3x3x2xf32>
  %r = nn.clamp %s <min = 0.0> {layer = "relu", nn.range = array<f64: 0.0, 3.0>} : tensor<1x3x3x2xf32>
  %r6 = nn.clamp %r <max = 6.0> {layer = "relu6"} : tensor<1x3x3x2xf32>
  func.return %r6 : tensor<1x3x3x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    [[W:%.*]] = nn.constant named "conv.weight"
// CHECK-NEXT:    [[B:%.*]] = nn.constant named "conv.bias" dense<[1.500000e+00, 2.500000e+00]>
// CHECK-NEXT:    [[Y:%.*]] = nn.conv2d %x, [[W]], [[B]] window <padding = [1, 1, 1, 1]> clamp <min = 0.0, max = 6.0> {layer = "conv", nn.range = array<f64: 0.000000e+00, 3.000000e+00>} : tensor<1x3x3x1xf32>
// CHECK-NEXT:    func.return [[Y]]

// -----

// Of several reshapes the last counts, and none if the shape is that of the start.

func.func @main(%x : tensor<1x2x2x1xf32>) -> (tensor<1x4x1x1xf32>, tensor<1x2x2x1xf32>) {
  %a = nn.reshape %x : tensor<1x2x2x1xf32> -> tensor<1x4xf32>
  %b = nn.reshape %a : tensor<1x4xf32> -> tensor<1x4x1x1xf32>
  %c = nn.reshape %a : tensor<1x4xf32> -> tensor<1x2x2x1xf32>
  %d = nn.softmax %c : tensor<1x2x2x1xf32>
  func.return %b, %d : tensor<1x4x1x1xf32>, tensor<1x2x2x1xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %b = nn.reshape %x : tensor<1x2x2x1xf32> -> tensor<1x4x1x1xf32>
// CHECK-NEXT:    %d = nn.softmax %x

// -----

// Zeros are below everything after a relu: they become the padding of the max pool.

func.func @main(%x : tensor<1x2x2x1xf32>) -> tensor<1x2x2x1xf32> {
  %r = nn.clamp %x <min = 0.0> : tensor<1x2x2x1xf32>
  %p = nn.pad %r, 0.0 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : tensor<1x2x2x1xf32> -> tensor<1x4x4x1xf32>
  %y = nn.max_pool2d %p pool <kernel = [3, 3]> : tensor<1x4x4x1xf32> -> tensor<1x2x2x1xf32>
  func.return %y : tensor<1x2x2x1xf32>
}

// CHECK:       %r = nn.clamp
// CHECK-NEXT:  nn.max_pool2d %r pool <padding = [1, 1, 1, 1], kernel = [3, 3]>

// -----

// No change: a value that others read, a border of ones, zeros that a max pool could see.

func.func @main(%x : tensor<1x2x2x1xf32>, %w : tensor<1x3x3x1xf32>, %b : tensor<1xf32>) -> (tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>) {
  %p = nn.pad %x, 1.0 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : tensor<1x2x2x1xf32> -> tensor<1x4x4x1xf32>
  %y = nn.conv2d %p, %w, %b window <> : tensor<1x4x4x1xf32>, tensor<1x3x3x1xf32>, tensor<1xf32> -> tensor<1x2x2x1xf32>
  %r = nn.clamp %y <min = 0.0> : tensor<1x2x2x1xf32>
  %q = nn.pad %y, 0.0 <low = [0, 1, 1, 0], high = [0, 1, 1, 0]> : tensor<1x2x2x1xf32> -> tensor<1x4x4x1xf32>
  %m = nn.max_pool2d %q pool <kernel = [3, 3]> : tensor<1x4x4x1xf32> -> tensor<1x2x2x1xf32>
  func.return %y, %r, %m : tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %p = nn.pad %x, 1.0
// CHECK-NEXT:    %y = nn.conv2d %p, %w, %b window <> :
// CHECK-NEXT:    %r = nn.clamp %y
// CHECK-NEXT:    %q = nn.pad %y, 0.0
// CHECK-NEXT:    %m = nn.max_pool2d %q pool <kernel = [3, 3]>

// -----

// A pair between a layer and its clamp: the clamp goes before it, if int8 holds its bounds ..

func.func @main(%x : tensor<1x2xf32>, %y : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %a = nn.add %x, %y {layer = "add"} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %q = nn.quantize %a <scales = [0.5], zero_point = -28> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5], zero_point = -28> : tensor<1x2xi8> -> tensor<1x2xf32>
  %r = nn.clamp %d <min = 0.0, max = 6.0> : tensor<1x2xf32>
  func.return %r : tensor<1x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    [[A:%.*]] = nn.add %x, %y clamp <min = 0.0, max = 6.0> {layer = "add"}
// CHECK-NEXT:    [[Q:%.*]] = nn.quantize [[A]] <scales = [0.5], zero_point = -28>
// CHECK-NEXT:    [[D:%.*]] = nn.dequantize [[Q]] <scales = [0.5], zero_point = -28>
// CHECK-NEXT:    func.return [[D]]

// -----

// .. or if the result is quantized in the same way; 0.7 is between two steps of 0.5.

func.func @main(%x : tensor<1x2xf32>, %y : tensor<1x2xf32>) -> tensor<1x2xi8> {
  %a = nn.add %x, %y : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %q = nn.quantize %a <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %r = nn.clamp %d <min = -0.7, max = 0.7> : tensor<1x2xf32>
  %s = nn.quantize %r <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  func.return %s : tensor<1x2xi8>
}

// CHECK:       func.func @main
// CHECK-NEXT:    [[A:%.*]] = nn.add %x, %y clamp <min = -0.7, max = 0.7>
// CHECK-NEXT:    nn.quantize [[A]] <scales = [0.5]>
// CHECK-NEXT:    nn.dequantize
// CHECK-NEXT:    nn.quantize
// CHECK-NEXT:    func.return

// -----

// A product takes its clamp; a constant that enlarges the result is none for the bias.

func.func @main(%x : tensor<1x4xf32>, %c : tensor<2x4xf32>) -> (tensor<1x4xf32>, tensor<2x4xf32>) {
  %w = nn.constant dense<1.0> : tensor<4x4xf32>
  %b = nn.constant dense<0.0> : tensor<4xf32>
  %two = nn.constant dense<2.0> : tensor<2x4xf32>
  %y = nn.linear %x, %w, %b : tensor<1x4xf32>, tensor<4x4xf32>, tensor<4xf32> -> tensor<1x4xf32>
  %s = nn.add %y, %two : tensor<1x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %m = nn.mul %x, %x : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x4xf32>
  %r = nn.clamp %m <max = 1.0> : tensor<1x4xf32>
  func.return %r, %s : tensor<1x4xf32>, tensor<2x4xf32>
}

// CHECK:       nn.linear
// CHECK-NEXT:  nn.add
// CHECK-NEXT:  nn.mul %x, %x clamp <max = 1.0>
// CHECK-NEXT:  func.return

// -----

// No change: bounds that int8 would round, a pair that others read, a clamp that int8 cannot reach.

func.func @main(%x : tensor<1x2xf32>, %y : tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xi8>, tensor<1x2xf32>) {
  %a = nn.add %x, %x : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %aq = nn.quantize %a <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %ad = nn.dequantize %aq <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %ar = nn.clamp %ad <max = 0.7> : tensor<1x2xf32>
  %b = nn.add %x, %y : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %bq = nn.quantize %b <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %bd = nn.dequantize %bq <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %br = nn.clamp %bd <min = 0.0> : tensor<1x2xf32>
  %c = nn.add %y, %y : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %cq = nn.quantize %c <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %cd = nn.dequantize %cq <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %cr = nn.clamp %cd <min = 100.0> : tensor<1x2xf32>
  func.return %ar, %br, %bq, %cr : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xi8>, tensor<1x2xf32>
}

// CHECK:       nn.clamp %ad <max = 0.7>
// CHECK:       nn.clamp %bd <min = 0.0>
// CHECK:       nn.clamp %cd <min = 100.0>

// -----

// What is only repeated to meet a larger tensor is not: it broadcasts, and its functions are of what is not repeated. It
// stays where nothing else is as large, and where one of several elements is picked.

func.func @main(%x : tensor<1x4x3x2xf32>, %s : tensor<1x1x1x2xf32>, %t : tensor<1x4x2x2xf32>) -> (tensor<1x4x3x2xf32>, tensor<1x4x3x2xf32>, tensor<1x4x3x2xf32>) {
  %rows = nn.constant dense<0> : tensor<4xui16>
  %columns = nn.constant dense<0> : tensor<3xui16>
  %r = nn.resize_nearest %s, %rows, %columns : tensor<1x1x1x2xf32>, tensor<4xui16>, tensor<3xui16> -> tensor<1x4x3x2xf32>
  %f = nn.activation "exp(x)" %r {layer = "exp"} : tensor<1x4x3x2xf32>
  %y = nn.mul %x, %f {layer = "gate"} : tensor<1x4x3x2xf32>, tensor<1x4x3x2xf32> -> tensor<1x4x3x2xf32>
  %z = nn.add %r, %s {layer = "both"} : tensor<1x4x3x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x4x3x2xf32>
  %p = nn.gather %t, %columns axis 2 : tensor<1x4x2x2xf32>, tensor<3xui16> -> tensor<1x4x3x2xf32>
  %w = nn.add %x, %p {layer = "picked"} : tensor<1x4x3x2xf32>, tensor<1x4x3x2xf32> -> tensor<1x4x3x2xf32>
  func.return %y, %z, %w : tensor<1x4x3x2xf32>, tensor<1x4x3x2xf32>, tensor<1x4x3x2xf32>
}

// CHECK:       [[F:%.*]] = nn.activation "exp(x)" %s {layer = "exp"}
// CHECK:       nn.mul %x, [[F]] {layer = "gate"} : tensor<1x4x3x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x4x3x2xf32>
// CHECK:       nn.add %r, %s {layer = "both"}
// CHECK:       nn.add %x, %p {layer = "picked"}

// -----

// A causal convolution as PyTorch has it: what its padding gives on the right is cut off, so it is not padded there.

func.func @main(%x : tensor<1x1x5x1xf32>) -> tensor<1x5x1xf32> {
  %w = nn.constant dense<1.0> : tensor<1x1x3x1xf32>
  %b = nn.constant dense<0.0> : tensor<1xf32>
  %y = nn.conv2d %x, %w, %b window <padding = [0, 2, 0, 2]> {layer = "conv"} : tensor<1x1x5x1xf32>, tensor<1x1x3x1xf32>, tensor<1xf32> -> tensor<1x1x7x1xf32>
  %r = nn.reshape %y : tensor<1x1x7x1xf32> -> tensor<1x7x1xf32>
  %s = nn.slice %r <begin = [0, 0, 0], strides = [1, 1, 1]> : tensor<1x7x1xf32> -> tensor<1x5x1xf32>
  %c = nn.clamp %s <min = 0.0> {nn.range = array<f64: 0.0, 3.0>} : tensor<1x5x1xf32>
  func.return %c : tensor<1x5x1xf32>
}

// CHECK:       [[Y:%.*]] = nn.conv2d %x, %w, %b window <padding = [0, 2, 0, 0]> clamp <min = 0.0> {layer = "conv", nn.range = array<f64: 0.000000e+00, 3.000000e+00>} : {{.*}} -> tensor<1x1x5x1xf32>
// CHECK-NEXT:  nn.reshape [[Y]] {{.*}} : tensor<1x1x5x1xf32> -> tensor<1x5x1xf32>
// CHECK-NEXT:  func.return

// It cannot fail on a valid module; an option it does not have is refused.
