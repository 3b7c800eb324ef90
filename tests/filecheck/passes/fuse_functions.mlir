// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fuse-functions,dce --split-input-file | filecheck %s

// All that depends on one tensor and numbers is one function; what others read stays.

func.func @main(%x : tensor<1x4xf32>) -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %three = nn.constant dense<3.0> : tensor<1xf32>
  %half = nn.constant dense<0.5> : tensor<f32>
  %a = nn.add %x, %three : tensor<1x4xf32>, tensor<1xf32> -> tensor<1x4xf32>
  %c = nn.clamp %a <min = 0.0, max = 6.0> : tensor<1x4xf32>
  %s = nn.activation "sigmoid(x)" %c {layer = "sigmoid"} : tensor<1x4xf32>
  %m = nn.mul %x, %s clamp <max = 2.0> {layer = "gate", nn.range = array<f64: -1.0, 2.0>} : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x4xf32>
  %y = nn.sub %half, %m {layer = "rest"} : tensor<f32>, tensor<1x4xf32> -> tensor<1x4xf32>
  %l = nn.maximum %y, %y {layer = "larger"} : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x4xf32>
  func.return %s, %l : tensor<1x4xf32>, tensor<1x4xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %s = nn.activation "sigmoid(clamp(x + 3, 0, 6))" %x {layer = "sigmoid"}
// CHECK-NEXT:    %l = nn.activation "maximum(0.5 - minimum(x * sigmoid(clamp(x + 3, 0, 6)), 2), 0.5 - minimum(x * sigmoid(clamp(x + 3, 0, 6)), 2))" %x {layer = "larger"}
// CHECK-NEXT:    func.return %s, %l

// -----

// A slope, a constant on the left, a clamp of a function.

func.func @main(%x : tensor<1x4xf32>) -> tensor<1x4xf32> {
  %slope = nn.constant dense<0.25> : tensor<1xf32>
  %a = nn.prelu %x, %slope : tensor<1x4xf32>, tensor<1xf32> -> tensor<1x4xf32>
  %y = nn.clamp %a <min = -1.0> {nn.range = array<f64: -1.0, 3.0>} : tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}

// CHECK:         nn.activation "maximum(leaky_relu(x, 0.25), -1)" %x {nn.range = array<f64: -1.000000e+00, 3.000000e+00>}
// CHECK-NEXT:    func.return

// -----

// No change: two tensors, a number that enlarges the tensor, a clamp that is nobody's function, a value that is
// rounded in between.

func.func @main(%x : tensor<1x4xf32>, %z : tensor<1x4xf32>) -> (tensor<1x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %one = nn.constant dense<1.0> : tensor<2x4xf32>
  %a = nn.activation "tanh(x)" %x : tensor<1x4xf32>
  %m = nn.mul %a, %z : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x4xf32>
  %e = nn.add %z, %one : tensor<1x4xf32>, tensor<2x4xf32> -> tensor<2x4xf32>
  %c = nn.clamp %x <min = 0.0> : tensor<1x4xf32>
  %q = nn.quantize %a <scales = [0.0078125]> : tensor<1x4xf32> -> tensor<1x4xi8>
  %d = nn.dequantize %q <scales = [0.0078125]> : tensor<1x4xi8> -> tensor<1x4xf32>
  %y = nn.activation "sigmoid(x)" %d : tensor<1x4xf32>
  func.return %m, %e, %c, %y : tensor<1x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}

// CHECK:         %a = nn.activation "tanh(x)" %x
// CHECK-NEXT:    nn.mul %a, %z
// CHECK-NEXT:    nn.add %z, %one
// CHECK-NEXT:    nn.clamp %x
// CHECK-NEXT:    nn.quantize %a
// CHECK-NEXT:    nn.dequantize
// CHECK-NEXT:    nn.activation "sigmoid(x)" %d
