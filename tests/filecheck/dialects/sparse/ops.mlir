// RUN: ROUNDTRIP

func.func @f(%w : tensor<4x3x3x2xi8, #sparse.encoding<delta8>>) {
  %e = sparse.component "entries" %w : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
  %c = sparse.component "counts" %w {note = "kept"} : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<4xui16>
  func.return
}

// CHECK:      func.func @f(%w: tensor<4x3x3x2xi8, #sparse.encoding<delta8>>) {
// CHECK-NEXT: %e = sparse.component "entries" %w : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
// CHECK-NEXT: %c = sparse.component "counts" %w {note = "kept"} : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<4xui16>
