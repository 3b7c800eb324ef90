// RUN: sparsec-opt %s -p "convert-qnn-to-kernels{target=cortex-m3}" --verify-diagnostics --split-input-file | filecheck %s

func.func @main(%x : tensor<1x4xi8>) -> tensor<1x1xi8> {
  %w = qnn.constant dense<1> : tensor<1x4xi8, #sparse.encoding<nm, n = 1, m = 4>>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%b, %b) <> {layer = "fc"} : tensor<1x4xi8>, tensor<1x4xi8, #sparse.encoding<nm, n = 1, m = 4>>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return %y : tensor<1x1xi8>
}
// CHECK: layer 'fc' (qnn.linear): row 0 has 4 non-zeros in columns 0 to 3, more than 1 of 4, store the weights dense
