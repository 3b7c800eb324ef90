// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fold-requantize,dce --split-input-file | filecheck %s

// To another zero point and back is nothing, except for what the clamp in between cuts off.

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> {
  %a = qnn.rescale %x <multiplier = 1073741824, shift = 1, output_zp = 10, clamp = [0, 50]> : tensor<1x4xi8>
  %b = qnn.rescale %a <input_zp = 10, multiplier = 1073741824, shift = 1> {layer = "back"} : tensor<1x4xi8>
  func.return %b : tensor<1x4xi8>
}

// CHECK:       @main(%x: tensor<1x4xi8>)
// CHECK-NEXT:    qnn.rescale %x <multiplier = 1073741824, shift = 1, clamp = [-10, 40]> {layer = "back"}
// CHECK-NEXT:    func.return

// -----

// Rounding twice is not rounding once: a table says what the two do.

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> {
  %a = qnn.rescale %x <multiplier = 1518500250, shift = 0> : tensor<1x4xi8>
  %b = qnn.rescale %a <multiplier = 1518500250, shift = 0> {layer = "second"} : tensor<1x4xi8>
  func.return %b : tensor<1x4xi8>
}

// CHECK:       qnn.constant named "second.table"
// CHECK-NEXT:  qnn.lookup %x, {{%.*}} {layer = "second"}
// CHECK-NEXT:  func.return

// -----

// A rescale that only clamps belongs to its producer.

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x4xi8> {
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<0> : tensor<1xi32>
  %w = qnn.constant dense<1> : tensor<4x4xi8>
  %b = qnn.constant dense<0> : tensor<4xi32>
  %y = qnn.linear %x, %w, %b requant(%m, %s) <output_zp = 7> : tensor<1x4xi8>, tensor<4x4xi8>, tensor<4xi32>, tensor<1xi32> -> tensor<1x4xi8>
  %z = qnn.rescale %y <input_zp = 7, multiplier = 1073741824, shift = 1, output_zp = 7, clamp = [7, 100]> : tensor<1x4xi8>
  func.return %z : tensor<1x4xi8>
}

// CHECK:       %y = qnn.linear {{.*}} <output_zp = 7, clamp = [7, 100]>
// CHECK-NEXT:  func.return %y

// -----

// A map that is none of these stays, and others may read what comes between.

func.func @main(%x : tensor<1x4xi8>) -> (tensor<1x4xi8>, tensor<1x4xi8>) {
  %a = qnn.rescale %x <multiplier = 1518500250, shift = 0> : tensor<1x4xi8>
  %b = qnn.rescale %a <multiplier = 1518500250, shift = 0> : tensor<1x4xi8>
  func.return %a, %b : tensor<1x4xi8>, tensor<1x4xi8>
}

// CHECK:       qnn.rescale %x
// CHECK-NEXT:  qnn.rescale %a

// -----

// With one number for all it is a table; with a number for each channel it stays one operation.

func.func @main(%x : tensor<1x4x2xi8>) -> (tensor<1x4x2xi8>, tensor<1x4x2xi8>) {
  %c = qnn.constant dense<3> : tensor<i8>
  %v = qnn.constant dense<[3, 4]> : tensor<2xi8>
  %a = qnn.mul %x, %c <input1_zp = 1, input2_zp = 0, multiplier = 1073741824, shift = -3, output_zp = 2> {layer = "one"} : tensor<1x4x2xi8>, tensor<i8> -> tensor<1x4x2xi8>
  %b = qnn.mul %x, %v <input1_zp = 1, input2_zp = 0, multiplier = 1073741824, shift = -3, output_zp = 2> {layer = "each"} : tensor<1x4x2xi8>, tensor<2xi8> -> tensor<1x4x2xi8>
  func.return %a, %b : tensor<1x4x2xi8>, tensor<1x4x2xi8>
}

// CHECK:       qnn.constant named "one.table"
// CHECK-NEXT:  qnn.lookup %x, {{%.*}} {layer = "one"}
// CHECK-NEXT:  qnn.mul %x, %v {{.*}} {layer = "each"}
// CHECK-NEXT:  func.return

// -----

// The larger of a value and one number is a clamp of what made the value, also behind a reshape.

func.func @main(%x : tensor<1x4xi8>, %y : tensor<1x4xi8>) -> tensor<1x2x2xi8> {
  %c = qnn.constant dense<-7> : tensor<i8>
  %a = qnn.mul %x, %y <input1_zp = 1, input2_zp = 0, multiplier = 1073741824, shift = -3, output_zp = 2> : tensor<1x4xi8>, tensor<1x4xi8> -> tensor<1x4xi8>
  %b = qnn.reshape %a : tensor<1x4xi8> -> tensor<1x2x2xi8>
  %d = qnn.maximum %b, %c : tensor<1x2x2xi8>, tensor<i8> -> tensor<1x2x2xi8>
  func.return %d : tensor<1x2x2xi8>
}

// CHECK:       qnn.mul %x, %y {{.*}} clamp = [-7, 127]>
// CHECK-NEXT:  qnn.reshape
// CHECK-NEXT:  func.return

// -----

// A mean takes the clamp behind it.

func.func @main(%x : tensor<1x4x4x2xi8>) -> tensor<1x1x1x2xi8> {
  %c = qnn.constant dense<-7> : tensor<i8>
  %a = qnn.mean %x <multiplier = 1073741824, shift = -3> : tensor<1x4x4x2xi8> -> tensor<1x1x1x2xi8>
  %b = qnn.maximum %a, %c : tensor<1x1x1x2xi8>, tensor<i8> -> tensor<1x1x1x2xi8>
  func.return %b : tensor<1x1x1x2xi8>
}

// CHECK:       qnn.mean %x {{.*}} clamp = [-7, 127]>
// CHECK-NEXT:  func.return

// It cannot fail on a valid module; an option it does not have is refused.
