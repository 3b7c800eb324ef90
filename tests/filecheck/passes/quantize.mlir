// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p quantize --split-input-file | filecheck %s
// RUN: sparsec-opt %s -p quantize{linear-weights=per-tensor} --split-input-file | filecheck %s --check-prefix PER-TENSOR

// A pair after the input and after the layer; int8 weights; the bias stays in float.

func.func @main(%x : tensor<1x2xf32> {nn.range = array<f64: -127.5, 127.5>}) -> tensor<1x2xf32> {
  %w = nn.constant named "fc.weight" dense<[[127.0, 1.0], [-63.5, 0.5]]> : tensor<2x2xf32>
  %b = nn.constant named "fc.bias" dense<1.0> : tensor<2xf32>
  %y = nn.linear %x, %w, %b clamp <min = 0.0> {layer = "fc", nn.range = array<f64: 0.0, 510.0>} : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  func.return %y : tensor<1x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    [[Q:%.*]] = nn.quantize %x <scales = [1.0]> : tensor<1x2xf32> -> tensor<1x2xi8>
// CHECK-NEXT:    [[X:%.*]] = nn.dequantize [[Q]] <scales = [1.0]>
// CHECK-NEXT:    [[B:%.*]] = nn.constant named "fc.bias" dense<1.000000e+00> : tensor<2xf32>
// CHECK-NEXT:    [[S:%.*]] = nn.constant named "fc.weight" dense<{{\[\[}}127, 1], [-127, 1]]> : tensor<2x2xi8>
// CHECK-NEXT:    [[W:%.*]] = nn.dequantize [[S]] <scales = [1.0, 0.5], axis = 0>
// CHECK-NEXT:    [[Y:%.*]] = nn.linear [[X]], [[W]], [[B]] clamp <min = 0.0> {layer = "fc"
// CHECK-NEXT:    [[P:%.*]] = nn.quantize [[Y]] <scales = [2.0], zero_point = -128> {layer = "fc"}
// CHECK-NEXT:    [[R:%.*]] = nn.dequantize [[P]] <scales = [2.0], zero_point = -128>
// CHECK-NEXT:    func.return [[R]]

// PER-TENSOR:  nn.dequantize {{.*}} <scales = [1.0]> : tensor<2x2xi8>

// -----

// Max pool keeps the quantization, softmax has its own; neither needs a range.

func.func @main(%x : tensor<1x2x2x2xf32> {nn.range = array<f64: 0.0, 255.0>}) -> tensor<1x1x1x2xf32> {
  %y = nn.max_pool2d %x pool <kernel = [2, 2]> : tensor<1x2x2x2xf32> -> tensor<1x1x1x2xf32>
  %z = nn.softmax %y : tensor<1x1x1x2xf32>
  func.return %z : tensor<1x1x1x2xf32>
}

// CHECK:       %y = nn.max_pool2d
// CHECK-NEXT:  nn.quantize %y <scales = [1.0], zero_point = -128>
// CHECK-NEXT:  nn.dequantize
// CHECK-NEXT:  %z = nn.softmax
// CHECK-NEXT:  nn.quantize %z <scales = [0.00390625], zero_point = -128>

// -----

// What only the concat reads is produced in its quantization; what others read is quantized again.

func.func @main(%x : tensor<1x2xf32> {nn.range = array<f64: 0.0, 255.0>}) -> (tensor<1x4xf32>, tensor<1x2xf32>) {
  %a = nn.add %x, %x {nn.range = array<f64: 0.0, 510.0>} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %b = nn.add %x, %x {nn.range = array<f64: 0.0, 127.5>} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %y = nn.concat %a, %b axis 1 {layer = "cat", nn.range = array<f64: 0.0, 510.0>} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x4xf32>
  func.return %y, %b : tensor<1x4xf32>, tensor<1x2xf32>
}

// CHECK:       %a = nn.add
// CHECK-NEXT:  nn.quantize %a <scales = [2.0], zero_point = -128>
// CHECK:       %b = nn.add
// CHECK-NEXT:  nn.quantize %b <scales = [0.5], zero_point = -128>
// CHECK-NEXT:  nn.dequantize
// CHECK-NEXT:  nn.quantize {{.*}} <scales = [2.0], zero_point = -128> {layer = "cat"}
// CHECK-NEXT:  nn.dequantize
// CHECK-NEXT:  %y = nn.concat

// -----

// A graph that has its pairs already stays as it is.

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x2xf32> {
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2xi8> -> tensor<1x2xf32>
  %y = nn.add %d, %d : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %yq = nn.quantize %y <scales = [0.25]> : tensor<1x2xf32> -> tensor<1x2xi8>
  %yd = nn.dequantize %yq <scales = [0.25]> : tensor<1x2xi8> -> tensor<1x2xf32>
  func.return %yd : tensor<1x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %q = nn.quantize %x <scales = [0.5]>
// CHECK-NEXT:    %d = nn.dequantize %q <scales = [0.5]>
// CHECK-NEXT:    %y = nn.add %d, %d
// CHECK-NEXT:    %yq = nn.quantize %y <scales = [0.25]>
// CHECK-NEXT:    %yd = nn.dequantize %yq <scales = [0.25]>
// CHECK-NEXT:    func.return %yd

// -----

// A graph that is quantized in part keeps its pairs; measured ranges fill the gaps. What only lacks
// a pair because a moving layer stands before it is quantized as behind that layer.

func.func @main(%x : tensor<1x2x2x1xf32> {nn.range = array<f64: -1.0, 1.0>}) -> tensor<1x1x1x1xf32> {
  %q = nn.quantize %x <scales = [0.5]> : tensor<1x2x2x1xf32> -> tensor<1x2x2x1xi8>
  %d = nn.dequantize %q <scales = [0.5]> : tensor<1x2x2x1xi8> -> tensor<1x2x2x1xf32>
  %a = nn.add %d, %d {nn.range = array<f64: 0.0, 255.0>} : tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32> -> tensor<1x2x2x1xf32>
  %b = nn.add %a, %d : tensor<1x2x2x1xf32>, tensor<1x2x2x1xf32> -> tensor<1x2x2x1xf32>
  %m = nn.max_pool2d %b pool <kernel = [2, 2]> : tensor<1x2x2x1xf32> -> tensor<1x1x1x1xf32>
  %mq = nn.quantize %m <scales = [0.25]> : tensor<1x1x1x1xf32> -> tensor<1x1x1x1xi8>
  %md = nn.dequantize %mq <scales = [0.25]> : tensor<1x1x1x1xi8> -> tensor<1x1x1x1xf32>
  func.return %md : tensor<1x1x1x1xf32>
}

// CHECK:       %q = nn.quantize %x <scales = [0.5]>
// CHECK-NEXT:  %d = nn.dequantize %q <scales = [0.5]>
// CHECK-NEXT:  %a = nn.add %d, %d
// CHECK-NEXT:  [[Q:%.*]] = nn.quantize %a <scales = [1.0], zero_point = -128>
// CHECK-NEXT:  [[A:%.*]] = nn.dequantize [[Q]]
// CHECK-NEXT:  %b = nn.add [[A]], %d
// CHECK-NEXT:  [[R:%.*]] = nn.quantize %b <scales = [0.25]>
// CHECK-NEXT:  [[B:%.*]] = nn.dequantize [[R]]
// CHECK-NEXT:  %m = nn.max_pool2d [[B]]
// CHECK-NEXT:  %mq = nn.quantize %m <scales = [0.25]>

// -----

// Parts of one value that are put together again keep its quantization, whatever their own range.

func.func @main(%x : tensor<1x4xf32> {nn.range = array<f64: 0.0, 255.0>}) -> tensor<1x4xf32> {
  %a = nn.slice %x <begin = [0, 2], strides = [1, 1]> : tensor<1x4xf32> -> tensor<1x2xf32>
  %b = nn.slice %x <begin = [0, 1], strides = [1, -1]> : tensor<1x4xf32> -> tensor<1x2xf32>
  %y = nn.concat %a, %b axis 1 {nn.range = array<f64: 0.0, 100.0>} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}

// CHECK:       %a = nn.slice
// CHECK-NEXT:  nn.quantize %a <scales = [1.0], zero_point = -128>
// CHECK-NEXT:  nn.dequantize
// CHECK-NEXT:  %b = nn.slice
// CHECK-NEXT:  nn.quantize %b <scales = [1.0], zero_point = -128>
// CHECK-NEXT:  nn.dequantize
// CHECK-NEXT:  %y = nn.concat
// CHECK-NEXT:  nn.quantize %y <scales = [1.0], zero_point = -128>

// -----

// The larger of two is taken among numbers of one quantization, that of the result.

func.func @main(%x : tensor<1x2xf32> {nn.range = array<f64: -255.0, 0.0>}, %y : tensor<1x2xf32> {nn.range = array<f64: -127.5, 127.5>}) -> tensor<1x2xf32> {
  %a = nn.add %y, %y {nn.range = array<f64: -255.0, 255.0>} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  %z = nn.maximum %x, %a {layer = "max", nn.range = array<f64: 0.0, 255.0>} : tensor<1x2xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  func.return %z : tensor<1x2xf32>
}

// CHECK:       %a = nn.add
// CHECK-NEXT:  nn.quantize %a <scales = [1.0], zero_point = -128>
// CHECK-NEXT:  nn.dequantize
// CHECK-NEXT:  nn.quantize {{.*}} <scales = [1.0], zero_point = -128> {layer = "max"}
// CHECK-NEXT:  nn.dequantize
// CHECK-NEXT:  %z = nn.maximum
// CHECK-NEXT:  nn.quantize %z <scales = [1.0], zero_point = -128>

// -----

// An input that no layer reads has a quantization too, by its range where one was measured.

func.func @main(%x : tensor<1x2xf32> {nn.range = array<f64: -127.5, 127.5>}, %y : tensor<1x3xf32> {nn.range = array<f64: 0.0, 510.0>}, %z : tensor<1x4xf32>) -> tensor<1x2xf32> {
  func.return %x : tensor<1x2xf32>
}

// CHECK:       func.func @main
// CHECK-DAG:     nn.quantize %x <scales = [1.0]>
// CHECK-DAG:     nn.quantize %y <scales = [2.0], zero_point = -128>
// CHECK-DAG:     nn.quantize %z <scales = [0.0078125]>
// CHECK:         func.return

// -----

// Bytes are their own numbers, and a rising line of them has the same in another scale, unless its zero is not among them.

func.func @main(%x : tensor<1x2xui8>, %i : tensor<1x3xi32>) -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x3xi32>) {
  %f = nn.from_uint8 %x {layer = "x", nn.range = array<f64: 3.0, 99.0>} : tensor<1x2xui8> -> tensor<1x2xf32>
  %a = nn.activation "x / 4" %f {nn.range = array<f64: 0.75, 24.75>} : tensor<1x2xf32>
  %b = nn.activation "2 * (x - 100)" %f {nn.range = array<f64: -194.0, -2.0>} : tensor<1x2xf32>
  %c = nn.activation "x + 510" %f {nn.range = array<f64: 0.0, 765.0>} : tensor<1x2xf32>
  func.return %a, %b, %c, %i : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x3xi32>
}

// CHECK:       nn.from_uint8
// CHECK-NEXT:  nn.quantize %f <scales = [1.0], zero_point = -128> {layer = "x"}
// CHECK:       nn.quantize %a <scales = [0.25], zero_point = -128>
// CHECK:       nn.quantize %b <scales = [2.0], zero_point = -28>
// CHECK:       nn.quantize %c <scales = [3.0], zero_point = -128>

// -----

// What is chosen has the quantization of the result, and a mask that of 0 and 1.

func.func @main(%x : tensor<1x2xf32> {nn.range = array<f64: -127.5, 127.5>}) -> tensor<1x2xf32> {
  %m = nn.constant dense<[[0.0, 1.0]]> : tensor<1x2xf32>
  %n = nn.constant dense<[510.0]> : tensor<1xf32>
  %z = nn.select %m, %n, %x {layer = "fill", nn.range = array<f64: 0.0, 510.0>} : tensor<1x2xf32>, tensor<1xf32>, tensor<1x2xf32> -> tensor<1x2xf32>
  func.return %z : tensor<1x2xf32>
}

// CHECK:       nn.quantize %x <scales = [1.0]>
// CHECK:       nn.dequantize {{.*}} <scales = [1.0]> : tensor<1x2xi8>
// CHECK:       nn.dequantize {{.*}} <scales = [2.0], zero_point = -128> : tensor<1xi8>
// CHECK:       nn.quantize {{.*}} <scales = [2.0], zero_point = -128> {layer = "fill"}
// CHECK:       %z = nn.select
// CHECK-NEXT:  nn.quantize %z <scales = [2.0], zero_point = -128>
