// SPDX-License-Identifier: Apache-2.0

// RUN: sparsec-opt %s -p "calibrate" --split-input-file --verify-diagnostics --parsing-diagnostics | filecheck %s
//
// Each piece is on its own: a failing pass, a failing verifier, a text that does not parse, and one
// that is well.

func.func @main(%x : tensor<1x4xf32>) -> tensor<1x4xf32> {
  %y = nn.clamp %x <min = 0.0> {layer = "relu"} : tensor<1x4xf32>
  func.return %y : tensor<1x4xf32>
}

// CHECK: calibrate needs data: calibrate{file=inputs.npz}

// -----

func.func @main(%x : tensor<1x4xf32>) {
  %y = nn.concat %x, %x axis 7 : tensor<1x4xf32>, tensor<1x4xf32> -> tensor<1x8xf32>
  func.return
}

// CHECK: axis

// -----

func.func @main() {
  nn.nothing
}

// CHECK: nn.nothing is not registered

// -----

func.func @well() {
  func.return
}

// CHECK: func.func @well
