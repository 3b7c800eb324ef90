// RUN: sparsec-opt %s -p "fuse-rows{target=cortex-m99}" --verify-diagnostics | filecheck %s

func.func @main(%x : memref<4xi8>) {
  func.return
}

// CHECK: cortex-m99
