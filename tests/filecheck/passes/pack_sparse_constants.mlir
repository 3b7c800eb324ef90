// RUN: sparsec-opt %s -p pack-sparse-constants | filecheck %s

func.func @main() {
  %w = qnn.constant named "fc.weight" dense<[[0, 0, -1, 0], [3, 0, 0, 4]]> : tensor<2x4xi8, #sparse.encoding<delta8>>
  %e = sparse.component "entries" %w : tensor<2x4xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
  %c = sparse.component "counts" %w : tensor<2x4xi8, #sparse.encoding<delta8>> -> tensor<2xui16>
  %dense = qnn.constant named "other" dense<[1, 2]> : tensor<2xi8>
  func.return
}

// CHECK:      func.func @main() {
// CHECK-NEXT:   %e = qnn.constant named "fc.weight.entries" dense<[2, 255, 0, 3, 3, 4]> : tensor<6xui8>
// CHECK-NEXT:   %c = qnn.constant named "fc.weight.counts" dense<[1, 2]> : tensor<2xui16>
// CHECK-NEXT:   %dense = qnn.constant named "other" dense<[1, 2]> : tensor<2xi8>
// CHECK-NEXT:   func.return
