// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p fuse-norms,dce --split-input-file | filecheck %s

// Division by the root of the mean square, of each row; then factors and offsets of the columns.

func.func @main(%x : tensor<1x3x4xf32>) -> tensor<1x3x4xf32> {
  %w = nn.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %b = nn.constant dense<0.5> : tensor<f32>
  %s = nn.activation "x * x" %x : tensor<1x3x4xf32>
  %m = nn.mean %s : tensor<1x3x4xf32> -> tensor<1x3x1xf32>
  %r = nn.activation "1 / sqrt(x + 0.25)" %m : tensor<1x3x1xf32>
  %y = nn.mul %r, %x {layer = "rms"} : tensor<1x3x1xf32>, tensor<1x3x4xf32> -> tensor<1x3x4xf32>
  %f = nn.mul %y, %w {layer = "scale"} : tensor<1x3x4xf32>, tensor<4xf32> -> tensor<1x3x4xf32>
  %z = nn.sub %f, %b clamp <min = 0.0> {layer = "shift"} : tensor<1x3x4xf32>, tensor<f32> -> tensor<1x3x4xf32>
  func.return %z : tensor<1x3x4xf32>
}

// CHECK:       func.func @main
// CHECK-NEXT:    %[[X:.*]] = nn.reshape %x {layer = "shift"} : tensor<1x3x4xf32> -> tensor<1x3x1x4xf32>
// CHECK-NEXT:    %[[W:.*]] = nn.constant named "shift.weight" dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00]> : tensor<4xf32>
// CHECK-NEXT:    %[[B:.*]] = nn.constant named "shift.bias" dense<-5.000000e-01> : tensor<4xf32>
// CHECK-NEXT:    %[[N:.*]] = nn.normalize %[[X]], %[[W]], %[[B]] by <centered = 0, epsilon = 0.25> clamp <min = 0.0> {layer = "shift"}
// CHECK-NEXT:    %[[Z:.*]] = nn.reshape %[[N]] {layer = "shift"} : tensor<1x3x1x4xf32> -> tensor<1x3x4xf32>
// CHECK-NEXT:    func.return %[[Z]]

// -----

// A sum has as many times the mean. The pixels of each channel, and no epsilon.

func.func @main(%x : tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32> {
  %a = nn.mean %x : tensor<1x4x4x2xf32> -> tensor<1x1x1x2xf32>
  %d = nn.sub %x, %a : tensor<1x4x4x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x4x4x2xf32>
  %s = nn.activation "x * x" %d : tensor<1x4x4x2xf32>
  %m = nn.sum %s : tensor<1x4x4x2xf32> -> tensor<1x1x1x2xf32>
  %r = nn.activation "2 / sqrt(x)" %m : tensor<1x1x1x2xf32>
  %e = nn.sub %x, %a : tensor<1x4x4x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x4x4x2xf32>
  %y = nn.mul %e, %r {layer = "norm"} : tensor<1x4x4x2xf32>, tensor<1x1x1x2xf32> -> tensor<1x4x4x2xf32>
  func.return %y : tensor<1x4x4x2xf32>
}

// CHECK:       nn.reshape %x {layer = "norm"} : tensor<1x4x4x2xf32> -> tensor<1x1x16x2xf32>
// CHECK-NEXT:  nn.constant named "norm.weight" dense<5.000000e-01> : tensor<2xf32>
// CHECK:       nn.normalize {{.*}} by <groups = 2> {layer = "norm"}

// -----

// The squares of a function of %x, as `fuse-functions` leaves them, by the root of their mean.

func.func @main(%x : tensor<1x3x4xf32>) -> (tensor<1x3x4xf32>, tensor<1x3x4xf32>) {
  %c = nn.clamp %x <min = 0.0> : tensor<1x3x4xf32>
  %s = nn.activation "maximum(x, 0.0) * maximum(x, 0.0)" %x : tensor<1x3x4xf32>
  %m = nn.mean %s : tensor<1x3x4xf32> -> tensor<1x3x1xf32>
  %r = nn.activation "1 / sqrt(x + 0.25)" %m : tensor<1x3x1xf32>
  %y0 = nn.mul %c, %r {layer = "clamped"} : tensor<1x3x4xf32>, tensor<1x3x1xf32> -> tensor<1x3x4xf32>
  %t = nn.activation "tanh(x)" %x : tensor<1x3x4xf32>
  %y1 = nn.mul %t, %r {layer = "others"} : tensor<1x3x4xf32>, tensor<1x3x1xf32> -> tensor<1x3x4xf32>
  func.return %y0, %y1 : tensor<1x3x4xf32>, tensor<1x3x4xf32>
}

// CHECK:       %[[C:.*]] = nn.clamp %x
// CHECK:       nn.reshape %[[C]] {layer = "clamped"}
// CHECK:       nn.normalize {{.*}} by <centered = 0, epsilon = 0.25> {layer = "clamped"}
// CHECK:       nn.mul {{.*}} {layer = "others"}

// -----

// Other tensors, other functions, and the mean of other axes are left alone.

func.func @main(%x : tensor<1x3x4xf32>, %z : tensor<1x3x4xf32>) -> (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) {
  %s = nn.activation "x * x" %x : tensor<1x3x4xf32>
  %m = nn.mean %s : tensor<1x3x4xf32> -> tensor<1x3x1xf32>
  %r = nn.activation "1 / sqrt(x + 0.25)" %m : tensor<1x3x1xf32>
  %o = nn.activation "1 / (x + 0.25)" %m : tensor<1x3x1xf32>
  %y0 = nn.mul %z, %r : tensor<1x3x4xf32>, tensor<1x3x1xf32> -> tensor<1x3x4xf32>
  %y1 = nn.mul %x, %o : tensor<1x3x4xf32>, tensor<1x3x1xf32> -> tensor<1x3x4xf32>
  %a = nn.mean %x : tensor<1x3x4xf32> -> tensor<1x1x1xf32>
  %d = nn.sub %x, %a : tensor<1x3x4xf32>, tensor<1x1x1xf32> -> tensor<1x3x4xf32>
  %q = nn.activation "x * x" %d : tensor<1x3x4xf32>
  %n = nn.mean %q : tensor<1x3x4xf32> -> tensor<1x3x1xf32>
  %t = nn.activation "1 / sqrt(x)" %n : tensor<1x3x1xf32>
  %y2 = nn.mul %d, %t {layer = "rows"} : tensor<1x3x4xf32>, tensor<1x3x1xf32> -> tensor<1x3x4xf32>
  func.return %y0, %y1, %y2 : tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>
}

// CHECK:     nn.mul %z
// CHECK:     nn.mul %x
// CHECK:     %[[D:.*]] = nn.sub %x
// CHECK-NEXT: nn.reshape %[[D]] {layer = "rows"}
// CHECK:     nn.normalize {{.*}} by <centered = 0> {layer = "rows"}
