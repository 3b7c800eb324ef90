// RUN: VERIFY_DIAG

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<csr>>) {
  func.return
}
// CHECK: unknown sparse format 'csr', known: delta8

// -----

func.func @f(%w : tensor<4x3xi8, #sparse.encoding<delta8, n = 2>>) {
  func.return
}
// CHECK: unknown field 'n'

// -----

func.func @f(%w : tensor<4x3xi8>) {
  %e = sparse.component "entries" %w : tensor<4x3xi8> -> tensor<6xui8>
  func.return
}
// CHECK: tensor<4x3xi8> has no sparse encoding

// -----

func.func @f(%w : tensor<4x0xi8, #sparse.encoding<delta8>>) {
  %e = sparse.component "entries" %w : tensor<4x0xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
  func.return
}
// CHECK: a sparse format stores a matrix [rows, columns], not a tensor of shape [4, 0]

// -----

func.func @f(%w : tensor<4x3xi8, "odd">) {
  %e = sparse.component "entries" %w : tensor<4x3xi8, "odd"> -> tensor<6xui8>
  func.return
}
// CHECK: "odd" is not a sparse encoding
