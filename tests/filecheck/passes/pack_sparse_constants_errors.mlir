// RUN: sparsec-opt %s -p pack-sparse-constants --verify-diagnostics --split-input-file | filecheck %s

func.func @main() {
  %w = qnn.constant named "fc.weight" dense<0> : tensor<2x4xi8, #sparse.encoding<delta8>>
  %e = sparse.component "entries" %w : tensor<2x4xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
  func.return
}
// CHECK: fc.weight has no component 'entries' of type tensor<6xui8>

// -----

func.func @main() {
  %w = qnn.constant named "fc.weight" dense<0> : tensor<2x4xi8, #sparse.encoding<delta8>>
  %e = sparse.component "masks" %w : tensor<2x4xi8, #sparse.encoding<delta8>> -> tensor<2xui16>
  func.return
}
// CHECK: fc.weight has no component 'masks' of type tensor<2xui16>
