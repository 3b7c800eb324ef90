// RUN: sparsec-opt %s -p eliminate-dead-channels --split-input-file | filecheck %s
// RUN: not sparsec-opt %s -p "eliminate-dead-channels{aggressive=true}" --split-input-file 2>&1 | filecheck %s --check-prefix OPTION

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

// It cannot fail on a valid module; an option it does not have is refused.
// OPTION: error: Provided arguments ["aggressive"] not found in expected arguments []
