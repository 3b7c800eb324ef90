// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fold-transpose --split-input-file | filecheck %s

// Inverse ones cancel through a clamp, others merge.

func.func @main(%x : tensor<1x2x3x4xf32>) -> (tensor<1x3x4x2xf32>, tensor<1x4x2x3xf32>) {
  %0 = nn.softmax %x : tensor<1x2x3x4xf32>
  %a = nn.transpose %0 [0, 3, 1, 2] : tensor<1x2x3x4xf32> -> tensor<1x4x2x3xf32>
  %b = nn.clamp %a <min = 0.0> {layer = "relu"} : tensor<1x4x2x3xf32>
  %c = nn.transpose %b [0, 2, 3, 1] : tensor<1x4x2x3xf32> -> tensor<1x2x3x4xf32>
  %d = nn.softmax %c : tensor<1x2x3x4xf32>
  %e = nn.transpose %d [0, 3, 2, 1] : tensor<1x2x3x4xf32> -> tensor<1x4x3x2xf32>
  %f = nn.transpose %e [0, 2, 1, 3] : tensor<1x4x3x2xf32> -> tensor<1x3x4x2xf32>
  %g = nn.transpose %d [0, 3, 1, 2] : tensor<1x2x3x4xf32> -> tensor<1x4x2x3xf32>
  func.return %f, %g : tensor<1x3x4x2xf32>, tensor<1x4x2x3xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    [[S:%.*]] = nn.softmax %x
// CHECK-NEXT:    [[R:%.*]] = nn.clamp [[S]] <min = 0.0> {layer = "relu"} : tensor<1x2x3x4xf32>
// CHECK-NEXT:    [[D:%.*]] = nn.softmax [[R]]
// CHECK-NEXT:    {{%.*}} = nn.transpose [[D]] [0, 2, 3, 1]
// CHECK-NEXT:    {{%.*}} = nn.transpose [[D]] [0, 3, 1, 2]
// CHECK-NEXT:    func.return

// -----

// One that moves no data is a reshape; the one at the entry that moves data stays.

func.func @main(%x : tensor<1x1x3x4xf32>, %y : tensor<1x2x3x4xf32>) -> (tensor<1x3x4x1xf32>, tensor<1x3x4x2xf32>) {
  %a = nn.transpose %x [0, 2, 3, 1] : tensor<1x1x3x4xf32> -> tensor<1x3x4x1xf32>
  %b = nn.transpose %y [0, 2, 3, 1] : tensor<1x2x3x4xf32> -> tensor<1x3x4x2xf32>
  %c = nn.clamp %b <min = 0.0> : tensor<1x3x4x2xf32>
  func.return %a, %c : tensor<1x3x4x1xf32>, tensor<1x3x4x2xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    nn.reshape %x : tensor<1x1x3x4xf32> -> tensor<1x3x4x1xf32>
// CHECK-NEXT:    %b = nn.transpose %y [0, 2, 3, 1]
// CHECK-NEXT:    nn.clamp %b

// -----

// What torch calls flatten: the columns of the weights move instead of the data.

func.func @main(%x : tensor<1x1x2x2xf32>) -> tensor<1x1xf32> {
  %w = nn.constant named "fc.weight" dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
  %b = nn.constant named "fc.bias" dense<0.0> : tensor<1xf32>
  %t = nn.transpose %x [0, 3, 1, 2] : tensor<1x1x2x2xf32> -> tensor<1x2x1x2xf32>
  %r = nn.reshape %t {layer = "flatten"} : tensor<1x2x1x2xf32> -> tensor<1x4xf32>
  %c = nn.clamp %r <min = 0.0> : tensor<1x4xf32>
  %y = nn.linear %c, %w, %b {layer = "fc"} : tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %y : tensor<1x1xf32>
}

// CHECK:       %r = nn.reshape %x {layer = "flatten"} : tensor<1x1x2x2xf32> -> tensor<1x4xf32>
// CHECK-NEXT:  %c = nn.clamp %r
// CHECK-NEXT:  %w = nn.constant named "fc.weight" dense<{{\[\[}}1.000000e+00, 3.000000e+00, 2.000000e+00, 4.000000e+00]]>
// CHECK-NEXT:  nn.linear %c, %w, %b {layer = "fc", sparsec.moved = ["fold-transpose put its columns into the order in which data lies in memory, channels last"]}

// -----

// The result of the network is also the flattened image: it keeps torch's order.

func.func @main(%x : tensor<1x1x2x2xf32>) -> (tensor<1x1xf32>, tensor<1x4xf32>) {
  %w = nn.constant dense<[[1.0, 2.0, 3.0, 4.0]]> : tensor<1x4xf32>
  %b = nn.constant dense<0.0> : tensor<1xf32>
  %t = nn.transpose %x [0, 3, 1, 2] : tensor<1x1x2x2xf32> -> tensor<1x2x1x2xf32>
  %r = nn.reshape %t : tensor<1x2x1x2xf32> -> tensor<1x4xf32>
  %y = nn.linear %r, %w, %b : tensor<1x4xf32>, tensor<1x4xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %y, %r : tensor<1x1xf32>, tensor<1x4xf32>
}

// CHECK:       nn.transpose %x [0, 3, 1, 2]
// CHECK-NEXT:  nn.reshape %t

// -----

// A slice is taken first, so that less is moved.

func.func @main(%x : tensor<1x2x3x4xf32>) -> tensor<1x3x2x3xf32> {
  %0 = nn.softmax %x : tensor<1x2x3x4xf32>
  %t = nn.transpose %0 [0, 3, 1, 2] : tensor<1x2x3x4xf32> -> tensor<1x4x2x3xf32>
  %s = nn.slice %t <begin = [0, 1, 1, 0], strides = [1, 1, -1, 1]> {layer = "cut"} : tensor<1x4x2x3xf32> -> tensor<1x3x2x3xf32>
  func.return %s : tensor<1x3x2x3xf32>
}

// CHECK:       [[S:%.*]] = nn.slice %0 <begin = [0, 1, 0, 1], strides = [1, -1, 1, 1]> {layer = "cut"} : tensor<1x2x3x4xf32> -> tensor<1x2x3x3xf32>
// CHECK-NEXT:  nn.transpose [[S]] [0, 3, 1, 2] {layer = "cut"} : tensor<1x2x3x3xf32> -> tensor<1x3x2x3xf32>

// It cannot fail on a valid module; an option it does not have is refused.

// -----

// Sinks below operations on two tensors.

func.func @main(%x : tensor<1x2x3xf32>) -> tensor<1x3x2xf32> {
  %a = nn.clamp %x <min = 0.0> : tensor<1x2x3xf32>
  %t = nn.transpose %a [0, 2, 1] : tensor<1x2x3xf32> -> tensor<1x3x2xf32>
  %c = nn.constant dense<[[[1.0], [2.0], [3.0]]]> : tensor<1x3x1xf32>
  %m = nn.mul %t, %c clamp <max = 9.0> : tensor<1x3x2xf32>, tensor<1x3x1xf32> -> tensor<1x3x2xf32>
  %p = nn.prelu %m, %c : tensor<1x3x2xf32>, tensor<1x3x1xf32> -> tensor<1x3x2xf32>
  %y = nn.maximum %c, %p : tensor<1x3x1xf32>, tensor<1x3x2xf32> -> tensor<1x3x2xf32>
  func.return %y : tensor<1x3x2xf32>
}

// CHECK:       %a = nn.clamp
// CHECK:       nn.mul %a, {{.*}} clamp <max = 9.0> : tensor<1x2x3xf32>, tensor<1x1x3xf32> -> tensor<1x2x3xf32>
// CHECK:       nn.prelu {{.*}} : tensor<1x2x3xf32>, tensor<1x1x3xf32> -> tensor<1x2x3xf32>
// CHECK:       [[Y:%.*]] = nn.maximum {{.*}} : tensor<1x1x3xf32>, tensor<1x2x3xf32> -> tensor<1x2x3xf32>
// CHECK-NEXT:  nn.transpose [[Y]] [0, 2, 1]
