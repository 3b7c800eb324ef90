// SPDX-License-Identifier: Apache-2.0

// RUN: python -c "import numpy, sys; numpy.save(sys.argv[1], numpy.array([[-1.0, 0.5], [2.0, 0.25]]))" %t.npy
// RUN: sparsec-opt %s -p 'equalize{file="%t.npy"}' --split-input-file | filecheck %s
// RUN: sparsec-opt %s -p 'equalize' --split-input-file --verify-diagnostics | filecheck %s --check-prefix NO-FILE

// Channels that are at most 2 and 8, read by weights of 4 and 1: divided by sqrt(2 / 4) and sqrt(8), of which the larger is 1.
// CHECK-LABEL: func.func @main
// CHECK:         nn.constant named "first.weight" dense<{{\[\[}}4.000000e+00, 0.000000e+00], [4.000000e+00, 0.000000e+00]]>
// CHECK:         nn.constant named "second.weight" dense<1.000000e+00>
func.func @main(%x : tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w1 = nn.constant named "first.weight" dense<[[1.0, 0.0], [4.0, 0.0]]> : tensor<2x2xf32>
  %b1 = nn.constant named "first.bias" dense<0.0> : tensor<2xf32>
  %y = nn.linear %x, %w1, %b1 {layer = "first"} : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  %w2 = nn.constant named "second.weight" dense<[[4.0, 1.0]]> : tensor<1x2xf32>
  %b2 = nn.constant named "second.bias" dense<0.0> : tensor<1xf32>
  %z = nn.linear %y, %w2, %b2 {layer = "second"} : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %z : tensor<1x1xf32>
}

// NO-FILE: equalize needs data: equalize{file=inputs.npz}

// -----

// A result that others read as well stays.
// CHECK-LABEL: func.func @main
// CHECK:         nn.constant named "first.weight" dense<{{\[\[}}1.000000e+00, 0.000000e+00], [4.000000e+00, 0.000000e+00]]>
func.func @main(%x : tensor<1x2xf32>) -> (tensor<1x1xf32>, tensor<1x2xf32>) {
  %w1 = nn.constant named "first.weight" dense<[[1.0, 0.0], [4.0, 0.0]]> : tensor<2x2xf32>
  %b1 = nn.constant named "first.bias" dense<0.0> : tensor<2xf32>
  %y = nn.linear %x, %w1, %b1 {layer = "first"} : tensor<1x2xf32>, tensor<2x2xf32>, tensor<2xf32> -> tensor<1x2xf32>
  %w2 = nn.constant named "second.weight" dense<[[4.0, 1.0]]> : tensor<1x2xf32>
  %b2 = nn.constant named "second.bias" dense<0.0> : tensor<1xf32>
  %z = nn.linear %y, %w2, %b2 {layer = "second"} : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %z, %y : tensor<1x1xf32>, tensor<1x2xf32>
}
