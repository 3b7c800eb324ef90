// RUN: sparsec-opt %s -p select-sparse-formats | filecheck %s
// RUN: sparsec-opt %s -p "select-sparse-formats{min-sparsity=0.95}" | filecheck %s --check-prefix HIGH
// RUN: sparsec-opt %s -p "select-sparse-formats{format=delta8}" | filecheck %s --check-prefix DELTA8
// RUN: sparsec-opt %s -p "select-sparse-formats{format=dense}" | filecheck %s --check-prefix HIGH
// RUN: sparsec-opt %s -p "select-sparse-formats{target=cortex-m55}" | filecheck %s --check-prefix M55
// RUN: sparsec-opt %s -p "select-sparse-formats{target=z80}" --verify-diagnostics | filecheck %s --check-prefix TARGET

// 11 of 12 weights are zeros: 2 + 3 * 2 bytes instead of 12.
// Half of the others are zeros, too few.
// Weights that two layers share change once, for both.

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x3xi8> {
  %b = qnn.constant dense<1> : tensor<3xi32>
  %m = qnn.constant dense<1073741824> : tensor<1xi32>
  %s = qnn.constant dense<1> : tensor<1xi32>
  %sparse = qnn.constant named "sparse" dense<[[0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 0, 0]]> : tensor<3x4xi8>
  %y = qnn.linear %x, %sparse, %b requant(%m, %s) <> : tensor<1x4xi8>, tensor<3x4xi8>, tensor<3xi32>, tensor<1xi32> -> tensor<1x3xi8>
  %half = qnn.constant named "half" dense<[[0, 1, 2], [0, 3, 0], [4, 0, 5]]> : tensor<3x3xi8>
  %z = qnn.linear %y, %half, %b requant(%m, %s) <> : tensor<1x3xi8>, tensor<3x3xi8>, tensor<3xi32>, tensor<1xi32> -> tensor<1x3xi8>
  %shared = qnn.constant named "shared" dense<[[0, 0, 0], [0, 0, 0], [0, 0, 0]]> : tensor<3x3xi8>
  %u = qnn.linear %z, %shared, %b requant(%m, %s) <> : tensor<1x3xi8>, tensor<3x3xi8>, tensor<3xi32>, tensor<1xi32> -> tensor<1x3xi8>
  %v = qnn.linear %u, %shared, %b requant(%m, %s) <> : tensor<1x3xi8>, tensor<3x3xi8>, tensor<3xi32>, tensor<1xi32> -> tensor<1x3xi8>
  %w = qnn.constant named "depthwise" dense<0> : tensor<1x1x1x3xi8>
  %i = qnn.reshape %v : tensor<1x3xi8> -> tensor<1x1x1x3xi8>
  %m3 = qnn.constant dense<1073741824> : tensor<3xi32>
  %d = qnn.depthwise_conv2d %i, %w, %b requant(%m3, %b) <> window <> : tensor<1x1x1x3xi8>, tensor<1x1x1x3xi8>, tensor<3xi32>, tensor<3xi32> -> tensor<1x1x1x3xi8>
  %c = qnn.constant named "both" dense<0> : tensor<3x1x1x3xi8>
  %e = qnn.conv2d %d, %c, %b requant(%m3, %b) <> window <> : tensor<1x1x1x3xi8>, tensor<3x1x1x3xi8>, tensor<3xi32>, tensor<3xi32> -> tensor<1x1x1x3xi8>
  %r = qnn.constant named "rows" dense<0> : tensor<3x3xi8>
  %two = qnn.concat %e, %e axis 1 : tensor<1x1x1x3xi8>, tensor<1x1x1x3xi8> -> tensor<1x2x1x3xi8>
  %g = qnn.linear %two, %r, %b requant(%m, %s) <> : tensor<1x2x1x3xi8>, tensor<3x3xi8>, tensor<3xi32>, tensor<1xi32> -> tensor<1x2x1x3xi8>
  func.return %y : tensor<1x3xi8>
}

// CHECK:      named "sparse" dense<{{.*}}> : tensor<3x4xi8, #sparse.encoding<delta8>>
// CHECK-NEXT: qnn.linear {{.*}} tensor<3x4xi8, #sparse.encoding<delta8>>
// CHECK-NEXT: named "half" dense<{{.*}}> : tensor<3x3xi8>
// CHECK:      named "shared" dense<{{.*}}> : tensor<3x3xi8, #sparse.encoding<delta8>>
// CHECK-NEXT: qnn.linear {{.*}} tensor<3x3xi8, #sparse.encoding<delta8>>
// CHECK-NEXT: qnn.linear {{.*}} tensor<3x3xi8, #sparse.encoding<delta8>>
// A depthwise convolution and several rows have no sparse kernel.
// CHECK-NEXT: named "depthwise" dense<0> : tensor<1x1x1x3xi8>
// CHECK:      named "both" dense<0> : tensor<3x1x1x3xi8, #sparse.encoding<delta8>>
// CHECK:      named "rows" dense<0> : tensor<3x3xi8>

// HIGH-NOT:   named "half" {{.*}} #sparse
// HIGH:       named "depthwise" dense<0> : tensor<1x1x1x3xi8>

// DELTA8:     named "half" dense<{{.*}}> : tensor<3x3xi8, #sparse.encoding<delta8>>
// DELTA8:     named "depthwise" dense<0> : tensor<1x1x1x3xi8>


// On Helium the dense kernel of a linear layer is faster whatever the zeros; a convolution is not.
// M55-NOT:    named "sparse" {{.*}} #sparse
// M55:        named "both" dense<0> : tensor<3x1x1x3xi8, #sparse.encoding<delta8>>

// TARGET:     unknown target 'z80', choose one of: cortex-m0plus
