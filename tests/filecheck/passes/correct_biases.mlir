// SPDX-License-Identifier: Apache-2.0

// RUN: python -c "import numpy, sys; numpy.save(sys.argv[1], numpy.array([[1.0, 1.0], [0.0, 1.0]]))" %t.npy
// RUN: sparsec-opt %s -p 'calibrate{file="%t.npy"},correct-biases{file="%t.npy"}' | filecheck %s
// RUN: sparsec-opt %s -p 'correct-biases' --verify-diagnostics | filecheck %s --check-prefix NO-FILE
// RUN: sparsec-opt %s -p 'correct-biases{file="%t.npy"}' --verify-diagnostics | filecheck %s --check-prefix NO-RANGE

// The weight 0.4 of 127 is rounded to 0, and the input that it reads is always 1.
// CHECK:      nn.constant named "fc.weight" dense<{{\[\[}}1.270000e+02, 4.000000e-01]]>
// CHECK:      nn.constant named "fc.bias" dense<0.4{{[0-9]*}}> : tensor<1xf32>
func.func @main(%x : tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w = nn.constant named "fc.weight" dense<[[127.0, 0.4]]> : tensor<1x2xf32>
  %b = nn.constant named "fc.bias" dense<0.0> : tensor<1xf32>
  %y = nn.linear %x, %w, %b {layer = "fc"} : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %y : tensor<1x1xf32>
}

// NO-FILE: correct-biases needs data: correct-biases{file=inputs.npz}

// NO-RANGE: input 0 has no measured range: give --calibrate FILE.npz
