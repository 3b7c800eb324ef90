// RUN: sparsec-opt %s -p fold-requantize,dce --split-input-file | filecheck %s
// RUN: not sparsec-opt %s -p "fold-requantize{aggressive=true}" --split-input-file 2>&1 | filecheck %s --check-prefix OPTION

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

// It cannot fail on a valid module; an option it does not have is refused.
// OPTION: error: Provided arguments ["aggressive"] not found in expected arguments []
