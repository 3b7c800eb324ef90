// RUN: ROUNDTRIP

func.func @f(%w : tensor<4x3x3x2xi8, #sparse.encoding<delta8>>) {
  %e = sparse.component "entries" %w : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
  %c = sparse.component "counts" %w {note = "kept"} : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<4xui16>
  func.return
}

func.func @formats(
  %a : tensor<4x3xi8, #sparse.encoding<delta4>>,
  %b : tensor<4x3xi8, #sparse.encoding<bitmap>>,
  %c : tensor<4x3xi8, #sparse.encoding<csr>>,
  %d : tensor<4x3xi8, #sparse.encoding<dcsr>>,
  %e : tensor<4x3xi8, #sparse.encoding<nm, n = 2, m = 4>>,
  %f : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1>>,
  %g : tensor<4x3xi8, #sparse.encoding<block-rle, size = 1>>,
  %h : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 16>>,
  %i : tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 8>>) {
  func.return
}

// CHECK:      func.func @f(%w: tensor<4x3x3x2xi8, #sparse.encoding<delta8>>) {
// CHECK-NEXT: %e = sparse.component "entries" %w : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<6xui8>
// CHECK-NEXT: %c = sparse.component "counts" %w {note = "kept"} : tensor<4x3x3x2xi8, #sparse.encoding<delta8>> -> tensor<4xui16>
// CHECK:      func.func @formats(
// CHECK-SAME: %a: tensor<4x3xi8, #sparse.encoding<delta4>>
// CHECK-SAME: %b: tensor<4x3xi8, #sparse.encoding<bitmap>>
// CHECK-SAME: %c: tensor<4x3xi8, #sparse.encoding<csr>>
// CHECK-SAME: %d: tensor<4x3xi8, #sparse.encoding<dcsr>>
// CHECK-SAME: %e: tensor<4x3xi8, #sparse.encoding<nm, n = 2, m = 4>>
// CHECK-SAME: %f: tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1>>
// CHECK-SAME: %g: tensor<4x3xi8, #sparse.encoding<block-rle, size = 1>>
// CHECK-SAME: %h: tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1, bits = 16>>
// CHECK-SAME: %i: tensor<4x3xi8, #sparse.encoding<block, rows = 4, columns = 1>>
