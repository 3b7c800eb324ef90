// SPDX-License-Identifier: Apache-2.0

// What is printed around passes goes to stderr, under a header that names the pass.
//
// RUN: sparsec-opt %s -p "canonicalize,cse,dce" --print-ir-after-all -o /dev/null 2>&1 | filecheck %s --check-prefix AFTER-ALL
// RUN: sparsec-opt %s -p "canonicalize,cse,dce" --print-ir-before-all -o /dev/null 2>&1 | filecheck %s --check-prefix BEFORE-ALL
// RUN: sparsec-opt %s -p "canonicalize,cse,dce" --print-ir-after=cse --print-ir-before=dce -o /dev/null 2>&1 | filecheck %s --check-prefix SOME
// RUN: sparsec-opt %s -p "cse,dce,cse" --print-ir-after-change -o /dev/null 2>&1 | filecheck %s --check-prefix CHANGE
// RUN: sparsec-opt %s -p "quantize{linear-weights=per-tensor}" --print-ir-after-all -o /dev/null 2>&1 | filecheck %s --check-prefix OPTIONS
// RUN: sparsec-opt %s -p "cse" --print-ir-after-all 2>/dev/null | filecheck %s --check-prefix RESULT
// RUN: sparsec-opt %s --elide-constants-larger-than=3 | filecheck %s --check-prefix ELIDE
//
// AFTER-ALL:      // -----// IR Dump After CanonicalizePass (canonicalize) //----- //
// AFTER-ALL-NEXT: builtin.module
// AFTER-ALL:      // -----// IR Dump After CommonSubexpressionElimination (cse) //----- //
// AFTER-ALL:      // -----// IR Dump After DeadCodeElimination (dce) //----- //
// AFTER-ALL-NOT:  IR Dump
//
// BEFORE-ALL:      // -----// IR Dump Before CanonicalizePass (canonicalize) //----- //
// BEFORE-ALL:      // -----// IR Dump Before CommonSubexpressionElimination (cse) //----- //
// BEFORE-ALL:      // -----// IR Dump Before DeadCodeElimination (dce) //----- //
//
// SOME-NOT: canonicalize
// SOME:     // -----// IR Dump After CommonSubexpressionElimination (cse) //----- //
// SOME:     // -----// IR Dump Before DeadCodeElimination (dce) //----- //
//
// CHANGE:     // -----// IR Dump After CommonSubexpressionElimination (cse) //----- //
// CHANGE:     nn.clamp
// CHANGE-NOT: IR Dump
//
// OPTIONS: // -----// IR Dump After QuantizePass (quantize{linear_weights="per-tensor"}) //----- //
//
// RESULT-NOT: IR Dump
// RESULT:     func.func @main
//
// ELIDE: dense<...> : tensor<4xf32>
// ELIDE: dense<5.000000e-01> : tensor<2xf32>

func.func @main(%x : tensor<1x4xf32> {nn.range = array<f64: -1.0, 1.0>}) -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %large = nn.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %small = nn.constant dense<0.5> : tensor<2xf32>
  %a = nn.clamp %x <min = 0.0> {layer = "relu", nn.range = array<f64: 0.0, 1.0>} : tensor<1x4xf32>
  %b = nn.clamp %x <min = 0.0> {layer = "relu", nn.range = array<f64: 0.0, 1.0>} : tensor<1x4xf32>
  func.return %a, %b : tensor<1x4xf32>, tensor<1x4xf32>
}
