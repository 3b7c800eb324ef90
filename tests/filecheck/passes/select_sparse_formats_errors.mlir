// RUN: sparsec-opt %s -p "select-sparse-formats{format=delta8}" --verify-diagnostics | filecheck %s
// RUN: sparsec-opt %s -p "select-sparse-formats{min-sparsity=60.0}" --verify-diagnostics | filecheck %s --check-prefix SHARE
// RUN: sparsec-opt %s -p select-sparse-formats | filecheck %s --check-prefix AUTO

func.func @main(%x : tensor<1x70000xi8>) -> tensor<1x1xi8> {
  %w = qnn.constant named "fc.weight" dense<1> : tensor<1x70000xi8>
  %b = qnn.constant dense<0> : tensor<1xi32>
  %y = qnn.linear %x, %w, %b requant(%b, %b) <> {layer = "head.fc"} : tensor<1x70000xi8>, tensor<1x70000xi8>, tensor<1xi32>, tensor<1xi32> -> tensor<1x1xi8>
  func.return %y : tensor<1x1xi8>
}

// CHECK: layer 'head.fc' cannot be stored as delta8: row 0 needs 70000 delta8 entries, more than 65535; choose format=auto or format=dense
// SHARE: min-sparsity is a share between 0 and 1, got 60.0
// AUTO:  named "fc.weight" {{.*}} : tensor<1x70000xi8>
