// SPDX-License-Identifier: Apache-2.0

// RUN: python -c "import numpy, sys; numpy.save(sys.argv[1], numpy.array([[-1.0, 0.5], [2.0, 0.25]]))" %t.npy
// RUN: sparsec-opt %s -p 'calibrate{file="%t.npy"}' | filecheck %s
// RUN: sparsec-opt %s -p 'calibrate{file="%t.npy" observer=percentile percentile=60.0}' | filecheck %s --check-prefix PERCENTILE
// RUN: sparsec-opt %s -p 'calibrate' --verify-diagnostics | filecheck %s --check-prefix NO-FILE
// RUN: sparsec-opt %s -p 'calibrate{file="missing.npz"}' --verify-diagnostics | filecheck %s --check-prefix MISSING
// RUN: python -c "import numpy, sys; numpy.save(sys.argv[1], numpy.zeros((5, 3)))" %t.shape.npy
// RUN: sparsec-opt %s -p 'calibrate{file="%t.shape.npy"}' --verify-diagnostics | filecheck %s --check-prefix SHAPE

func.func @main(%x : tensor<1x2xf32>) -> tensor<1x1xf32> {
  %w = nn.constant named "fc.weight" dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %b = nn.constant named "fc.bias" dense<0.0> : tensor<1xf32>
  %y = nn.linear %x, %w, %b {layer = "fc"} : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1xf32> -> tensor<1x1xf32>
  func.return %y : tensor<1x1xf32>
}

// CHECK:       func.func @main(%x: tensor<1x2xf32> {nn.range = array<f64: -1.000000e+00, 2.000000e+00>})
// CHECK-NEXT:    %w = nn.constant named "fc.weight" dense<{{.*}}> : tensor<1x2xf32>
// CHECK-NEXT:    %b = nn.constant named "fc.bias" dense<0.000000e+00> : tensor<1xf32>
// CHECK-NEXT:    %y = nn.linear %x, %w, %b {layer = "fc", nn.range = array<f64: 0.000000e+00, 2.500000e+00>}

// PERCENTILE: func.func @main(%x: tensor<1x2xf32> {nn.range = array<f64: 2.500000e-01, 0.5009765625>})

// NO-FILE: calibrate needs data: calibrate{file=inputs.npz}

// MISSING: cannot read calibration data from missing.npz: No such file or directory

// SHAPE: calibration data for input x must have shape [N, 2], got [5, 3]
