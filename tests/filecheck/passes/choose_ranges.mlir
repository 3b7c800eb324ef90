// SPDX-License-Identifier: Apache-2.0

// RUN: python -c "import numpy, sys; numpy.save(sys.argv[1], numpy.array([[1000.0, 1.0], [0.0, 0.3], [0.0, -0.7], [0.0, 0.25]]))" %t.npy
// RUN: sparsec-opt %s -p 'calibrate{file="%t.npy"},choose-ranges{file="%t.npy"}' | filecheck %s
// RUN: sparsec-opt %s -p 'choose-ranges' --verify-diagnostics | filecheck %s --check-prefix NO-FILE
// RUN: sparsec-opt %s -p 'choose-ranges{file="%t.npy"}' --verify-diagnostics | filecheck %s --check-prefix NO-RANGE

// Nothing reads the element that is 1000.
// CHECK: func.func @main(%x: tensor<1x2xf32> {nn.range = array<f64: -{{[01][.][0-9e+-]*}}, {{[0-9]{1,2}[.].*}}>})
func.func @main(%x : tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w = nn.constant named "fc.weight" dense<[[0.0, 1.0]]> : tensor<1x2xf32>
  %b = nn.constant named "fc.bias" dense<0.0> : tensor<1xf32>
  %y = nn.linear %x, %w, %b {layer = "fc"} : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %y : tensor<1x1xf32>
}

// NO-FILE: choose-ranges needs data: choose-ranges{file=inputs.npz}

// NO-RANGE: input 0 has no measured range: give --calibrate FILE.npz
